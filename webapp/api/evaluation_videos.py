"""What variants look like: one by one, or all at once."""

from __future__ import annotations

from flask import Response
from pydantic import Field

from arc_fabric.base.frames import frame_count
from arc_fabric.base.present import present
from arc_fabric.base.terms import ClipForm
from arc_fabric.errors import FrameNotFound, InvalidRequest
from arc_fabric.media.video import MIMETYPES
from webapp.api.evaluations import EvaluationPath, rows_of, some_rows
from webapp.api.video import CLIP, answer_clip
from webapp.content.clips import plan
from webapp.context import ctx
from webapp.http.answers import binary, blueprint, errors
from webapp.http.files import immutable
from webapp.model import model_fps
from webapp.schemas.ids import Query, WaitHeaders
from webapp.work.evaluation_pictures import grid, grid_rows

evaluation_videos = blueprint("evaluation_videos", "evaluations", "Many variants of a checkpoint, judged and counted.")
MOST_FRAMES = 40_000
"""Of all cells together: they are put together while the client waits."""


class VariantPath(EvaluationPath):
    """A variant of an evaluation."""

    n: int = Field(ge=0, le=10**9, description="Its number.", json_schema_extra={"example": 3})


class VariantVideoQuery(Query):
    """Form of a variant's video."""

    format: ClipForm = Field("mp4", description="mp4, gif or webp.")
    wait: float | None = Field(None, ge=0, le=600, description="Seconds to wait for a long clip's job.")


class GridQuery(Query):
    """What a grid shows."""

    most: int = Field(36, ge=1, le=100, description="Variants, at most.")
    columns: int | None = Field(None, ge=1, le=20, description="Default: one per seed, up to 8.")
    width: int | None = Field(None, ge=16, le=640, description="Pixels of a cell; default: the model's own.")
    format: ClipForm = Field("mp4", description="mp4, gif or webp.")


@evaluation_videos.get("/evaluations/<string:evaluation_id>/variants/<int:n>/video", responses=CLIP)
def get_variant_video(path: VariantPath, header: WaitHeaders, query: VariantVideoQuery) -> Response:
    """What a variant made, as a clip: from where it was forked to its end

    Made and kept as the clips of checkpoints are.
    """
    row = next(iter(some_rows(path.evaluation_id, after=path.n - 1, most=1)), None)
    if row is None or row["variant"] != path.n or row["head"] is None:
        raise FrameNotFound(f"Variant {path.n} of {path.evaluation_id} has made nothing.", hint="See its row for why.")
    node = ctx().ledger.nodes.get(row["head"])
    start = frame_count(node.frame_index - row["steps"], node.n_frames)
    clip = plan(ctx().pictures, node.id, start, node.frames_to_end, fps=model_fps(), form=query.format)
    return answer_clip(clip, node.session_id, header, query.wait, forever=True)


@evaluation_videos.get(
    "/evaluations/<string:evaluation_id>/grid",
    responses={200: binary(*MIMETYPES.values(), description="All in one picture."), **errors(304)},
)
def get_grid(path: EvaluationPath, query: GridQuery) -> Response:
    """Variants side by side in one video, a line per combination, a column per seed

    A green frame is a good verdict, red a bad one.
    """
    lines = grid_rows(rows_of(path.evaluation_id), query.most)
    rows = [row for line in lines for row in line]
    if not rows:
        raise FrameNotFound(f"{path.evaluation_id} has made nothing yet.", hint="Wait for its first result.")
    per_step = ctx().ledger.nodes.get(present(rows[0]["head"])).n_frames
    frames = sum(row["steps"] for row in rows) * per_step
    if frames > MOST_FRAMES:
        raise InvalidRequest(f"These {len(rows)} variants have {frames} frames; a grid takes {MOST_FRAMES}.",
                             hint="Ask for fewer variants (most).")  # fmt: skip
    columns = query.columns or min(8, max(map(len, lines)))
    name = f"{path.evaluation_id}-{columns}-{query.width}-{query.format}-" + "-".join(str(row["head"]) for row in rows)
    return immutable(
        lambda: grid(lines, columns=columns, width=query.width, form=query.format), MIMETYPES[query.format],
        name=name, download=f"{path.evaluation_id}.{query.format}",
    )  # fmt: skip
