"""Scripted experts: what to do next, from the present scene alone.

Every expert is a function of the scene and the task and remembers nothing, so that an episode can be cut anywhere:
a window that begins with the cup in the gripper continues as the whole episode would have. A task whose goal holds
ends in rest above the table. Goals of pushes are zones of the table (left, right, far), not distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arc_fabric.models.tabletop.physics import MAX_STEP, REACH, clamp, holding_opening
from arc_fabric.models.tabletop.scene import BODY_HIGH, BODY_LOW, GRIPPER_HIGH, GRIPPER_LOW, Body, Scene

LIFT = 15.0
"""Tip height to which a picked object is lifted."""
CLEAR = 13.0
"""Tip height for moves above the table."""
LEFT, RIGHT, FAR = 17.0, 47.0, 40.0
"""Goal zones of a push: x <= LEFT, x >= RIGHT, y <= FAR."""
BESIDE = 12.0
"""Distance in x of "next to"."""
OPEN, CLOSE = -1.0, 1.0


@dataclass(frozen=True)
class Task:
    """What the prompt asks for: verb in pick, left, right, away, on, beside; objects by name; pace 1 or slower."""

    verb: str
    target: str
    other: str = ""
    pace: float = 1.0


VERBS = ("pick", "left", "right", "away", "on", "beside")


def act(scene: Scene, task: Task) -> np.ndarray:
    """The expert's action, float32 [4]: dx, dy, dz in pixels, grip in [-1, 1]."""
    body = scene.bodies[scene.index_of(task.target)]
    if task.verb == "pick":
        move = _pick(scene, body)
    elif task.verb in ("on", "beside"):
        move = _put(scene, body, scene.bodies[scene.index_of(task.other)], task.verb)
    else:
        move = _push(scene, body, task.verb)
    limit = MAX_STEP * task.pace
    return np.array([*(clamp(m, -limit, limit) for m in move[:3]), move[3]], np.float32)


def done(scene: Scene, task: Task) -> bool:
    """Whether the task's goal holds now."""
    body = scene.bodies[scene.index_of(task.target)]
    if task.verb == "pick":
        return scene.gripper.held >= 0 and scene.bodies[scene.gripper.held] is body and body.z >= 6
    if task.verb in ("on", "beside"):
        return _is_put(scene, body, scene.bodies[scene.index_of(task.other)], task.verb)
    return _is_pushed(body, task.verb)


def sensible(scene: Scene, task: Task) -> bool:
    """Whether the task leaves something to do: a push has at least 6 pixels to go, nothing is done already."""
    body = scene.bodies[scene.index_of(task.target)]
    room = {"left": body.x - LEFT, "right": RIGHT - body.x, "away": body.y - FAR + 1}.get(task.verb, 9.0)
    if task.verb == "beside":
        other = scene.bodies[scene.index_of(task.other)]
        room = 0.0 if _taken(scene, body, other, _spot_beside(scene, body, other)) else room
    return room >= 6 and not done(scene, task)


def _held(scene: Scene) -> Body | None:
    return scene.bodies[scene.gripper.held] if scene.gripper.held >= 0 else None


def _rise(scene: Scene, height: float, grip: float) -> tuple[float, float, float, float]:
    return 0.0, 0.0, max(0.0, height - scene.gripper.z), grip


def _go(scene: Scene, x: float, y: float, z: float, grip: float) -> tuple[float, float, float, float]:
    g = scene.gripper
    return x - g.x, y - g.y, z - g.z, grip


def _pick(scene: Scene, body: Body) -> tuple[float, float, float, float]:
    g, held = scene.gripper, _held(scene)
    if held is body:
        return _rise(scene, LIFT, CLOSE)
    if held is not None:
        return _rise(scene, g.z, OPEN)
    off = max(abs(body.x - g.x), abs(body.y - g.y))
    if off > 1.2:
        return _approach(scene, body.x, body.y, body.z + CLEAR, OPEN)
    if g.z > body.z + 1.2:
        wait = g.opening < 0.95 and g.z < body.z + CLEAR - 3
        return _go(scene, body.x, body.y, g.z if wait else body.z + 1.0, OPEN)
    return 0.0, 0.0, 0.0, CLOSE


def _approach(scene: Scene, x: float, y: float, z: float, grip: float) -> tuple[float, float, float, float]:
    """Move to above (x, y); rise first while low."""
    if scene.gripper.z < z - 3.5:
        return _rise(scene, z, grip)
    return _go(scene, x, y, max(z, min(scene.gripper.z, z + 2)), grip)


def _is_pushed(body: Body, verb: str) -> bool:
    return {"left": body.x <= LEFT, "right": body.x >= RIGHT, "away": body.y <= FAR}[verb]


def _push(scene: Scene, body: Body, verb: str) -> tuple[float, float, float, float]:
    g, held = scene.gripper, _held(scene)
    if held is not None:
        lower = held.z > 0.5 and scene.gripper.z > 1.5
        return (0.0, 0.0, -MAX_STEP, CLOSE) if lower else _rise(scene, g.z, OPEN)
    if _is_pushed(body, verb):
        return _rise(scene, CLEAR, CLOSE)
    if verb == "away":
        return _push_along_y(scene, body)
    return _push_along_x(scene, body, -1.0 if verb == "left" else 1.0)


def _push_along_x(scene: Scene, body: Body, way: float) -> tuple[float, float, float, float]:
    g = scene.gripper
    behind = (body.x - g.x) * way
    reach = body.kind.radius + REACH[0]
    if g.z <= body.z + 3.0 and abs(g.y - body.y) <= 2.0 and reach - 1 <= behind <= reach + 6:
        return way * MAX_STEP, body.y - g.y, body.z + 1.5 - g.z, CLOSE
    start = clamp(body.x - way * (reach + 2.0), GRIPPER_LOW[0], GRIPPER_HIGH[0])
    return _descend_at(scene, start, body.y, body.z + 1.5)


def _push_along_y(scene: Scene, body: Body) -> tuple[float, float, float, float]:
    g = scene.gripper
    behind = g.y - body.y
    if g.z <= body.z + 3.0 and abs(g.x - body.x) <= 2.0 and REACH[1] - 1 <= behind <= REACH[1] + 5:
        return body.x - g.x, -MAX_STEP * 0.75, body.z + 1.5 - g.z, CLOSE
    return _descend_at(scene, body.x, body.y + REACH[1] + 1.5, body.z + 1.5)


def _descend_at(scene: Scene, x: float, y: float, z: float) -> tuple[float, float, float, float]:
    if max(abs(scene.gripper.x - x), abs(scene.gripper.y - y)) > 1.2:
        return _approach(scene, x, y, z + CLEAR - 1.5, CLOSE)
    return _go(scene, x, y, z, CLOSE)


def _is_put(scene: Scene, body: Body, other: Body, verb: str) -> bool:
    if _held(scene) is body:
        return False
    if verb == "on":
        return abs(body.z - other.top) < 0.6 and abs(body.x - other.x) < 4.5 and abs(body.y - other.y) < 3.5
    return abs(abs(body.x - other.x) - BESIDE) < 3.0 and abs(body.y - other.y) < 3.5 and body.z < 1.0


def _put(scene: Scene, body: Body, other: Body, verb: str) -> tuple[float, float, float, float]:
    g = scene.gripper
    if _is_put(scene, body, other, verb):
        return _rise(scene, CLEAR + 5 if verb == "on" else CLEAR, OPEN)
    if _held(scene) is not body:
        return _pick(scene, body)
    x, y, floor = other.x, other.y, other.top
    if verb == "beside":
        x, floor = _spot_beside(scene, body, other), 0.0
    if max(abs(body.x - x), abs(body.y - y)) > 1.5:
        return _carry_to(scene, body, x, y, other.top + 3.5)
    if body.z > floor + 0.6:
        return x - body.x, y - body.y, floor - body.z, CLOSE
    return _rise(scene, g.z, OPEN)


def _spot_beside(scene: Scene, body: Body, other: Body) -> float:
    """The x next to `other` towards the middle of the table, or on its other side if something stands there."""
    side = BESIDE if other.x < 32 else -BESIDE
    far = other.x - side
    taken = _taken(scene, body, other, other.x + side)
    return far if taken and BODY_LOW[0] < far < BODY_HIGH[0] else other.x + side


def _taken(scene: Scene, body: Body, other: Body, x: float) -> bool:
    """A third object stands about (x, other.y)."""
    rest = [b for b in scene.bodies if b is not body and b is not other]
    return any(abs(b.x - x) < 9 and abs(b.y - other.y) < 5 for b in rest)


def _carry_to(scene: Scene, body: Body, x: float, y: float, clear: float) -> tuple[float, float, float, float]:
    """Carry the held body to above (x, y), its base at `clear` or more."""
    lift = clear - body.z
    if lift > 1.5:
        return 0.0, 0.0, lift, CLOSE
    return x - body.x, y - body.y, max(0.0, lift), CLOSE


def holding_state(scene: Scene, index: int) -> None:
    """Put body `index` into the gripper where the gripper is, in place: a scene to start from."""
    g, body = scene.gripper, scene.bodies[index]
    body.x, body.y, body.z = g.x, g.y, g.z - 1.0
    g.held, g.opening = index, holding_opening(body)
