"""One step of the tabletop's physics: move, close, grasp, slip, carry, push, fall, rest.

An action is (dx, dy, dz, grip): pixels per frame, each at most `MAX_STEP`, and a grip command in [-1, 1] (above 0
closes, else opens). Fingers astride an object grasp it when they close, what is held follows the gripper, a low gripper
(or a held object) pushes what it touches, touched objects push others, what is released falls until the table or
another object stops it.

Some of it is left to chance, as on a real table: a grasp off the centre slips, at once or while it is lifted, the more
likely the farther off; what is pushed turns aside; what falls does not stay where it lands. Chance is drawn when it
strikes and kept nowhere, so that nothing tells of it beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arc_fabric.models.tabletop.world.limits import BODY_HIGH, BODY_LOW, GRIPPER_HIGH, GRIPPER_LOW, MAX_STEP
from arc_fabric.models.tabletop.world.scene import Body, Gripper, Scene

GRIP_SPEED = 0.34
"""Change of the opening per frame."""
FALL_SPEED = 3.0
FINGER_CLOSED, FINGER_TRAVEL = 1.5, 5.0
"""Finger distance from the centre: closed, and added at opening 1 (pixels)."""
ASTRIDE = (2.6, 3.0)
"""Largest |dx|, |dy| between gripper and object for the fingers to be astride it."""
REACH = (2.5, 5.0)
"""Contact distances in x and y are the object's radius plus REACH[0], and REACH[1]."""
SLIPPERY = (0.2, 1.0)
"""Offsets, as shares of ASTRIDE, between which the probability of a slip grows from SLIPS[0] to SLIPS[1]."""
SLIPS = (0.02, 0.95)
LIFTED = 9.0
"""Height above the table, in pixels, from which a held object does not slip any more."""
TURN, TURN_NOISE = 0.3, 0.2
"""How a pushed thing turns aside, per pixel: this share of how far off the centre it is pushed, and this noise."""
BOUNCE = 0.9
"""How far, in pixels, a thing that fell lands beside the place below it (one standard deviation)."""


class Chance:
    """What is left to chance, drawn from a seeded generator; without one nothing happens by chance."""

    def __init__(self, rng: np.random.Generator | None = None) -> None:
        self._rng = rng
        self.struck = False
        """Whether something rare (a slip) has happened."""

    def strikes(self, probability: float) -> bool:
        """True with this probability."""
        hit = self._rng is not None and bool(self._rng.random() < probability)
        self.struck |= hit
        return hit

    def normal(self, scale: float) -> float:
        """Normally distributed with this standard deviation."""
        return 0.0 if self._rng is None else scale * float(self._rng.normal())


def clamp(value: float, low: float, high: float) -> float:
    """`value` limited to [low, high]."""
    return min(max(value, low), high)


def holding_opening(body: Body) -> float:
    """The opening at which the fingers touch this body."""
    return (body.kind.radius + 1.0 - FINGER_CLOSED) / FINGER_TRAVEL


def slip_probability(gripper: Gripper, body: Body) -> float:
    """How likely the grasp of this body, as the gripper stands, ends in a slip."""
    off = float(np.hypot((body.x - gripper.x) / ASTRIDE[0], (body.y - gripper.y) / ASTRIDE[1]))
    share = clamp((off - SLIPPERY[0]) / (SLIPPERY[1] - SLIPPERY[0]), 0.0, 1.0)
    return SLIPS[0] + (SLIPS[1] - SLIPS[0]) * share * share * (3 - 2 * share)


def step(scene: Scene, action: Sequence[float], chance: Chance) -> None:
    """Advance `scene` by one frame, in place."""
    dx, dy, dz = (clamp(float(a), -MAX_STEP, MAX_STEP) for a in action[:3])
    grip = float(action[3])
    before = scene.gripper.x, scene.gripper.y, scene.gripper.z
    _move(scene, dx, dy, dz)
    _grip(scene, grip > 0, chance)
    moved = [b - a for a, b in zip(before, (scene.gripper.x, scene.gripper.y, scene.gripper.z), strict=True)]
    _carry(scene, moved, chance)
    _push(scene, chance)
    _fall(scene, chance)


def _move(scene: Scene, dx: float, dy: float, dz: float) -> None:
    g = scene.gripper
    old_z = g.z
    g.x = clamp(g.x + dx, GRIPPER_LOW[0], GRIPPER_HIGH[0])
    g.y = clamp(g.y + dy, GRIPPER_LOW[1], GRIPPER_HIGH[1])
    g.z = clamp(max(g.z + dz, _floor_below(scene, old_z)), GRIPPER_LOW[2], GRIPPER_HIGH[2])


def _floor_below(scene: Scene, old_z: float) -> float:
    """The lowest tip height reachable from `old_z`: nothing passes through what lies below."""
    g = scene.gripper
    if g.held >= 0:
        held = scene.bodies[g.held]
        return _rest(scene, g.held) + (old_z - held.z)
    if g.opening > 0.6:
        return 0.0
    tops = [b.z + b.kind.height for b in scene.bodies if abs(b.x - g.x) < b.kind.radius and abs(b.y - g.y) < 2.5]
    return max((top for top in tops if old_z >= top - 0.5), default=0.0)


def astride(gripper: Gripper, body: Body) -> bool:
    """The fingers stand left and right of the body, low enough to grasp it."""
    near = abs(body.x - gripper.x) <= ASTRIDE[0] and abs(body.y - gripper.y) <= ASTRIDE[1]
    return near and body.z - 1 <= gripper.z <= body.z + 0.6 * body.kind.height


def _grip(scene: Scene, close: bool, chance: Chance) -> None:
    g = scene.gripper
    if not close:
        g.held = -1
        g.opening = min(1.0, g.opening + GRIP_SPEED)
        return
    between = [i for i, b in enumerate(scene.bodies) if astride(g, b) and g.opening >= holding_opening(b)]
    g.opening = max(0.0, g.opening - GRIP_SPEED)
    if g.held < 0 and between:
        g.held = max(between, key=lambda i: scene.bodies[i].z)
        if chance.strikes(slip_probability(g, scene.bodies[g.held]) / 2):
            _slip(scene)
    if g.held >= 0:
        g.opening = max(g.opening, holding_opening(scene.bodies[g.held]))


def _slip(scene: Scene) -> None:
    """The fingers lose what they hold: they close beyond it and cannot grasp it again before they have opened."""
    g = scene.gripper
    g.opening = min(g.opening, holding_opening(scene.bodies[g.held]) - 0.12)
    g.held = -1


def _carry(scene: Scene, moved: Sequence[float], chance: Chance) -> None:
    g = scene.gripper
    if g.held < 0:
        return
    held = scene.bodies[g.held]
    for index in (g.held, *_resting_on(scene, g.held)):
        body = scene.bodies[index]
        body.x, body.y, body.z = body.x + moved[0], body.y + moved[1], max(0.0, body.z + moved[2])
    if moved[2] > 0 and held.z < LIFTED:
        risk = slip_probability(g, held) / 2
        if chance.strikes(1 - (1 - risk / (1 - risk)) ** (moved[2] / LIFTED)):
            _slip(scene)


def _resting_on(scene: Scene, index: int) -> list[int]:
    """Bodies that stand on body `index`, directly or on one another."""
    base, found = scene.bodies[index], []
    for other, body in enumerate(scene.bodies):
        if other != index and abs(body.z - base.top) < 0.6 and _overlap(body, base) and body.z > base.z:
            found += [other, *_resting_on(scene, other)]
    return found


def _overlap(a: Body, b: Body) -> bool:
    return abs(a.x - b.x) < 4.5 and abs(a.y - b.y) < 3.5


def _push(scene: Scene, chance: Chance) -> None:
    g = scene.gripper
    pushers = [] if g.held < 0 else [g.held]
    for index, body in enumerate(scene.bodies):
        if index != g.held and body.z - 2 < g.z < body.z + body.kind.height - 1.5:
            before = body.x, body.y
            _push_by_gripper(scene, index, chance)
            if (body.x, body.y) != before:
                pushers.append(index)
    for index in pushers or range(len(scene.bodies)):
        _push_others(scene, index, frozenset(pushers), chance)


def _push_by_gripper(scene: Scene, index: int, chance: Chance) -> None:
    g, body = scene.gripper, scene.bodies[index]
    dx, dy = body.x - g.x, body.y - g.y
    if g.opening > holding_opening(body) - 0.01 and abs(dx) < 4.5 and abs(dy) < ASTRIDE[1] + 1:
        inner = FINGER_CLOSED + FINGER_TRAVEL * g.opening - 1.0 - body.kind.radius
        _shift(scene, index, clamp(dx, -inner, inner) - dx, 0.0)
        return
    reach_x = body.kind.radius + REACH[0] + (FINGER_TRAVEL * g.opening if g.held < 0 else 2.0)
    _separate(scene, index, (dx, dy), (reach_x, REACH[1]), chance)


def _separate(scene: Scene, index: int, off: tuple[float, float], reach: tuple[float, float], chance: Chance) -> None:
    """Push body `index`, `off` (x, y) from the pusher, out of the box of contact along its shallow side, and aside."""
    over = [r - abs(o) for o, r in zip(off, reach, strict=True)]
    if min(over) <= 0:
        return
    axis = 0 if over[0] < over[1] else 1
    far = min(over[axis], MAX_STEP)
    push = [0.0, 0.0]
    push[axis] = far * (1 if off[axis] >= 0 else -1)
    push[1 - axis] = far * (TURN * off[1 - axis] / reach[1 - axis] + chance.normal(TURN_NOISE))
    _shift(scene, index, *push)


def _shift(scene: Scene, index: int, dx: float, dy: float) -> None:
    body = scene.bodies[index]
    x = clamp(body.x + dx, BODY_LOW[0], BODY_HIGH[0])
    y = clamp(body.y + dy, BODY_LOW[1], BODY_HIGH[1])
    for other in _resting_on(scene, index):
        scene.bodies[other].x += x - body.x
        scene.bodies[other].y += y - body.y
    body.x, body.y = x, y


def _push_others(scene: Scene, index: int, fixed: frozenset[int], chance: Chance) -> None:
    """Bodies at one height do not overlap: body `index` moves those it touches (not `fixed` ones), they others."""
    pusher = scene.bodies[index]
    for other, body in enumerate(scene.bodies):
        if other == index or other in fixed or abs(body.z - pusher.z) > 2.0:
            continue
        before = body.x, body.y
        reach = pusher.kind.radius + body.kind.radius, REACH[1]
        _separate(scene, other, (body.x - pusher.x, body.y - pusher.y), reach, chance)
        if (body.x, body.y) != before:
            _push_others(scene, other, fixed | {index}, chance)


def _rest(scene: Scene, index: int) -> float:
    """Height at which body `index` comes to rest where it is."""
    body = scene.bodies[index]
    tops = [
        b.top
        for i, b in enumerate(scene.bodies)
        if i != index and _overlap(body, b) and b.top <= body.z + 1.5 and i != scene.gripper.held
    ]
    return max(tops, default=0.0)


def _fall(scene: Scene, chance: Chance) -> None:
    lifted = set()
    if scene.gripper.held >= 0:
        lifted = {scene.gripper.held, *_resting_on(scene, scene.gripper.held)}
    for index, body in enumerate(scene.bodies):
        if index in lifted:
            continue
        floor = _rest(scene, index)
        fallen = min(FALL_SPEED, body.z - floor)
        body.z = body.z - fallen if fallen > 0 else floor
        if fallen > 1 and body.z == floor:
            _shift(scene, index, chance.normal(BOUNCE), chance.normal(BOUNCE))
