"""Keys and mouse of Matrix-Game 2's modes, in the order in which its transformer takes them.

>>> [control.name for control in controls_of("gta_drive")]
['forward', 'back', 'camera up', 'camera right']
"""

from __future__ import annotations

from arc_fabric.models.contract import Control

KEYS = {
    "universal": ("forward", "back", "left", "right"),
    "gta_drive": ("forward", "back"),
    "templerun": ("no move", "jump", "slide", "turn left", "turn right", "left side", "right side"),
}
MOUSE = ("camera up", "camera right")
"""Of the modes that have one; its own demo turns by 0.1 a frame."""
REST = "no move"
"""The key that is down where none is given."""


def controls_of(mode: str) -> tuple[Control, ...]:
    """Keys first, 0 or 1 each; then the mouse."""
    keys = [Control(name, "discrete", 0, 1, ("up", "down")) for name in KEYS[mode]]
    mouse = [Control(name, "continuous", -1.0, 1.0) for name in MOUSE if mode != "templerun"]
    return (*keys, *mouse)
