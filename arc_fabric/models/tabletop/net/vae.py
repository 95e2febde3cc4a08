"""The causal video VAE: the first frame alone, then groups of four frames, 8x in space.

Each latent frame is coded from its own frames only (the anchor frame counts as a group of four equal frames), so
that encoding and decoding are stateless and a prefix of latents decodes to a prefix of frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

GROUP = 4
"""Frames per latent frame after the first."""
CHANNELS = 16
"""Channels of a latent frame."""
FOLD = 4
"""Pixels folded into channels per side before the first convolution."""


def to_floats(groups: Tensor) -> Tensor:
    """Groups of frames uint8 [N, 4, H, W, 3] -> float [N, 12, H, W] in [-1, 1]."""
    return groups.permute(0, 1, 4, 2, 3).flatten(1, 2).float() / 127.5 - 1.0


def to_pixels(frames: Tensor) -> Tensor:
    """Frames float [N, 3, H, W] in [-1, 1] -> uint8 [N, H, W, 3]."""
    return ((frames.permute(0, 2, 3, 1).float() + 1) * 127.5).round().clamp(0, 255).byte()


class ResBlock(nn.Module):
    """Two 3x3 convolutions with group norm, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class CausalVAE(nn.Module):
    """Encoder and decoder; `shift` and `scale` normalise latents to zero mean and unit variance per channel."""

    def __init__(self, channels: int = CHANNELS, narrow: int = 64, wide: int = 128, decode_width: int = 96) -> None:
        super().__init__()
        folded = 3 * GROUP * FOLD * FOLD
        self.channels = channels
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(FOLD),
            nn.Conv2d(folded, narrow, 3, padding=1),
            ResBlock(narrow),
            nn.Conv2d(narrow, wide, 3, stride=2, padding=1),
            ResBlock(wide),
            ResBlock(wide),
            nn.GroupNorm(8, wide),
            nn.SiLU(),
            nn.Conv2d(wide, 2 * channels, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(channels, wide, 3, padding=1),
            ResBlock(wide),
            ResBlock(wide),
            nn.Conv2d(wide, 4 * decode_width, 1),
            nn.PixelShuffle(2),
            ResBlock(decode_width),
            ResBlock(decode_width),
            nn.GroupNorm(8, decode_width),
            nn.SiLU(),
            nn.Conv2d(decode_width, folded, 3, padding=1),
            nn.PixelShuffle(FOLD),
        )
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def posterior(self, groups: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [B, 12, 64, 64] (four RGB frames, values in [-1, 1]) -> mean and log variance [B, C, 8, 8]."""
        mean, logvar = self.encoder(groups).chunk(2, 1)
        return mean, logvar.clamp(-12, 4)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Raw latents [B, C, 8, 8] -> frames [B, 12, 64, 64]."""
        return self.decoder(z)

    def encode(self, video: Tensor) -> Tensor:
        """Frames uint8 [B, 1 + 4 n, 64, 64, 3] -> normalised latents float32 [B, C, 1 + n, 8, 8]."""
        groups = self.groups_of(video)
        return self.encode_groups(groups.flatten(0, 1)).unflatten(0, groups.shape[:2]).transpose(1, 2)

    def encode_groups(self, groups: Tensor) -> Tensor:
        """Groups [N, 12, 64, 64] in [-1, 1] -> normalised latents float32 [N, C, 8, 8]."""
        mean, _ = self.posterior(groups)
        return (mean.float() - self.shift[:, None, None]) / self.scale[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        """Normalised latents [B, C, T, 8, 8] -> groups float [B, T, 4, 3, 64, 64] in [-1, 1]; of an anchor's group
        all four frames show the anchor."""
        z = latents.transpose(1, 2) * self.scale[:, None, None] + self.shift[:, None, None]
        frames = self.reconstruct(z.flatten(0, 1))
        return frames.unflatten(0, z.shape[:2]).unflatten(2, (GROUP, 3))

    @staticmethod
    def groups_of(video: Tensor) -> Tensor:
        """uint8 [B, 1 + 4 n, H, W, 3] -> float [B, 1 + n, 12, H, W] in [-1, 1], the first frame four times."""
        x = video.permute(0, 1, 4, 2, 3).float() / 127.5 - 1.0
        x = torch.cat([x[:, :1].expand(-1, GROUP, -1, -1, -1), x[:, 1:]], 1)
        return x.unflatten(1, (-1, GROUP)).flatten(2, 3)
