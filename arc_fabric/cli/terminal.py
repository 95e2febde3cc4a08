"""What others wrote, on a terminal: a label or prompt cannot move the cursor, change the title or hide what follows.

Everything that commands show goes through this console; `--json` escapes such characters by itself.

>>> harmless("red\\x1b[2J cup\\x07")
'red␛[2J cup␇'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

_PICTURES = 0x2400
_SHOWN: dict[int, int | str] = {code: _PICTURES + code for code in range(32) if chr(code) not in "\t\n"}
_SHOWN |= {0x7F: _PICTURES + 0x21} | dict.fromkeys(range(0x80, 0xA0), "�")
# Directions that reach beyond their text, separators of lines, halves of characters.
_SHOWN |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029], "�")
_SHOWN |= dict.fromkeys(range(0xD800, 0xE000), "�")


def harmless(text: str) -> str:
    """The text with a picture in the place of every character that a terminal would obey."""
    return text.translate(_SHOWN)


class Terminal(Console):
    """rich's console; texts are made harmless before they are laid out, and again in all that comes out."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Text from markup."""
        return super().render_str(harmless(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is written, piece by piece; rich's own control codes are pieces that say so."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(harmless(piece.text), piece.style)
