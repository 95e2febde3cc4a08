"""Sizes and limits that model and world agree on: plain numbers."""

SIZE = 64
"""Image height and width in pixels."""
MAX_STEP = 2.0
"""Largest dx, dy, dz in pixels per frame."""
GRIPPER_LOW = (6.0, 34.0, 0.0)
"""Smallest gripper (x, y, z): z is the height of the finger tips."""
GRIPPER_HIGH = (58.0, 62.0, 20.0)
BODY_LOW = (6.0, 34.0)
"""Smallest object (x, y) of the base centre."""
BODY_HIGH = (58.0, 58.0)
KIND_NAMES = ("red cup", "blue block", "green cup", "yellow bowl")
"""The kinds of objects, as prompts name them."""
