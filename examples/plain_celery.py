"""Enqueue forks with Celery alone: no package of ours, no HTTP, only the broker's URL.

    pip install "celery[redis]"
    python plain_celery.py redis://127.0.0.1:6379/0 ckp_01jd6xy0m8v9k2q4r6t8w0y2z4 8

Sends one fork per seed and prints the tasks' ids. Sending again (the script died, the network failed) makes nothing
twice: the task id is the Idempotency-Key. `GET /api/jobs?idempotency_key=<task id>` is the job; Flower shows both.
"""

import sys

from celery import Celery


def main(broker: str, checkpoint: str, seeds: int) -> None:
    """Send."""
    app = Celery(broker=broker)
    for seed in range(seeds):
        task = app.send_task(
            "arc.fork",
            kwargs={"checkpoint_id": checkpoint, "new_seed": seed, "steps": 2, "bulk": True, "label": f"seed {seed}"},
            task_id=f"sweep-{checkpoint}-{seed}",
            queue="arc",
        )
        print(task.id)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
