"""Things of which a frame shows only a part: looked for by drawing, as in analysis by synthesis (Yuille and Kersten
2006, doi:10.1016/j.tics.2006.05.002).

Of what is behind something else a few pixels are left, and fewer still in a latent frame. Where the eyes are unsure
whether a thing is there, frames with it, at places around where they suspect it, are held against one without it; and
a thing that overlaps another one is moved to where the frame shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from arc_fabric.models.tabletop.eyes import Sight
from arc_fabric.models.tabletop.foresight import SURPRISE
from arc_fabric.models.tabletop.slots import Memory
from arc_fabric.models.tabletop.sprites import Sprites
from arc_fabric.models.tabletop.vae import GROUP

UNSURE = (-6.0, 5.0)
"""Logits of presence between which a thing is looked for."""
SURE = 9.0
"""The logit, up or down, of what was decided."""
GAIN = 0.8
"""How much smaller the squared error with the thing must be, summed over means of 3x3 pixels in [-1, 1]."""
AROUND = [(x, y) for x in (-4.0, -2.0, 0.0, 2.0, 4.0) for y in (-3.0, -1.5, 0.0, 1.5, 3.0)]
"""Where it is looked for, in pixels from where the eyes suspect it."""
BEHIND = [(x, y) for x in (-5.0, -2.5, 0.0, 2.5, 5.0) for y in (-6.0, -4.0, -2.0)]
"""The same, from everything that is there."""
CLOSE = [(x, y) for x in (-1.0, 0.0, 1.0) for y in (-1.0, 0.0, 1.0)]
"""The same, from the best place so far."""
FINE = [(x, y) for x in (-0.4, 0.0, 0.4) for y in (-0.4, 0.0, 0.4)]
OVERLAP = 10.0
"""Pixels in column and row within which two things are taken to overlap."""


Misfit = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""`misfit` with its sprites, or a recording of it."""


def looked_for(
    sprites: Sprites, seen: Sight, frames: Tensor, known: Memory | None = None, wrong: Misfit | None = None
) -> Sight:
    """What the eyes see in N latent frames, once things that they are unsure of were looked for in their last frames
    [N, 3, 64, 64] in [-1, 1], and those that overlap put in place. What is `known` of the N worlds is believed of the
    frames that do not speak against it: a thing that something hides stays where it was."""
    seen = seen._replace(look=sprites.look_of(frames))
    wrong, found = wrong or partial(misfit, sprites), []
    for row, frame in enumerate(frames):
        one = Sight(*(part[row : row + 1] for part in seen))
        if known is not None:
            one = _reckoned(one, known.pose[row])
        picture = _Picture(wrong, sprites.backdrop(one.look), one, frame)
        found.append(_examined(picture, one, None if known is None else known.things[row]))
    return Sight(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def misfit(sprites: Sprites, backdrop: Tensor, things: Tensor, pose: Tensor, frame: Tensor) -> Tensor:
    """Squared errors [M] of drawings of things [M, kinds, 4] and a gripper at `pose` [1, 4] before a backdrop
    [1, 3, 64, 1], held against a frame [3, 64, 64]."""
    drawn = sprites.draw(backdrop.expand(len(things), -1, -1, -1), things, pose.expand(len(things), -1))
    return F.avg_pool2d(drawn - frame, 3, 1, 1).square().sum((1, 2, 3))


def _examined(picture: _Picture, seen: Sight, known: Tensor | None) -> Sight:
    """What is seen in one frame once it was looked at again, given things [kinds, 4] that are known."""
    low, high = UNSURE
    sure = [] if known is None else picture.recognise(known)
    there = seen.there.clone()
    there[0, sure] = SURE
    for kind, logit in enumerate(there[0].tolist()):
        if low < logit < high:
            there[0, kind] = SURE if picture.look_for(kind) else -SURE
    for kind in picture.overlapping():
        if kind not in sure:
            picture.move(kind, CLOSE)
            picture.move(kind, FINE)
    return seen._replace(places=seen.places + picture.places - seen.places[0, -1], there=there)


def _reckoned(seen: Sight, pose: Tensor) -> Sight:
    """The gripper where the track says it is [4], unless it is seen elsewhere; the fingers as they are seen."""
    if float((seen.poses[0, -1, :3] - pose[:3]).norm()) > SURPRISE:
        return seen
    return seen._replace(poses=torch.cat([pose[:3].expand(1, GROUP, 3), seen.poses[..., 3:]], -1))


class _Picture:
    """One frame [3, 64, 64], and what is known of it: places float [kinds, 3], presence bool [kinds]."""

    def __init__(self, wrong: Misfit, backdrop: Tensor, seen: Sight, frame: Tensor) -> None:
        self._wrong, self._backdrop, self._frame = wrong, backdrop, frame
        self._pose, self.places, self.there = seen.poses[:, -1], seen.places[0, -1].clone(), seen.there[0] > 0

    def recognise(self, known: Tensor) -> list[int]:
        """Put things [kinds, 4] where they are known to be; take back those without which, or with which elsewhere, the
        frame is clearly better explained. Returns the kinds that are left."""
        seen, kinds = (self.places.clone(), self.there.clone()), (known[:, 3] > 0.5).nonzero()[:, 0].tolist()
        for kind in kinds:
            self.places[kind], self.there[kind] = known[kind, :3], True
        return [kind for kind in kinds if self._holds(kind, seen[0][kind], bool(seen[1][kind]))]

    def _holds(self, kind: int, place: Tensor, there: bool) -> bool:
        """Whether a thing may stay, which is seen at `place` or not at all."""
        known = self.places[kind].clone()
        error = self._error(kind)
        self.places[kind], self.there[kind] = place, there
        if error - self._error(kind) > GAIN:
            return False
        self.places[kind], self.there[kind] = known, True
        return True

    def look_for(self, kind: int) -> bool:
        """Whether the frame is better explained with this thing than without it; if so it is put where it fits best."""
        self.there[kind] = False
        before = self.places[kind].clone()
        without = self._errors(kind, before[None, :2])
        self.there[kind] = True
        others = torch.cat([self.places[self.there][:, :2], self._pose[:, :2]])
        behind = (others[:, None] + others.new_tensor(BEHIND)).flatten(0, 1)
        self._settle(kind, torch.cat([before[:2] + others.new_tensor(AROUND), behind]))
        error = self.move(kind, CLOSE)
        self.there[kind] = bool(without - error > GAIN)
        if not self.there[kind]:
            self.places[kind] = before
        return bool(self.there[kind])

    def overlapping(self) -> list[int]:
        """Kinds of things that are partly before or behind another one or the gripper."""
        places = torch.cat([self.places, self._pose[:, :3]])
        at = torch.stack([places[:, 0], places[:, 1] - places[:, 2]], 1)
        near = ((at[:, None] - at).abs() < OVERLAP).all(-1) & torch.cat([self.there, self.there.new_ones(1)])
        near.fill_diagonal_(False)
        return (near[:-1].any(1) & self.there).nonzero()[:, 0].tolist()

    def move(self, kind: int, offsets: list[tuple[float, float]]) -> float:
        """Put a thing at the best of these offsets from where it is; returns the error that is left."""
        return self._settle(kind, self.places[kind, :2] + self.places.new_tensor(offsets))

    def _settle(self, kind: int, tried: Tensor) -> float:
        wrong = self._errors(kind, tried)
        self.places[kind, :2] = tried[wrong.argmin()]
        return float(wrong.min())

    def _error(self, kind: int) -> float:
        return float(self._errors(kind, self.places[kind, None, :2]))

    def _errors(self, kind: int, at: Tensor) -> Tensor:
        """Squared errors of drawings with the thing at places [M, 2], [M]."""
        things = torch.cat([self.places, self.there[:, None].float()], 1).repeat(len(at), 1, 1)
        things[:, kind, :2] = at
        return self._wrong(self._backdrop, things, self._pose, self._frame)
