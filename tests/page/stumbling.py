"""The real tabletop model that misbehaves where a prompt asks for it.

"stumble <anything>"   fails once: a test sees a failed job and its retry
"ignore <anything>"    records given actions and follows its own, as DreamZero does
"""

from __future__ import annotations

from dataclasses import replace

from arc_fabric.models.tabletop.net.model import TabletopModel

STUMBLE, IGNORE = "stumble", "ignore"


class StumblingModel(TabletopModel):
    """A tabletop model that reads its prompt."""

    _wanted = ""
    _stumbled: set[str]

    def make_inputs(self, frames, prompt, *, action=None, **kwargs):
        """Remember the prompt of the coming call."""
        self._wanted = prompt
        follows = not prompt.startswith(IGNORE)
        self.abilities = replace(TabletopModel.abilities, steers_with_actions=follows)
        return super().make_inputs(frames, prompt, action=action if follows else None, **kwargs)

    def lazy_joint_video_action_causal(self, inputs, latent_video=None):
        """Raise once per prompt that starts with the word, then step."""
        if self._wanted.startswith(STUMBLE) and self._wanted not in self._stumbled:
            self._stumbled.add(self._wanted)
            raise RuntimeError("the test asked this step to fail")
        return super().lazy_joint_video_action_causal(inputs, latent_video)


def make_model(device: str) -> StumblingModel:
    """For the setting `model = python:tests.page.stumbling:make_model`."""
    model = StumblingModel.load(device=device)
    model._stumbled = set()
    return model
