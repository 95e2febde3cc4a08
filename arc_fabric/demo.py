"""The demo: three forks with rewind on failure, by HTTP, queue, worker, model, storage and stream.

    trunk   8 steps of "put the red cup next to the blue block", each a checkpoint
    fork A  same prompt, same seed: must equal the trunk continued without a fork, bit for bit
    fork B  "push the cup to the left"
    fork C  same prompt, seed 42
    judge   the action-magnitude heuristic marks failures (arc_fabric.scoring)
    rewind  a failed branch goes back to step 8 and tries "carefully put the red cup next to the blue block"

It needs a running Arc Fabric; `arc-fabric demo` starts one. It writes to its output folder an MP4 per branch,
`contact_sheet.png`, `tree.json` and `report.json`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from arc_fabric import scoring
from arc_fabric.client import LiveFrame
from arc_fabric.errors import ArcFabricError, ServiceError
from arc_fabric.media.contact_sheet import Strip, contact_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arc_fabric.client import ArcFabric, Job, RemoteSession

PUT = "put the red cup next to the blue block"
"""At the fork it is not done for good: what comes next is open, so that another seed shows."""
PUSH = "push the cup to the left"
CAREFUL = "carefully put the red cup next to the blue block"
SAMPLE = "sample:cup-and-block"
SEED, OTHER_SEED = 7, 42
STEPS = 8
_STREAM_TIMEOUT_S = 2.0


@dataclass
class Branch:
    """One line of the tree: the session that made it and what came of it."""

    letter: str
    prompt: str
    seed: int
    session: RemoteSession
    leaf: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)
    magnitudes: list[float] = field(default_factory=list)
    failed: bool = False

    @property
    def score(self) -> float:
        """Mean action magnitude of the branch's own steps."""
        return scoring.branch_score(np.array(self.magnitudes))

    @property
    def title(self) -> str:
        """Letter, prompt and seed in a line."""
        return f"{self.letter}  {self.prompt} (seed {self.seed})"

    def report(self) -> dict[str, Any]:
        """JSON-safe facts for report.json."""
        facts = {"letter": self.letter, "prompt": self.prompt, "seed": self.seed, "session_id": self.session.id}
        return facts | {"leaf": self.leaf, "score": self.score, "failed": self.failed, "steps": self.steps}


class Demo:
    """One run against the server behind `arc`; `run()` returns the report."""

    def __init__(self, arc: ArcFabric, output: Path, console: Console) -> None:
        self.arc, self.output, self.console = arc, output, console
        self.branches: dict[str, Branch] = {}
        self.limit = float("nan")
        self.fork_point = ""
        self.live_frames = 0

    def run(self) -> dict[str, Any]:
        """The seven parts."""
        started = time.time()
        self.output.mkdir(parents=True, exist_ok=True)
        self._grow_trunk()
        self._grow_forks()
        equal = self._fork_a_equals_trunk()
        self._judge()
        self._retry()
        report = self._report(equal, time.time() - started)
        self._write(report)
        if not equal:
            raise ArcFabricError("Fork A differs from the trunk.", hint="This breaks the product's promise: report it.")
        return report

    def deep_link(self) -> str:
        """The page with the whole tree and three branches side by side; it plays from the frame where they part."""
        shown = [self.branches[letter].leaf for letter in ("A", "B", "R")]
        session = self.branches["A"].session.id
        return f"{self.arc.transport.url}/?session={session}&panes={','.join(shown)}&mode=side"

    def _grow_trunk(self) -> None:
        self._say(f'Trunk: {STEPS} steps of "{PUT}", each one a checkpoint')
        session = self.arc.new_session(PUT, SAMPLE, seed=SEED, label="trunk")
        self.branches["T"] = Branch("T", PUT, SEED, session)
        self._step(["T"])
        self.fork_point = self.branches["T"].leaf

    def _grow_forks(self) -> None:
        self._say(f"Three forks at step {STEPS} (no tensor is copied), and the trunk continued without a fork")
        trunk = self.branches["T"].session
        for letter, prompt, seed in (("A", PUT, SEED), ("B", PUSH, SEED), ("C", PUT, OTHER_SEED)):
            session = trunk.fork(
                self.fork_point,
                prompt=None if prompt == PUT else prompt,
                seed=None if seed == SEED else seed,
                label=f"fork {letter}",
            )
            self.branches[letter] = Branch(letter, prompt, seed, session)
        self._step(["A", "B", "C", "T"])

    def _fork_a_equals_trunk(self) -> bool:
        a, trunk = self.branches["A"].session, self.branches["T"].session
        pairs = [(a.latents(n), trunk.latents(n)) for n in range(1, 2 * STEPS + 1)]
        equal = all(np.array_equal(left.view(np.uint8), right.view(np.uint8)) for left, right in pairs)
        verdict = "equals the trunk continued, bit for bit" if equal else "DIFFERS from the trunk continued"
        self.console.print(f"  fork A {verdict} ({len(pairs)} steps of latents compared)")
        return equal

    def _judge(self) -> None:
        self._say("Judge: mean action magnitude of each branch against the trunk's own steps")
        trunk = self.branches["T"]
        self.limit = scoring.threshold(np.array(trunk.magnitudes[:STEPS]))
        for letter in ("A", "B", "C"):
            branch = self.branches[letter]
            branch.failed = branch.score > self.limit
            self.arc.update_node(branch.leaf, failed=branch.failed, score=branch.score)
        self.console.print(self._scores(("A", "B", "C")))

    def _retry(self) -> None:
        forks = [self.branches[letter] for letter in ("A", "B", "C")]
        worst = max(forks, key=lambda branch: branch.score)
        if not worst.failed:
            self.console.print("  no branch failed by itself: the one with the worst score is rewound to show how")
        self._say(f'Rewind branch {worst.letter} to step {STEPS} and retry: "{CAREFUL}"')
        worst.session.rewind(STEPS)
        retry = Branch("R", CAREFUL, worst.seed, worst.session)
        self.branches["R"] = retry
        self._step(["R"], prompt=CAREFUL)
        retry.failed = retry.score > self.limit
        self.arc.update_node(retry.leaf, failed=retry.failed, score=retry.score, label=f"retry of {worst.letter}")
        self.console.print(self._scores(("R",)))

    def _step(self, letters: Sequence[str], **params: Any) -> None:
        """Eight steps of each branch, side by side, followed on the WebSocket stream with a progress bar each."""
        by_session = {self.branches[letter].session.id: self.branches[letter] for letter in letters}
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console) as progress, self.arc.stream(*by_session) as stream:
            bars = {id_: progress.add_task(branch.title, total=STEPS) for id_, branch in by_session.items()}
            jobs = {id_: branch.session.submit("step", steps=STEPS, **params) for id_, branch in by_session.items()}
            while jobs:
                item = stream.next(timeout=_STREAM_TIMEOUT_S)
                if isinstance(item, LiveFrame):
                    self.live_frames += 1
                    continue
                for id_, job in self._news(item, jobs).items():
                    progress.update(bars[id_], completed=job.progress["done"])
                    if job.ended:
                        del jobs[id_]
                        self._keep(by_session[id_], job)

    def _news(self, item: dict[str, Any] | None, jobs: dict[str, Job]) -> dict[str, Job]:
        """The jobs that an event of the stream speaks of; all of them, asked by HTTP, where it is silent."""
        if item is None:
            return {id_: self.arc.job(job.id) for id_, job in jobs.items()}
        known = {job.id: id_ for id_, job in jobs.items()}
        if item["kind"] not in ("job.progress", "job.finished") or item["data"]["id"] not in known:
            return {}
        return {known[item["data"]["id"]]: self.arc.job(item["data"]["id"])}

    def _keep(self, branch: Branch, job: Job) -> None:
        if job.state != "succeeded" or job.result is None:
            raise ServiceError(f"Branch {branch.letter} ended as {job.state}: {job.error}", job=job.id)
        branch.leaf = job.result["head"]
        for step in job.result["steps"]:
            node = self.arc.checkpoint(step["checkpoint_id"])
            branch.steps.append(step)
            branch.magnitudes += scoring.step_magnitudes(np.array([node.actions])).tolist()

    def _scores(self, letters: Sequence[str]) -> Table:
        table = Table("branch", "prompt", "seed", "score", "threshold", "verdict", box=None, padding=(0, 2))
        for letter in letters:
            b = self.branches[letter]
            verdict = "[red]failed[/]" if b.failed else "[green]ok[/]"
            table.add_row(b.letter, b.prompt, str(b.seed), f"{b.score:.3f}", f"{self.limit:.3f}", verdict)
        return table

    def _report(self, equal: bool, wall_s: float) -> dict[str, Any]:
        branches = {letter: branch.report() for letter, branch in self.branches.items()}
        steps = [step for branch in branches.values() for step in branch["steps"]]
        totals = {
            "wall_s": wall_s,
            "steps": len(steps),
            "step_wall_s_median": float(np.median([step["wall_s"] for step in steps])),
            "live_frames_received": self.live_frames,
            "bytes_written": sum(step["bytes_new"] for step in steps),
        }
        return {
            "fork_a_equals_trunk": equal,
            "threshold": self.limit,
            "some_branch_failed_by_itself": any(self.branches[letter].failed for letter in ("A", "B", "C")),
            "fork_point": self.fork_point,
            "branches": branches,
            "totals": totals,
            "page": self.deep_link(),
        }

    def _write(self, report: dict[str, Any]) -> None:
        self._say(f"Videos, contact sheet, tree and report in {self.output}/")
        strips = []
        for branch in self.branches.values():
            name = f"branch_{branch.letter}.mp4"
            video = self.arc.transport.bytes(f"/api/checkpoints/{branch.leaf}/video", format="mp4")
            (self.output / name).write_bytes(video)
            strips.append(self._strip(branch))
        contact_sheet(strips, heading="3 forks with rewind on failure", split=STEPS + 1).save(
            self.output / "contact_sheet.png"
        )
        tree = self.arc.transport.json("GET", f"{self.branches['T'].session.path}/tree")
        (self.output / "tree.json").write_text(json.dumps(tree, indent=1))
        (self.output / "report.json").write_text(json.dumps(report, indent=1))

    def _strip(self, branch: Branch) -> Strip:
        """The last frame of every step, the initial frame first."""
        frames = branch.session.frames(branch.leaf)
        stride = self.arc.model()["geometry"]["frames_per_step"]
        note = f"score {branch.score:.2f}, threshold {self.limit:.2f}"
        columns = [f"step {n}" for n in range(2 * STEPS + 1)]
        return Strip(branch.title, frames[::stride], note, branch.failed, columns)

    def _say(self, text: str) -> None:
        self.console.print(f"[bold]{text}[/]")
