"""Frames <-> latent frames: features by the VAE, slots by the eyes, and sharp pictures of both."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from arc_fabric.models.tabletop.eyes import Eyes, Sight
from arc_fabric.models.tabletop.glimpse import looked_for, misfit
from arc_fabric.models.tabletop.graphs import Graph
from arc_fabric.models.tabletop.painter import paint
from arc_fabric.models.tabletop.slots import Memory, pack, unpack
from arc_fabric.models.tabletop.sprites import Sprites
from arc_fabric.models.tabletop.vae import CHANNELS, CausalVAE


class Codec:
    """The VAE, and the eyes and the sprites around it. Every latent frame is coded and decoded by itself."""

    def __init__(self, vae: CausalVAE, eyes: Eyes, sprites: Sprites, *, recorded: bool = False) -> None:
        """With `recorded`, parts of `encode` run as graphs, for a model that is not trained any more."""
        self.vae, self.eyes, self.sprites = vae, eyes, sprites
        self._read, self._misfit = self._features_and_sight, partial(misfit, sprites)
        if recorded:
            self._read, self._misfit = Graph(self._read), Graph(self._misfit)

    def encode(self, video: Tensor, known: Memory | None = None) -> Tensor:
        """Frames uint8 [B, 1 + 4 n, 64, 64, 3] -> latents float32 [B, LATENT_CHANNELS, 1 + n, 8, 8]; of single frames
        (n = 0) more may be known than they show."""
        groups = self.vae.groups_of(video)
        features, *sight = self._read(groups.flatten(0, 1))
        seen = looked_for(self.sprites, Sight(*sight), groups.flatten(0, 1)[:, -3:], known, self._misfit)
        latents = torch.cat([features, pack(seen.slots())], 1)
        return latents.unflatten(0, groups.shape[:2]).transpose(1, 2)

    def _features_and_sight(self, groups: Tensor) -> tuple[Tensor, ...]:
        """Groups of frames [N, 12, 64, 64] -> their features, and what the eyes see in them."""
        features = self.vae.encode_groups(groups)
        return features, *self.eyes(features)

    def seen(self, features: Tensor) -> Tensor:
        """Features [N, CHANNELS, 8, 8] alone -> latent frames [N, LATENT_CHANNELS, 8, 8], as the eyes see them."""
        return torch.cat([features, pack(self.eyes(features).slots())], 1)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, LATENT_CHANNELS, T, 8, 8] -> groups float [B, T, 4, 3, 64, 64] in [-1, 1]; of an anchor's group
        all four frames show the anchor."""
        frames = latents.transpose(1, 2).flatten(0, 1).contiguous()
        rough = self.vae.decode(frames[:, :CHANNELS, None])[:, 0]
        return paint(rough, self.sprites.draw_slots(unpack(frames))).unflatten(0, (len(latents), -1))
