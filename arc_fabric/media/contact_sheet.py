"""Contact sheets: the branches of a tree side by side in one picture, a row each, time from left to right."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BACKGROUND = (16, 18, 24)
INK = (226, 230, 238)
FAINT = (128, 136, 150)
ACCENTS = ((122, 162, 255), (255, 158, 100), (125, 211, 150), (209, 154, 255), (240, 200, 90), (110, 205, 220))
FAILED = (240, 90, 90)
GAP = 6


@dataclass(frozen=True)
class Strip:
    """One row: `frames` uint8 [F, H, W, 3] (all of equal size), a title, a line below it."""

    title: str
    frames: np.ndarray
    note: str = ""
    failed: bool = False
    columns: list[str] = field(default_factory=list)
    """A short label per frame, e.g. 'f 72'; empty = none."""


def contact_sheet(strips: list[Strip], *, heading: str, split: int | None = None, tile: int = 112) -> Image.Image:
    """Draw the strips below each other. `split` is the column before which a dashed line marks the fork."""
    width = max(len(strip.frames) for strip in strips) * (tile + GAP) + 2 * GAP + 190
    row = tile + 26
    sheet = Image.new("RGB", (width, 52 + row * len(strips)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP * 2, 14), heading, font=_font(18), fill=INK)
    for index, strip in enumerate(strips):
        _draw_strip(sheet, strip, top=48 + index * row, tile=tile, accent=ACCENTS[index % len(ACCENTS)])
    if split is not None:
        x = 190 + split * (tile + GAP) - GAP // 2
        for y in range(48, sheet.height - 8, 8):
            draw.line((x, y, x, y + 4), fill=INK)
    return sheet


def _draw_strip(sheet: Image.Image, strip: Strip, *, top: int, tile: int, accent: tuple[int, int, int]) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((GAP, top, GAP + 3, top + tile), fill=FAILED if strip.failed else accent)
    text = _wrapped(strip.title, 20)
    draw.multiline_text((GAP + 12, top + 2), text, font=_font(14), fill=FAILED if strip.failed else accent)
    below = top + 8 + 19 * (text.count("\n") + 1)
    draw.multiline_text((GAP + 12, below), _wrapped(strip.note, 26), font=_font(11), fill=FAINT)
    for column, frame in enumerate(strip.frames):
        left = 190 + column * (tile + GAP)
        height = round(tile * frame.shape[0] / frame.shape[1])
        sheet.paste(Image.fromarray(frame).resize((tile, height), Image.Resampling.BICUBIC), (left, top))
        if column < len(strip.columns):
            draw.text((left + 2, top + height + 3), strip.columns[column], font=_font(11), fill=FAINT)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _wrapped(text: str, width: int) -> str:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return "\n".join(lines)
