"""Pictures and numbers people look at: PNG strips, JPEG, videos, sprites, divergence. Never torch."""
