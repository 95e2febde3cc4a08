"""Draw scenes: soft-edged shapes by signed distances, 64x64 RGB, many moments of one scene at once.

Shapes are drawn in small boxes around their anchor point and laid over the background from far to near.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


def _cover(distance: Array) -> Array:
    """Share of a pixel inside a shape, from the signed distance of its centre (one pixel of soft edge)."""
    return np.clip(0.5 - distance, 0.0, 1.0)


def _box(u: Array, v: Array, left: Array | float, right: Array | float, top: float, bottom: float) -> Array:
    """Signed distance (Chebyshev) to an upright rectangle."""
    return np.maximum(np.maximum(left - u, u - right), np.maximum(top - v, v - bottom))


def _ellipse(u: Array, v: Array, rx: float, ry: float) -> Array:
    return (np.sqrt((u / rx) ** 2 + (v / ry) ** 2) - 1.0) * min(rx, ry)


def _over(base: Array, colour: Sequence[float], alpha: Array) -> Array:
    """Lay a colour over premultiplied RGBA [..., 4]."""
    layer = np.concatenate(
        [np.broadcast_to(np.asarray(colour, np.float32), (*alpha.shape, 3)) * alpha[..., None], alpha[..., None]], -1
    )
    return layer + base * (1 - alpha[..., None])


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
    frames = len(gripper)
    canvas = _Canvas(look, frames)
    for n, kind in enumerate(kinds):
        _lay_shadow(canvas, bodies[:, n], kind.radius + 0.8)
    _lay_shadow(canvas, gripper, 4.0)
    layers = [_sprite(bodies[:, n], lambda u, v, k=kind: _draw_body(k, u, v)) for n, kind in enumerate(kinds)]
    layers.append(_sprite(gripper, lambda u, v: _draw_gripper(u, v, gripper[:, 3])))
    for order in np.argsort(_depth(gripper, bodies), axis=1).T:
        boxes = [np.stack([layer[part] for layer in layers])[order, np.arange(frames)] for part in range(3)]
        canvas.lay(*boxes)
    return canvas.image()


def visible(kinds: Sequence[Kind], gripper: Array, bodies: Array) -> Array:
    """Which share of each body's pixels nothing nearer hides, float [T, N]; arguments as of `render`."""
    frames, count = len(gripper), len(kinds)
    layers = [_sprite(bodies[:, n], lambda u, v, k=kind: _draw_body(k, u, v)) for n, kind in enumerate(kinds)]
    layers.append(_sprite(gripper, lambda u, v: _draw_gripper(u, v, gripper[:, 3])))
    side = SIZE + 2 * MARGIN
    top = np.full((frames, side, side), -1)
    time, offsets = np.arange(frames)[:, None, None], np.arange(BOX)
    for order in np.argsort(_depth(gripper, bodies), axis=1).T:
        chosen = order, np.arange(frames)
        alpha, left, upper = (np.stack([layer[part] for layer in layers])[chosen] for part in range(3))
        rows, cols = (upper[:, None] + offsets)[:, :, None], (left[:, None] + offsets)[:, None, :]
        under = top[time, rows, cols]
        top[time, rows, cols] = np.where(alpha[..., 3] > 0.5, order[:, None, None], under)
    seen = np.stack([(top == n).sum((1, 2)) for n in range(count)], 1)
    return seen / np.maximum(1, np.stack([(layers[n][0][..., 3] > 0.5).sum((1, 2)) for n in range(count)], 1))


def _depth(gripper: Array, bodies: Array) -> Array:
    """Order from far to near, float [T, N + 1]; the gripper last."""
    return np.concatenate([bodies[:, :, 1] + 0.01 * bodies[:, :, 2], gripper[:, None, 1] + 1.5], 1)


def _sprite(track: Array, draw: Callable[[Array, Array], Array]) -> tuple[Array, Array, Array]:
    u, v, left, top = _grid(track[:, 0], track[:, 1] - track[:, 2])
    return draw(u, v), left, top


def _lay_shadow(canvas: _Canvas, track: Array, radius: float) -> None:
    u, v, left, top = _grid(track[:, 0], track[:, 1])
    alpha = SHADOW * np.clip(1.6 - 1.6 * np.sqrt((u / radius) ** 2 + (v / (radius * 0.45)) ** 2), 0, 1)
    layer = np.zeros((*alpha.shape, 4), np.float32)
    layer[..., 3] = alpha
    canvas.lay(layer, left, top)


def render_scene(scene: Scene) -> Array:
    """Draw one scene: uint8 [64, 64, 3]."""
    kinds = [b.kind for b in scene.bodies]
    return render(kinds, scene.look, scene.proprio()[None], scene.positions()[None])[0]
