"""A world model of a few thousand random weights that steps in about a millisecond on one CPU thread.

It presents DreamZero's surface and keeps the rules of `arc_fabric.models.contract` (pending block, window
reset, lists of KV tensors mutated but tensors replaced), so that tests of the store, the jobs and the SDK
need no trained model. Its pictures mean nothing; its numbers depend on every input and on the order of
everything that happened.

>>> model = ToyModel()
>>> inputs = model.make_inputs(model.sample_frame()[None], "pick up the red cup")
>>> tuple(model.lazy_joint_video_action_causal(inputs)["video_pred"].shape)
(1, 4, 3, 4, 4)
"""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from arc_fabric.errors import InvalidImage
from arc_fabric.models.contract import Abilities, Conditioning, Geometry, ModelIdentity, ModelSetting

SIZE, LATENT, CHANNELS, TOKENS = 32, 4, 4, 4
LAYERS, HEADS, HEAD_DIM = 2, 2, 8
WIDTH = HEADS * HEAD_DIM
SPAN, BLOCK, WINDOW = 4, 2, 9
ACTION_DIM, STATE_DIM, TEXT_LEN = 4, 4, 32
EULER_STEPS, GUIDANCE = 2, 2.0


class InjectedFaultError(RuntimeError):
    """Raised by a call for which a test has set `ToyModel.fault`."""


class ToyModel:
    """The toy model on one device.

    `fault` makes the next call fail once: "prefill" raises with the KV half-advanced, "denoise" raises with
    the KV advanced and `current_start_frame` not, "nan" returns latents that are not finite.
    """

    abilities = Abilities(
        steers_with_actions=True,
        batches=False,
        batch_bit_exact=False,
        rebuilds_kv=True,
        observes=True,
        settings=(
            ModelSetting("guidance", "continuous", GUIDANCE, 0.0, 10.0, "How much the prompt counts."),
            ModelSetting("rounds", "discrete", EULER_STEPS, 1, 8, "Denoising steps."),
        ),
    )
    geometry = Geometry(
        image_height=SIZE,
        image_width=SIZE,
        fps=8.0,
        frames_per_latent=SPAN,
        latents_per_block=BLOCK,
        window=WINDOW,
        latent_channels=CHANNELS,
        latent_height=LATENT,
        latent_width=LATENT,
        tokens_per_latent=TOKENS,
        layers=LAYERS,
        heads=HEADS,
        head_dim=HEAD_DIM,
        action_dim=ACTION_DIM,
        action_horizon=SPAN * BLOCK,
        state_dim=STATE_DIM,
        action_low=(-1.0,) * ACTION_DIM,
        action_high=(1.0,) * ACTION_DIM,
        action_names=("dx", "dy", "dz", "grip"),
    )

    def __init__(self, device: str | torch.device = "cpu", *, weights_seed: int = 0) -> None:
        torch.set_num_threads(1)
        self.device = torch.device(device)
        self.fault: str | None = None
        self.calls = 0
        self.on_compute = lambda: None
        self.weights_seed = weights_seed
        self._weights = {k: v.to(self.device) for k, v in _make_weights(weights_seed).items()}
        empty = {name: [] for name in ("kv_cache1", "kv_cache_neg", "crossattn_cache", "crossattn_cache_neg")}
        self.action_head = SimpleNamespace(
            **empty, clip_feas=None, ys=None, language=None, current_start_frame=0, seed=1140, settings={}
        )

    def identity(self) -> ModelIdentity:
        """Identity; `weights_seed` changes the digest."""
        digest = hashlib.sha256(f"toy {self.weights_seed}".encode()).hexdigest()
        sampler = {"steps": EULER_STEPS, "guidance": GUIDANCE}
        return ModelIdentity(
            "toy", digest, "float32", "explicit", self.device.type, sampler, {"torch": torch.__version__}
        )

    @staticmethod
    def sample_frame(seed: int = 0) -> np.ndarray:
        """A reproducible uint8 [32, 32, 3] picture."""
        return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """Nearest-neighbour resize to 32 x 32."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InvalidImage(f"Expected a uint8 [h, w, 3] image, got {image.dtype} {list(image.shape)}.")
        rows = np.arange(SIZE) * image.shape[0] // SIZE
        cols = np.arange(SIZE) * image.shape[1] // SIZE
        return np.ascontiguousarray(image[rows][:, cols])

    def make_inputs(
        self,
        frames: np.ndarray,
        prompt: str,
        *,
        action: np.ndarray | None = None,
        state: np.ndarray | None = None,
        embodiment_id: int = 0,
    ) -> dict[str, Tensor]:
        """The tensors of a call (see the contract)."""
        inputs = {
            "images": torch.from_numpy(np.ascontiguousarray(frames))[None],
            "text": self.language_of(prompt),
            "state": torch.zeros(1, 1, STATE_DIM) if state is None else torch.as_tensor(state).float().view(1, 1, -1),
            "embodiment_id": torch.tensor([embodiment_id]),
        }
        if action is not None:
            inputs["action"] = torch.as_tensor(np.array(action)).float()[None]
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}

    def language_of(self, prompt: str) -> Tensor:
        """The SHA-256 of the prompt as int64 [1, 32]."""
        return torch.tensor([list(hashlib.sha256(prompt.encode()).digest())], device=self.device)

    @torch.no_grad()
    def lazy_joint_video_action_causal(
        self, inputs: dict[str, Tensor], latent_video: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One step."""
        self.calls += 1
        head, text = self.action_head, inputs["text"]
        fresh = (
            head.language is None
            or inputs["images"].shape[1] == 1
            or not torch.equal(head.language, text)
            or head.current_start_frame >= WINDOW
        )
        if fresh:
            anchor = self._begin_window(inputs)
            self._prefill(anchor, 0, text)
            head.current_start_frame = 1
        elif latent_video is None:
            raise ValueError("The toy model continues a window only from latent_video.")
        else:
            start = head.current_start_frame
            self._prefill(latent_video[:, :, -BLOCK:].to(self.device), start - BLOCK, text)
        self.on_compute()
        block, action = self._denoise(inputs)
        head.current_start_frame += BLOCK
        video = torch.cat([anchor, block], 2) if fresh else block
        return {"video_pred": video, "action_pred": action}

    def encode_observed(self, frames: np.ndarray) -> Tensor:
        """The last frame of each half of the frames seen -> latents [1, C, 2, 4, 4]."""
        ends = [len(frames) * (i + 1) // BLOCK - 1 for i in range(BLOCK)]
        return _encode(_shrink(torch.from_numpy(frames[ends]).to(self.device)))

    @torch.no_grad()
    def decode(self, latents: Tensor, start: int = 0) -> np.ndarray:
        """Blend each latent with the one before it; needs only `latents[start - 1:]`."""
        z = latents[0].float().cpu().permute(1, 2, 3, 0)
        frames = []
        for t in range(start, len(z)):
            mixes = (1.0,) if t == 0 else tuple((i + 1) / SPAN for i in range(SPAN))
            before = z[max(t - 1, 0)]
            frames += [before * (1 - mix) + z[t] * mix for mix in mixes]
        pixels = (torch.stack(frames)[..., :3] * 40 + 128).round().clamp(0, 255).to(torch.uint8)
        return pixels.repeat_interleave(SIZE // LATENT, 1).repeat_interleave(SIZE // LATENT, 2).numpy()

    @torch.no_grad()
    def rebuild_kv(self, latents: Tensor, blocks: list[Conditioning]) -> None:
        """Prefill the anchor and every block again, each under the prompt that it was prefilled under."""
        self._clear_kv()
        latents = latents.to(self.device)
        starts = [0, *range(1, latents.shape[2], BLOCK)]
        for start, block in zip(starts, blocks, strict=True):
            stop = start + (BLOCK if start else 1)
            self._prefill(latents[:, :, start:stop], start, self.language_of(block.prompt))

    def _clear_kv(self) -> None:
        head, w = self.action_head, self._weights
        for name in ("kv_cache1", "kv_cache_neg"):
            setattr(head, name, [w["text"].new_zeros(2, 1, 0, HEADS, HEAD_DIM) for _ in range(LAYERS)])
        for name in ("crossattn_cache", "crossattn_cache_neg"):
            setattr(head, name, [w["text"].new_zeros(2, 1, 4, HEADS, HEAD_DIM) for _ in range(LAYERS)])

    def _begin_window(self, inputs: dict[str, Tensor]) -> Tensor:
        self._clear_kv()
        head = self.action_head
        head.language = inputs["text"]  # aliases the caller's tensor, as DreamZero does
        head.current_start_frame = 0
        small = _shrink(inputs["images"][0, -1:])
        anchor = _encode(small)
        head.clip_feas = small.flatten(2).transpose(1, 2) @ self._weights["clip"]
        head.ys = torch.cat([anchor, anchor.new_zeros(1, CHANNELS, WINDOW - 1, LATENT, LATENT)], 2)
        return anchor

    def _tokens(self, latents: Tensor, start: int, extra: Tensor | float) -> Tensor:
        """Latents [1, C, T, 4, 4] -> tokens [T * 4, WIDTH], one per 2 x 2 patch."""
        T, w = latents.shape[2], self._weights
        patches = latents[0].reshape(CHANNELS, T, 2, 2, 2, 2).permute(1, 2, 4, 0, 3, 5)
        patches = patches.reshape(T * TOKENS, WIDTH)
        context = self.action_head.ys[0, :, start : start + T].mean((2, 3)).t().repeat_interleave(TOKENS, 0)
        place = w["place"][start : start + T].repeat_interleave(TOKENS, 0)
        scene = self.action_head.clip_feas.mean((0, 1))
        return patches @ w["in"] + place + context @ w["context"] + scene + extra

    def _layer(self, i: int, x: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """One attention layer over the cache and the block itself; returns x and the extended cache."""
        q, k, v = (x @ self._weights[f"qkv{i}"]).view(len(x), 3, HEADS, HEAD_DIM).unbind(1)
        full = torch.cat([cache, torch.stack([k, v])[:, None]], dim=2)
        keys, values = full[0, 0].transpose(0, 1), full[1, 0].transpose(0, 1)
        weights = (q.transpose(0, 1) @ keys.transpose(1, 2) / HEAD_DIM**0.5).softmax(-1)
        x = x + (weights @ values).transpose(0, 1).reshape(len(x), WIDTH)
        return x / x.square().mean(-1, keepdim=True).add(1e-6).sqrt(), full

    def _prefill(self, latents: Tensor, start: int, text: Tensor) -> None:
        """Append the latents' keys and values to both branches' caches, in place in the lists."""
        for name, prompt in (("kv_cache1", text), ("kv_cache_neg", torch.zeros_like(text))):
            x, caches = self._tokens(latents, start, self._text(prompt)), getattr(self.action_head, name)
            for i in range(LAYERS):
                x, caches[i] = self._layer(i, x, caches[i])
            self._maybe_fail("prefill")

    def _denoise(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        head, w = self.action_head, self._weights
        self._maybe_fail("denoise")
        generator = torch.Generator().manual_seed(int(head.seed))
        x = torch.randn(1, CHANNELS, BLOCK, LATENT, LATENT, generator=generator).to(self.device)
        given = inputs.get("action")
        steer = inputs["state"][0, 0] @ w["state"] + inputs["embodiment_id"].float() * 0.1
        if given is not None:
            steer = steer + given[0].flatten() @ w["action"]
        rounds, guidance = head.settings.get("rounds", EULER_STEPS), head.settings.get("guidance", GUIDANCE)
        for _ in range(rounds):
            branches = []
            for name, text in (
                ("kv_cache1", inputs["text"]),
                ("kv_cache_neg", torch.zeros_like(inputs["text"])),
            ):
                y = self._tokens(x, head.current_start_frame, self._text(text) + steer)
                for i, cache in enumerate(getattr(head, name)):
                    y, _ = self._layer(i, y, cache)
                branches.append(y)
            mixed = branches[1] + guidance * (branches[0] - branches[1])
            flow = (mixed @ w["out"]).view(BLOCK, 2, 2, CHANNELS, 2, 2).permute(3, 0, 1, 4, 2, 5)
            x = x + (flow.reshape(x.shape) - x) / rounds
        if self._take_fault("nan"):
            x = x * float("nan")
        predicted = (mixed.mean(0) @ w["policy"]).view(1, SPAN * BLOCK, ACTION_DIM).clamp(-1, 1)
        return x, predicted if given is None else given

    def _text(self, text: Tensor) -> Tensor:
        return (text[0].float() / 255) @ self._weights["text"]

    def _take_fault(self, name: str) -> bool:
        if self.fault != name:
            return False
        self.fault = None
        return True

    def _maybe_fail(self, name: str) -> None:
        if self._take_fault(name):
            raise InjectedFaultError(f"injected fault in {name}")


def load(checkpoint_dir: str | None = None, device: str = "cpu") -> ToyModel:
    """The loader's signature that the model registry expects; the directory is not used."""
    return ToyModel(device)


def _shrink(frames: Tensor) -> Tensor:
    """uint8 [T, 32, 32, 3] -> [T, 3, 4, 4]."""
    return torch.nn.functional.avg_pool2d(frames.permute(0, 3, 1, 2).float() / 127.5 - 1, SIZE // LATENT)


def _encode(small: Tensor) -> Tensor:
    """[T, 3, 4, 4] -> latents [1, C, T, 4, 4]."""
    return torch.cat([small, small.mean(1, keepdim=True)], 1).transpose(0, 1)[None] * 2


def _make_weights(seed: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)

    def mat(rows: int, cols: int, gain: float = 1.0) -> Tensor:
        return torch.randn(rows, cols, generator=g) * gain / rows**0.5

    weights = {f"qkv{i}": mat(WIDTH, 3 * WIDTH, 1.5) for i in range(LAYERS)}
    shapes = {
        "in": (WIDTH, WIDTH),
        "out": (WIDTH, WIDTH),
        "place": (WINDOW, WIDTH),
        "context": (CHANNELS, WIDTH),
        "clip": (3, WIDTH),
        "text": (TEXT_LEN, WIDTH),
        "state": (STATE_DIM, WIDTH),
        "action": (SPAN * BLOCK * ACTION_DIM, WIDTH),
        "policy": (WIDTH, SPAN * BLOCK * ACTION_DIM),
    }
    return weights | {name: mat(*shape, gain=2.0) for name, shape in shapes.items()}
