"""Names of the Redis keys. One place, for Python and for Lua (`keys.<name>` there), so that nobody spells a key twice.

Everything of Arc Fabric starts with `arc:`; Celery's own keys live beside them in the same database.
"""

from __future__ import annotations

IDEMPOTENCY_S = 86_400
"""How long an Idempotency-Key is remembered ; its job's record lives at least as long."""
SESSIONS = "arc:sessions"
"""Sorted set (all scores 0: ids sort by time) of every session that is not bulk."""
SESSIONS_BULK = "arc:sessions:bulk"
"""Sorted set (scores 0) of the bulk sessions."""
SESSIONS_OPEN = "arc:sessions:open"
"""Set of the open sessions that count against the limit."""
JOBS = "arc:jobs"
"""Sorted set (scores 0) of job ids."""
JOBS_ACTIVE = "arc:jobs:active"
"""Set of the jobs that are queued or running."""
EVENTS = "arc:events"
"""Stream of every event."""
MODEL = "arc:model"
"""Hash of what the running model is: name, geometry, abilities, identity (JSON each)."""
WORKERS = "arc:workers"
"""Set of the worker names ever seen."""
ALIVE = "arc:workers:alive"
"""Sorted set of the workers that hold a lease, by the time at which it runs out (epoch seconds)."""
SERVING = "arc:workers:serving"
"""Sorted set of the workers that take sessions, the least loaded first: a million times the steps that wait there, plus
the sessions that it owns."""
MEDIA_WORKERS = "arc:workers:media"
"""Sorted set (scores 0) of the media workers that live."""
COUNTED = "arc:counted"
"""String that says under which edition of the counters and lists everything was counted (see audit.py)."""
EDITION = "3"
"""The present one; a ledger that was counted under another is counted anew."""
SICK = "arc:workers:sick"
"""Set of the workers of which a background thread fails now."""
HOMELESS = "arc:homeless"
"""Set of sessions whose owner may be gone: what the reaper looks at."""
PIN_KEEPER = "arc:pins:keeper"
"""String with the worker that keeps pinned nodes whose own worker is gone."""
CLIENT_LEASES = "arc:sessions:leases"
"""Sorted set of the open sessions with a client's lease, by the time at which it runs out."""
CLIENTS_HEARD = "arc:sessions:leases:heard"
"""Hash of when the leases were last looked at, and since when without a gap: what nobody looked at does not run out."""
PENDING = "arc:pending"
"""Sorted set of the nodes whose payload is not stored yet, by commit time."""
MEDIA = "arc:media"
"""Sorted set of the unfinished media jobs, by the time of the last sign of life."""
PINNED = "arc:pinned"
"""Sorted set of the pinned nodes, by the time they were pinned."""
PUBLISHING = "arc:imports:publishing"
"""Set of the tokens of imports that are being shown."""
OWNERS = "arc:owners"
"""Set of the names of tokens for which something is counted."""
LEDGER_ID = "arc:ledger"
"""String that tells this ledger from all others that may store in the same bucket."""
KNOWS_SINCE = "arc:knows_since"
"""The storage's time of the first question about what is stored: older objects may be of a ledger that was lost."""
FREEABLE_ASKED = "arc:freeable:asked"
"""String with the time at which somebody asked what the collector would free; gone once it is answered; expires."""
FREEABLE = "arc:freeable"
"""String with the last answer, JSON."""
PRIORITY_MARK = "\x06\x16"
"""What kombu puts between a queue and a priority step."""
PROBE = "arc:probe"
"""String that is written to see whether Redis takes writes; expires."""
INTAKE_QUEUE = "arc"
"""The broker's queue in which scripts send tasks with Celery alone (`queue_keys` has its lists)."""
BUSY = "arc:busy"
"""Sorted set of the sessions with work in their mailbox, by the time of the last sign of life."""


TREES = "arc:trees"
"""Sorted set (scores 0: ids sort by time) of every tree."""
TOUCHED = "arc:trees:touched"
"""Sorted set of the trees that are here, by the time of the last change."""
RESTING = "arc:trees:resting"
"""Sorted set of the trees that rest in object storage, by the number under which they do: each time another one."""
RESTING_ROWS = "arc:trees:resting:rows"
"""Hash of what a listing says of a tree that rests, and where it lies (JSON)."""
DROPPING = "arc:trees:dropping"
"""Set of the trees that rest and of which records may still be here."""
DOOMED = "arc:trees:doomed"
"""Set of the trees that were deleted and of which records may still be here."""
UNWANTED = "arc:unwanted"
"""Set of the checkpoints of deleted trees whose payloads are to be dropped."""
HOMES = "arc:homes"
"""Hash of how the homes are spread: fields n (how many), level, split (linear hashing), and next (number of a tree)."""
SESSIONS_RESTING = "arc:sessions:resting"
"""Sorted set (scores 0) of the sessions of resting trees: an id, followed by the record without its defaults (JSON)."""
SESSIONS_RESTING_BULK = "arc:sessions:resting:bulk"
"""The same of bulk sessions; of their records there is only the tree's id."""
EVALUATIONS = "arc:evaluations"
"""Sorted set (scores 0) of evaluation ids."""
EVALUATIONS_ACTIVE = "arc:evaluations:active"
"""Sorted set of the evaluations for which something is left to do, by their priority."""


def evaluation(evaluation_id: str) -> str:
    """Hash of one evaluation."""
    return f"arc:evaluation:{evaluation_id}"


def evaluation_plan(evaluation_id: str) -> str:
    """String with the plan of an evaluation, JSON."""
    return f"arc:evaluation:{evaluation_id}:plan"


def evaluation_running(evaluation_id: str) -> str:
    """Hash of the variants that are being made or judged: number -> job id, empty until it is accepted; or a note of
    those that are made outside."""
    return f"arc:evaluation:{evaluation_id}:running"


def evaluation_again(evaluation_id: str) -> str:
    """List of the variants that were begun and given back."""
    return f"arc:evaluation:{evaluation_id}:again"


def evaluation_rows(evaluation_id: str) -> str:
    """Hash of the results that are not in object storage yet: number -> row, JSON."""
    return f"arc:evaluation:{evaluation_id}:rows"


def session(session_id: str) -> str:
    """Hash of one session."""
    return f"arc:session:{session_id}"


def job(job_id: str) -> str:
    """Hash of one job."""
    return f"arc:job:{job_id}"


def job_steps(job_id: str) -> str:
    """List of the step entries that a job has committed."""
    return f"arc:job:{job_id}:steps"


def jobs_in(which: str) -> str:
    """Sorted set (scores 0) of the job ids of one state and kind, `failed:step`; each job is in one of these."""
    return f"arc:jobs:in:{which}"


def mates(which: str) -> str:
    """Sorted set (scores 0) of the jobs that wait and may step together: those of one mode and one place in the window,
    `fast:3`."""
    return f"arc:jobs:mates:{which}"


def session_jobs(session_id: str) -> str:
    """Sorted set (scores 0) of a session's job ids."""
    return f"arc:session:{session_id}:jobs"


def mailbox(session_id: str) -> str:
    """List of a session's unfinished jobs in accepted order; the first is the one that may run."""
    return f"arc:session:{session_id}:mailbox"


def session_events(session_id: str) -> str:
    """Stream of one session's events; ids equal those in `EVENTS`."""
    return f"arc:events:{session_id}"


def node(node_id: str) -> str:
    """Hash of one tree node."""
    return f"arc:node:{node_id}"


def children(node_id: str) -> str:
    """List of a node's children in commit order."""
    return f"arc:node:{node_id}:children"


def tree(tree_id: str) -> str:
    """Sorted set of a tree's nodes in commit order (append-only: the score is the size before)."""
    return f"arc:tree:{tree_id}"


def tree_sessions(tree_id: str) -> str:
    """Sorted set (scores 0) of the sessions that grow in a tree."""
    return f"arc:tree:{tree_id}:sessions"


def homes(place: str) -> str:
    """Hash of some of the nodes of resting trees: the id without its prefix -> number of its tree."""
    return f"arc:homes:{place}"


def rest_claim(tree_id: str) -> str:
    """String with the token of who brings a tree to rest; any change of the tree removes it."""
    return f"arc:tree:{tree_id}:claim"


def waking(tree_id: str) -> str:
    """String with the token of who brings a tree back; expires."""
    return f"arc:tree:{tree_id}:waking"


def owner_bytes(name: str) -> str:
    """String with the bytes that a token's sessions have stored."""
    return f"arc:owner:{name}:bytes"


def owner_open(name: str) -> str:
    """Set of a token's open sessions that are not bulk."""
    return f"arc:owner:{name}:open"


def worker(name: str) -> str:
    """Hash of one worker's record."""
    return f"arc:worker:{name}"


def owned(name: str) -> str:
    """Set of the open sessions that a worker owns."""
    return f"arc:worker:{name}:sessions"


def work(name: str) -> str:
    """Sorted set of a worker's sessions that have work and are not bulk, by the steps that they wait for."""
    return f"arc:worker:{name}:work"


def lease(name: str) -> str:
    """String with the boot id of the live worker of this name; expires when it stops renewing."""
    return f"arc:lease:{name}"


def idempotency(key: str) -> str:
    """Hash of the job (or evaluation) that an Idempotency-Key stands for, and of its request's digest."""
    return f"arc:idem:{key}"


def refused(task_id: str) -> str:
    """Hash of the job record of a task that was refused, and of the task's digest; expires as Idempotency-Keys do."""
    return f"arc:refused:{task_id}"


def ended_login(login_id: str) -> str:
    """String that stands while the cookie of an ended login could still be valid."""
    return f"arc:login:{login_id}:ended"


def role(name: str) -> str:
    """String with the holder of a role that one process at a time has; expires."""
    return f"arc:role:{name}"


def media_target(target: str) -> str:
    """String with the unfinished media job that makes an object."""
    return f"arc:media:{target}"


def staged(name: str) -> str:
    """What an import has written and nobody sees yet, `<token>:<the key that it will have>`; expires."""
    return f"arc:import:{name}"


def frames_channel(session_id: str) -> str:
    """Pub/sub channel of a session's live JPEG frames."""
    return f"arc:frames:{session_id}"


def framestrip(checkpoint_id: str) -> str:
    """PNG of a step's frames stacked vertically, kept for a while for readers before storage has it."""
    return f"arc:framestrip:{checkpoint_id}"


def queue_keys(queue: str) -> tuple[str, ...]:
    """The lists that kombu keeps for one queue: one per priority step (its default steps 0, 3, 6, 9)."""
    return (queue, *(f"{queue}{PRIORITY_MARK}{step}" for step in (3, 6, 9)))
