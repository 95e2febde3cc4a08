"""Sharp frames: what a latent frame's slots say, drawn with the sprites, laid over what the VAE decodes.

Four frames share a latent frame, and a convolutional decoder blurs what moves within it. Drawn from their places things
keep their edges and colours, however often a rollout is decoded and encoded again. Decoding objects from their places
as layers follows AIR (Eslami et al. 2016, arXiv 1603.08575) and MarioNette (Smirnov et al. 2021, arXiv 2104.14553).

The drawing is believed where both pictures agree but for sharpness, that is, in their means over small squares. Where
they do not, the slots are wrong, or the picture holds what sprites cannot show: there the VAE's picture stays.
"""

from __future__ import annotations

import torch
from torch import Tensor

SQUARE = 9
"""Side in pixels of the squares whose means are compared."""
AGREE, DIFFER = 0.2, 0.32
"""Differences of the means, of values in [-1, 1], up to which the drawing is believed and from which the VAE is."""


def paint(rough: Tensor, drawn: Tensor) -> Tensor:
    """Decoded and drawn frames, float [N, 4, 3, 64, 64] in [-1, 1] -> frames of the same shape."""
    off = drawn - rough
    apart = _means(off.flatten(0, 1)).abs().amax(1, keepdim=True).unflatten(0, off.shape[:2])
    return rough + ((DIFFER - apart) / (DIFFER - AGREE)).clamp(0, 1) * off


def _means(values: Tensor) -> Tensor:
    """Means over the squares about every pixel of [N, C, H, H], as far as they are inside: two products with a band
    matrix (pooling takes ten times as long on a CPU)."""
    place = torch.arange(values.shape[-1], device=values.device)
    band = ((place[:, None] - place).abs() <= SQUARE // 2).to(values.dtype)
    band = band / band.sum(1, keepdim=True)
    return band @ values @ band.mT
