"""Words that requests and records are made of, each list once: for SDK, ledger and its scripts, HTTP and clients."""

from __future__ import annotations

from typing import Literal, get_args

PromptMode = Literal["keep", "recache", "reset"]
"""What a new prompt does to the window's older KV."""
PROMPT_MODES: tuple[str, ...] = get_args(PromptMode)
BatchMode = Literal["exact", "fast"]
"""How variants step together: with the bits of each step alone, or in one forward pass, equal to rounding."""
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
SessionState = Literal["open", "closed"]
ClipForm = Literal["mp4", "gif", "webp"]
CLIP_FORMS: tuple[ClipForm, ...] = get_args(ClipForm)
ExportForm = Literal["lerobot", "rerun", "parquet", "csv"]
ScoreBetter = Literal["higher", "lower"]
"""Which way a score is good."""
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
"""Job states that never change again."""
OPENING_KINDS = ("create", "fork")
"""Kinds of job that come with a new session."""
KINDS = ("step", "rewind", "checkpoint", "close", "noop")
"""Kinds of job for a session that is there."""
MEDIA_KINDS = ("video",)
"""Kinds of job of the media worker."""
ShownKind = Literal["create", "step", "rewind", "checkpoint", "fork", "close", "video"]
"""Kinds of job that people submit and list."""
SHOWN_KINDS: tuple[str, ...] = get_args(ShownKind)
UNKNOWN_KIND = "unknown"
"""Of the record of a task that named no kind of job and was refused."""
