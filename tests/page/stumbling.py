"""The real tabletop model that fails once where a prompt asks for it: a test sees a failed job and its retry."""

from __future__ import annotations

from arc_fabric.models.tabletop.model import TabletopModel

WORD = "stumble"


class StumblingModel(TabletopModel):
    """`stumble <anything>`: the first call with that prompt raises, later ones work."""

    _wanted = ""
    _stumbled: set[str]

    def make_inputs(self, frames, prompt, **kwargs):
        """Remember the prompt of the coming call."""
        self._wanted = prompt
        return super().make_inputs(frames, prompt, **kwargs)

    def lazy_joint_video_action_causal(self, inputs, latent_video=None):
        """Raise once per prompt that starts with the word, then step."""
        if self._wanted.startswith(WORD) and self._wanted not in self._stumbled:
            self._stumbled.add(self._wanted)
            raise RuntimeError("the test asked this step to fail")
        return super().lazy_joint_video_action_causal(inputs, latent_video)


def make_model(device: str) -> StumblingModel:
    """For the setting `model = python:tests.page.stumbling:make_model`."""
    model = StumblingModel.load(device=device)
    model._stumbled = set()
    return model
