"""Scorers that look at pictures say of them what is there."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.observed import imagined_observed, psnr
from arc_fabric.evaluation.scores import Branch, Moment
from arc_fabric.evaluation.spread import seed_spread
from arc_fabric.evaluation.tabletop import tabletop_success
from arc_fabric.media.mosaic import CAPTION, COLOURS, Cell, mosaic
from arc_fabric.models.tabletop.world.episodes import Episode, record
from arc_fabric.models.tabletop.world.experts import Task, sensible
from arc_fabric.models.tabletop.world.language import TEMPLATES, phrase, task_of
from arc_fabric.models.tabletop.world.scene import sample_scene


def branch(frames: np.ndarray, prompt: str = "", *, name: str = "s", **more: object) -> Branch:
    """The first frame is where it was forked; then steps of 8."""
    strips = {"root": frames[:1]} | {f"{name}{n}": frames[1 + 8 * n : 9 + 8 * n] for n in range((len(frames) - 1) // 8)}
    steps = [Moment(step, n + 1, None) for n, step in enumerate(strips) if step != "root"]
    return Branch(prompt, 0, [Moment("root", 0, None)], steps, strips.__getitem__, strips.__getitem__, **more)  # type: ignore[arg-type]


def episode(task: Task, seed: int = 0) -> Episode:
    """A skilled expert at work in a scene that has the thing."""
    rng = np.random.default_rng(seed)
    while True:
        scene = sample_scene(rng)
        if task.target in [body.kind.name for body in scene.bodies] and sensible(scene, task):
            return record(scene, task, 65)


@pytest.mark.parametrize("verb", ["pick", "left"])
def test_success_is_seen(verb: str) -> None:
    task = Task(verb, "red cup")
    found = tabletop_success(branch(episode(task).frames(), phrase(task)))
    assert (found.value, found.verdict) == (1.0, True), found.reason


def test_failure_is_seen_and_what_is_no_task_is_not_judged() -> None:
    frames = episode(Task("pick", "red cup")).frames()
    still = branch(frames[:1].repeat(17, 0), "pick up the red cup")
    assert tabletop_success(still).verdict is False
    assert tabletop_success(still, task="dance").verdict is None
    assert tabletop_success(still, task="put the red cup on the yellow bowl").verdict is None
    assert tabletop_success(branch(np.zeros_like(frames), "pick up the red cup")).verdict is None
    assert tabletop_success.version == "colour-1"  # type: ignore[attr-defined]


def test_every_phrase_of_a_task_is_understood() -> None:
    rng = np.random.default_rng(3)
    for verb in TEMPLATES:
        other = "yellow bowl" if verb in ("on", "beside") else ""
        for _ in range(40):
            task = Task(verb, "blue block", other, float(rng.choice([0.5, 1.0])))
            words = phrase(task, rng)
            assert task_of(words) == Task(verb, "blue block", other), words


def test_imagined_against_observed() -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 200, (25, 8, 8, 3), dtype=np.uint8)
    mine = branch(frames)
    real = {"r1": frames[1:9] + 4, "r2": frames[9:17] + 4, "r3": frames[17:25] + 4}
    strips = {**{step.checkpoint: mine.frames_of(step.checkpoint) for step in mine.steps}, **real}
    other = Branch("", 0, mine.before, mine.steps, strips.__getitem__, strips.__getitem__,
                   path_of=lambda head: ["root", "r1", "r2", "r3"] if head == "r3" else ["elsewhere"])  # fmt: skip
    found = imagined_observed(other, observed="r3", least=20.0)
    assert math.isclose(found.value, 10 * math.log10(255**2 / 16))
    assert found.verdict is True
    with pytest.raises(InvalidRequest, match="does not descend"):
        imagined_observed(other, observed="nowhere")
    seen = {"s1": frames[1:9], "s2": frames[9:17]}  # what was observed after a step is given with the next one
    assert imagined_observed(branch(frames, observed_of=seen.get)).value == 99.0
    assert imagined_observed(mine).verdict is None
    assert psnr(frames[:1], frames[:1]) == 99.0


def test_spread_is_the_deviation_over_seeds() -> None:
    flat = np.zeros((17, 4, 4, 3), np.uint8)
    assert seed_spread([branch(flat), branch(flat)]).value == 0.0
    apart = seed_spread([branch(flat), branch(flat + 20)], limit=10.0)
    assert math.isclose(apart.value, 20 / math.sqrt(2))
    assert apart.verdict is False
    assert "14.14 at the first step" in apart.reason
    assert math.isnan(seed_spread([branch(flat)]).value)


def test_a_mosaic_shows_all_and_frames_them() -> None:
    cells = [Cell(np.full((n, 6, 8, 3), 9, np.uint8), word) for n, word in ((2, "good"), (3, "bad"), (1, "none"))]
    pages = list(mosaic(cells, columns=2))
    assert len(pages) == 3
    assert pages[0].shape == (24, 28, 3)
    assert tuple(pages[0][1, 1]) == COLOURS["good"]
    assert tuple(pages[0][1, 15]) == COLOURS["bad"]
    assert tuple(pages[2][3, 3]) == (9, 9, 9), "a clip that is over shows its last frame"


def test_a_mosaic_has_captions_and_empty_cells() -> None:
    cells = [Cell(np.full((1, 6, 30, 3), 9, np.uint8), "good"), None, Cell(np.full((1, 6, 30, 3), 9, np.uint8), "bad")]
    (page,) = mosaic(cells, columns=2, captions={0: "pick", 1: "push"})
    assert page.shape == (2 * (CAPTION + 12), 72, 3)
    assert page[:CAPTION].max() > 200, "something is written"
    assert page[CAPTION : CAPTION + 12, 36:].max() == 0, "an empty cell"
    assert tuple(page[2 * CAPTION + 13, 1]) == COLOURS["bad"]


def test_a_mosaic_holds_no_more_than_a_frame_of_each_clip() -> None:
    given = [0, 0]

    def clip(number: int) -> Iterator[np.ndarray]:
        for frame in np.zeros((50, 6, 8, 3), np.uint8):
            given[number] += 1
            yield frame

    pages = mosaic([Cell(clip(0)), Cell(clip(1))], columns=2, width=4)
    assert next(pages).shape == (9, 20, 3)
    next(pages)
    assert given == [2, 2]
