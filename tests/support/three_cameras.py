"""The toy model with three cameras, which it sees as one mosaic like DreamZero: two above, one below."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.support.toy_model import SIZE, ToyModel

CAMERAS = 3


class ThreeCameras(ToyModel):
    """`fit_image` also takes uint8 [V, h, w, 3], V up to three."""

    geometry = replace(ToyModel.geometry, cameras=CAMERAS)

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """One picture fills the frame; several are put together, black where one is not given."""
        if image.ndim == 3:
            return super().fit_image(image)
        half = SIZE // 2
        mosaic = np.zeros((SIZE, SIZE, 3), np.uint8)
        for at, view in enumerate(image):
            row, column = divmod(at, 2)
            mosaic[row * half :, column * half :][:half, :half] = super().fit_image(view)[::2, ::2]
        return mosaic


def load(device: str) -> ThreeCameras:
    """For the setting `model`: `python:tests.support.three_cameras:load`."""
    return ThreeCameras(device)
