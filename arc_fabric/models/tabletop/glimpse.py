"""Things of which a frame shows hardly anything: looked for by drawing, as in analysis by synthesis (Yuille and
Kersten 2006, doi:10.1016/j.tics.2006.05.002).

Of what is behind something else a few pixels are left, and fewer still in a latent frame. Where the eyes are unsure
whether a thing is there, frames with it, at places around where they suspect it, are held against one without it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from arc_fabric.models.tabletop.eyes import Sight
from arc_fabric.models.tabletop.sprites import Sprites

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


def looked_for(sprites: Sprites, seen: Sight, frames: Tensor) -> Sight:
    """What the eyes see in N latent frames, once things that they are unsure of were looked for in their last frames
    [N, 3, 64, 64] in [-1, 1]."""
    low, high = UNSURE
    places, there = seen.places.clone(), seen.there.clone()
    for row, kind in ((seen.there > low) & (seen.there < high)).nonzero().tolist():
        now = Sight(seen.poses[row : row + 1], places[row : row + 1], there[row : row + 1], seen.look[row : row + 1])
        place, gain = _best(sprites, now, kind, frames[row])
        places[row, :, kind, :2] += place - places[row, -1, kind, :2]
        there[row, kind] = SURE if gain > GAIN else -SURE
    return seen._replace(places=places, there=there)


def _best(sprites: Sprites, seen: Sight, kind: int, frame: Tensor) -> tuple[Tensor, float]:
    """Where on the table, [2], one row's thing of this kind explains the frame [3, 64, 64] best, and how much smaller
    the error is than without it."""
    places, there = seen.places[0, -1], seen.there[0] > 0
    there[kind] = False
    others = torch.cat([places[there, :2], seen.poses[0, -1:, :2]])
    behind = (others[:, None] + others.new_tensor(BEHIND)).flatten(0, 1)
    tried = torch.cat([places[kind, :2] + others.new_tensor(AROUND), behind])
    backdrop, pose = sprites.backdrop(seen.look), seen.poses[0, -1:]

    def errors(at: Tensor, present: float) -> Tensor:
        things = torch.cat([places, there[:, None].float()], 1).repeat(len(at), 1, 1)
        things[:, kind, :2], things[:, kind, 3] = at, present
        drawn = sprites.draw(backdrop.expand(len(at), -1, -1, -1), things, pose.expand(len(at), -1))
        return F.avg_pool2d(drawn - frame, 3, 1, 1).square().sum((1, 2, 3))

    without = errors(places[kind : kind + 1, :2], 0.0)
    best = tried[errors(tried, 1.0).argmin()]
    near = best + others.new_tensor(CLOSE)
    wrong = errors(near, 1.0)
    return near[wrong.argmin()], float(without - wrong.min())
