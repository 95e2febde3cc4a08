"""The page in a real Chromium, on the real server with the real model."""
