"""Draw scenes: soft-edged shapes by signed distances, 64x64 RGB, many moments of one scene at once.

Shapes are drawn in small boxes around their anchor point and laid over the background from far to near.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from arc_fabric.models.tabletop.world.limits import SIZE
from arc_fabric.models.tabletop.world.physics import FINGER_CLOSED, FINGER_TRAVEL
from arc_fabric.models.tabletop.world.scene import Kind, Look, Scene

BOX = 20
"""Side of a shape's box in pixels; the anchor is at column BOX / 2, row ANCHOR_ROW."""
ANCHOR_ROW = 15
MARGIN = BOX
HORIZON = 25.5
"""Row where the table begins."""
GRIPPER_COLOUR = (46.0, 46.0, 54.0)
SHADOW = 0.38
"""Darkness of a shadow's middle."""

Array = np.ndarray
Layer = tuple[Array, Array, Array]
"""Premultiplied RGBA boxes [T, BOX, BOX, 4] and the column and row of each one's corner in the padded image."""


def _cover(distance: Array) -> Array:
    """Share of a pixel inside a shape, from the signed distance of its centre (one pixel of soft edge)."""
    return np.clip(0.5 - distance, 0.0, 1.0)


def _box(u: Array, v: Array, left: Array | float, right: Array | float, top: float, bottom: float) -> Array:
    """Signed distance (Chebyshev) to an upright rectangle."""
    return np.maximum(np.maximum(left - u, u - right), np.maximum(top - v, v - bottom))


def _ellipse(u: Array, v: Array, rx: float, ry: float) -> Array:
    distance: Array = np.sqrt((u / rx) ** 2 + (v / ry) ** 2) - 1.0
    return distance * min(rx, ry)


def _over(base: Array, colour: Sequence[float] | Array, alpha: Array) -> Array:
    """Lay a colour over premultiplied RGBA [..., 4]."""
    layer = np.concatenate(
        [np.broadcast_to(np.asarray(colour, np.float32), (*alpha.shape, 3)) * alpha[..., None], alpha[..., None]], -1
    )
    laid: Array = layer + base * (1 - alpha[..., None])
    return laid


def _draw_body(kind: Kind, u: Array, v: Array) -> Array:
    colour = np.array(kind.colour, np.float32)
    light, dark = colour + (255 - colour) * 0.3, colour * 0.6
    layer = np.zeros((*u.shape, 4), np.float32)
    r, h = kind.radius, kind.height
    if kind.shape == "block":
        layer = _over(layer, colour, _cover(_box(u, v, -r, r, -h, 0.5)))
        return _over(layer, light, _cover(_box(u, v, -r, r, -h, -h + 2.5)))
    if kind.shape == "bowl":
        width = r - 1.8 * np.clip((v + h) / h, 0, 1) ** 2
        layer = _over(layer, colour, _cover(_box(u, v, -width, width, -h + 1, 0.5)))
        layer = _over(layer, light, _cover(_ellipse(u, v + h - 1, r + 0.2, 1.8)))
        return _over(layer, dark, _cover(_ellipse(u, v + h - 1, r - 1.0, 1.0)))
    width = r - 0.8 * np.clip((v + h) / h, 0, 1)
    layer = _over(layer, colour, _cover(_box(u, v, -width, width, -h + 1, 0.5)))
    layer = _over(layer, light, _cover(_ellipse(u, v + h - 1, r, 1.6)))
    return _over(layer, dark, _cover(_ellipse(u, v + h - 1, r - 1.1, 0.9)))


def _draw_gripper(u: Array, v: Array, opening: Array) -> Array:
    inner = (FINGER_CLOSED + FINGER_TRAVEL * opening)[:, None, None] - 1.0
    layer = np.zeros((*u.shape, 4), np.float32)
    fingers = _box(np.abs(u), v, inner, inner + 2.0, -9.0, 0.0)
    palm = _box(np.abs(u), v, -1.0, inner + 2.0, -12.0, -8.5)
    layer = _over(layer, GRIPPER_COLOUR, _cover(fingers))
    layer = _over(layer, GRIPPER_COLOUR, _cover(palm))
    return _over(layer, (150.0, 150.0, 160.0), _cover(_box(np.abs(u), v, -1.0, 1.0, -11.5, -9.5)))


def _grid(x: Array, row: Array) -> tuple[Array, Array, Array, Array]:
    """Local coordinates u, v [T, BOX, BOX] of box pixels around (x, row), and the box's corner in the padded image."""
    left, top = np.floor(x).astype(int) - BOX // 2, np.floor(row).astype(int) - ANCHOR_ROW
    offsets = np.arange(BOX) + 0.5
    u = (left[:, None] + offsets[None]) - x[:, None]
    v = (top[:, None] + offsets[None]) - row[:, None]
    shape = (len(x), BOX, BOX)
    return (
        np.broadcast_to(u[:, None, :], shape).astype(np.float32),
        np.broadcast_to(v[:, :, None], shape).astype(np.float32),
        left + MARGIN,
        top + MARGIN,
    )


class _Canvas:
    """T padded float images that boxes are laid over."""

    def __init__(self, look: Look, frames: int) -> None:
        rows = np.arange(-MARGIN, SIZE + MARGIN) + 0.5
        table, wall = np.array(look.table), np.array(look.wall)
        shade = 0.93 + 0.07 * np.clip((rows - HORIZON) / (SIZE - HORIZON), 0, 1)
        share = np.clip(rows - HORIZON + 0.5, 0, 1)[:, None]
        column = wall * (1 - share) + table * shade[:, None] * share
        side = SIZE + 2 * MARGIN
        self.pixels = np.broadcast_to(column.astype(np.float32)[None, :, None], (frames, side, side, 3)).copy()
        self._time = np.arange(frames)[:, None, None]

    def lay(self, layer: Array, left: Array, top: Array) -> None:
        """Lay premultiplied RGBA boxes [T, BOX, BOX, 4] at their corners."""
        rows = (top[:, None] + np.arange(BOX))[:, :, None]
        cols = (left[:, None] + np.arange(BOX))[:, None, :]
        under = self.pixels[self._time, rows, cols]
        self.pixels[self._time, rows, cols] = layer[..., :3] + under * (1 - layer[..., 3:])

    def image(self) -> Array:
        """uint8 [T, SIZE, SIZE, 3]."""
        inside = self.pixels[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        return np.clip(inside + 0.5, 0, 255).astype(np.uint8)


def render(kinds: Sequence[Kind], look: Look, gripper: Array, bodies: Array) -> Array:
    """Draw T moments: gripper float [T, 4] (x, y, z, opening), bodies float [T, N, 3] -> uint8 [T, 64, 64, 3]."""
    canvas = _Canvas(look, len(gripper))
    for n, kind in enumerate(kinds):
        _lay_shadow(canvas, bodies[:, n], kind.radius + 0.8)
    _lay_shadow(canvas, gripper, 4.0)
    for _, layer, left, top in _far_to_near(kinds, gripper, bodies):
        canvas.lay(layer, left, top)
    return canvas.image()


def visible(kinds: Sequence[Kind], gripper: Array, bodies: Array) -> Array:
    """Which share of each body's pixels nothing nearer hides, float [T, N]; arguments as of `render`."""
    frames, side, offsets = len(gripper), SIZE + 2 * MARGIN, np.arange(BOX)
    nearest, whole = np.full((frames, side, side), -1), np.ones((frames, len(kinds) + 1))
    time = np.arange(frames)[:, None, None]
    for order, layer, left, top in _far_to_near(kinds, gripper, bodies):
        solid = layer[..., 3] > 0.5
        rows, cols = (top[:, None] + offsets)[:, :, None], (left[:, None] + offsets)[:, None, :]
        nearest[time, rows, cols] = np.where(solid, order[:, None, None], nearest[time, rows, cols])
        whole[np.arange(frames), order] = np.maximum(1, solid.sum((1, 2)))
    return np.stack([(nearest == n).sum((1, 2)) / whole[:, n] for n in range(len(kinds))], 1)


def _far_to_near(kinds: Sequence[Kind], gripper: Array, bodies: Array) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Of bodies and gripper (the last), in the order of drawing: which it is at each of T moments, and its layer."""
    layers: list[Layer] = []
    for n, kind in enumerate(kinds):
        u, v, left, top = _grid(bodies[:, n, 0], bodies[:, n, 1] - bodies[:, n, 2])
        layers.append((_draw_body(kind, u, v), left, top))
    u, v, left, top = _grid(gripper[:, 0], gripper[:, 1] - gripper[:, 2])
    layers.append((_draw_gripper(u, v, gripper[:, 3]), left, top))
    depth = np.concatenate([bodies[:, :, 1] + 0.01 * bodies[:, :, 2], gripper[:, None, 1] + 1.5], 1)
    parts = [np.stack(part) for part in zip(*layers, strict=True)]
    for order in np.argsort(depth, axis=1).T:
        layer, left, top = (part[order, np.arange(len(gripper))] for part in parts)
        yield order, layer, left, top


def _lay_shadow(canvas: _Canvas, track: Array, radius: float) -> None:
    u, v, left, top = _grid(track[:, 0], track[:, 1])
    alpha = SHADOW * np.clip(1.6 - 1.6 * np.sqrt((u / radius) ** 2 + (v / (radius * 0.45)) ** 2), 0, 1)
    layer = np.zeros((*alpha.shape, 4), np.float32)
    layer[..., 3] = alpha
    canvas.lay(layer, left, top)


def render_scene(scene: Scene) -> Array:
    """Draw one scene: uint8 [64, 64, 3]."""
    kinds = [b.kind for b in scene.bodies]
    picture: Array = render(kinds, scene.look, scene.proprio()[None], scene.positions()[None])[0]
    return picture
