"""The HTTP API, one module per noun; `BLUEPRINTS` lists them all."""

from __future__ import annotations

from webapp.api.checkpoints import checkpoints
from webapp.api.compare import comparisons
from webapp.api.evaluation_videos import evaluation_videos
from webapp.api.evaluation_work import evaluation_work
from webapp.api.evaluations import evaluations
from webapp.api.exports import exports
from webapp.api.jobs import jobs
from webapp.api.operations import operations
from webapp.api.pictures import session_pictures
from webapp.api.previews import previews
from webapp.api.sessions import sessions
from webapp.api.trees import trees
from webapp.api.video import videos
from webapp.api.work import work

BLUEPRINTS = (
    sessions, work, previews, session_pictures, videos, trees, checkpoints, comparisons, jobs, evaluations,
    evaluation_work, evaluation_videos, exports, operations,
)  # fmt: skip
