"""OpenAPI links: which request may follow an answer, and what of the answer goes into it.

Tools that walk an API (generated clients, stateful tests) and readers of `/openapi` learn the main job from them: open
a session, step it, follow its job, look at what came of it, fork it.
"""

from __future__ import annotations

from typing import Any

_JOB = {"job_id": "$response.body#/job/id"}
_SESSION = {"session_id": "$response.body#/session_id"}
_SAME = {"session_id": "$request.path.session_id"}
_NODE = {"checkpoint_id": "$response.body#/id"}
_ROOT = {"checkpoint_id": "$response.body#/root"}
_ROOT_BODY = {"checkpoint_id": "$response.body#/root"}

Link = tuple[str, dict[str, str], dict[str, str] | None]


def _all(parameters: dict[str, str], *operations: str) -> list[Link]:
    return [(operation, parameters, None) for operation in operations]


_OF_JOB = _all(_JOB, "get_job", "cancel_job")
_OF_SESSION = (
    *("get_session", "step", "rewind", "checkpoint", "close_session"),
    *("get_tree", "get_frame", "get_session_video", "get_events"),
)
_OF_NODE = (
    *("get_checkpoint", "fork_checkpoint", "pin_checkpoint", "patch_node"),
    *("get_strip", "get_checkpoint_video", "get_thumbnail"),
)
LINKS: dict[str, list[Link]] = {
    "create_session": [*_OF_JOB, *_all(_SESSION, *_OF_SESSION)],
    "fork": [*_OF_JOB, *_all(_SESSION, *_OF_SESSION)],
    "fork_checkpoint": [*_OF_JOB, *_all(_SESSION, *_OF_SESSION)],
    "step": [*_OF_JOB, *_all(_SAME, "get_session", "get_latents", "get_sprite", "get_tree")],
    "rewind": [*_OF_JOB, *_all(_SAME, "get_session", "step")],
    "checkpoint": [*_OF_JOB, *_all(_SAME, "get_tree")],
    "close_session": _all(_SAME, "reopen_session", "step"),
    "reopen_session": _all(_SAME, "step", "close_session"),
    "get_tree": [
        *_all(_ROOT, *_OF_NODE),
        ("fork", _SAME, _ROOT_BODY),
    ],
    "pin_checkpoint": _all(_NODE, "unpin_checkpoint", "get_checkpoint"),
    "patch_node": _all(_NODE, "get_checkpoint"),
    "get_checkpoint": _all(_NODE, "get_checkpoint_frame", "get_checkpoint_latents", "get_manifest"),
}
"""Operation -> what may follow it: operation, its parameters, members of its body."""


def add_links(paths: dict[str, Any]) -> None:
    """Put the links into the successful JSON answers of a document's operations."""
    for item in paths.values():
        for operation in item.values():
            followers = LINKS.get(operation.get("operationId", "")) if isinstance(operation, dict) else None
            if followers:
                links = {_name(operation["operationId"], link[0]): _link(link) for link in followers}
                for status, answer in operation["responses"].items():
                    if str(status) in ("200", "202"):
                        answer["links"] = links


def _name(source: str, target: str) -> str:
    return f"{source}_then_{target}"


def _link(link: Link) -> dict[str, Any]:
    operation, parameters, body = link
    made: dict[str, Any] = {"operationId": operation, "parameters": parameters}
    return made | ({"requestBody": body} if body else {})
