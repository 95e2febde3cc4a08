"""Start and end of a worker process, as steps of Celery's own start-up.

Order: pin the device (before torch is imported) -> pool -> load and warm the model in the task thread -> take the
lease -> consume. The end is the reverse: stop consuming, let the running step finish, store what is pending, release
the lease.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import Executor, Future, wait
from typing import Any

from celery import bootsteps
from celery.signals import celeryd_init

from arc_fabric.base.present import present
from arc_fabric.base.threads import SUPERVISOR
from workers.process import process as worker_process
from workers.process.process import DEVICE_VARIABLE, MEDIA
from workers.process.retry import REDIS_OUTAGE, through_outages

log = logging.getLogger(__name__)
FLUSH_S = 15.0
QUEUES = ("interactive", "bulk")


class DevicePin:
    """Chooses the device of this process and hides all others, before anything imports torch."""

    def connect_to_celery(self) -> None:
        """Run when Celery starts a worker, also from its own command line."""
        celeryd_init.connect(self._on_init, weak=False)

    def _on_init(self, sender: str, **_: Any) -> None:
        name = sender.split("@", 1)[0]
        self.pin(name, os.environ.get(DEVICE_VARIABLE) or default_device(name))

    def pin(self, name: str, device: str) -> None:
        """Make `device` the only one that torch will see (CUDA device n becomes cuda:0); several, joined by +, become
        cuda:0, cuda:1 and so on in that order."""
        kind = device.partition(":")[0]
        if kind == "cuda":
            visible = os.environ.get("CUDA_VISIBLE_DEVICES")
            known = [part.strip() for part in visible.split(",")] if visible else None
            numbers = [int(one.partition(":")[2] or 0) for one in device.split("+")]
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(known[n] if known else str(n) for n in numbers)
        elif kind.startswith("cpu") or name.startswith(MEDIA):
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        os.environ[DEVICE_VARIABLE] = device


pin_device = DevicePin()


def default_device(name: str) -> str:
    """The device of gpu.<n> by the setting `devices`."""
    from arc_fabric.services.devices import worker_devices
    from arc_fabric.settings import get_settings

    if name.startswith(MEDIA):
        return "none"
    places = worker_devices(get_settings().devices)
    number = int(name.rpartition(".")[2]) if name.rpartition(".")[2].isdigit() else 0
    return places[number % len(places)]


class ServeStep(bootsteps.StartStopStep):
    """Between the pool and the consumer: our process comes to life, and ends in order."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self._threads: list[Any] = []
        self._heartbeat: Any = None
        self._ending = threading.Lock()

    def start(self, worker: Any) -> None:
        """Load the model and take the lease; returns when tickets may come."""
        from workers.threads.heartbeat import Heartbeat

        # kill -USR1 writes where every thread is to the log. Celery has put a logger in the place of sys.stderr.
        faulthandler.register(signal.SIGUSR1, file=present(sys.__stderr__), all_threads=True)
        me = worker_process.start(worker.hostname.split("@", 1)[0], os.environ.get(DEVICE_VARIABLE, "cpu"))
        me.on_drain = _stop_soon
        SUPERVISOR.on_stuck = me.drain
        task_thread: Executor = worker.pool.executor
        self._heartbeat = Heartbeat(me, task_thread)
        self._heartbeat.beat()
        self._heartbeat.start()
        if me.role != MEDIA:
            from workers.startup import loading

            try:
                _result(task_thread.submit(loading.bring_up, me), me)
            except BaseException:
                log.exception("%s: the model did not come up", me.name)
                self._heartbeat.end(2)
                me.ledger.leases.announce(me.name, me.boot_id, me.record() | {"state": "down"})
                raise
        self._serve(me)

    def _serve(self, me: worker_process.WorkerProcess) -> None:
        from arc_fabric.store.backends import backend_from_settings
        from workers.threads.reaper import Reaper
        from workers.threads.signer import Signer
        from workers.threads.watchdog import Watchdog

        me.serving = True
        through_outages(lambda: me.ledger.leases.take(me.name, me.boot_id, me.record()))
        Watchdog(me, stop_asked=_stop_asked, end=self.end).start()
        backend = backend_from_settings(me.settings)
        self._threads = [Reaper(me), Signer(me, backend)]
        if me.role == MEDIA:
            from workers.threads.conductor import Conductor
            from workers.threads.janitor import Janitor

            self._threads += [Janitor(me, backend), Conductor(me, backend)]
        else:
            from workers.threads.pins import PinKeeper

            self._threads.append(PinKeeper(me))
        for thread in self._threads:
            thread.start()
        if worker_process.on_ready is not None:
            worker_process.on_ready(me.record())
        log.info("%s serves %s on %s", me.name, me.settings.model if me.runtime else "media", me.device)

    def stop(self, worker: Any) -> None:
        """The consumer has stopped."""
        self.end()

    def end(self) -> None:
        """Finish or give back the running job, store, release the lease. Does it once, whoever calls first."""
        me = worker_process.current()
        if not me.serving or not self._ending.acquire(blocking=False):
            return
        me.ending.set()
        try:
            self._shut_down(me)
        finally:
            me.ended.set()

    def _shut_down(self, me: worker_process.WorkerProcess) -> None:
        me.stopping.set()
        self._heartbeat.beat()  # the record says draining: nobody gives us sessions from here on
        while me.current_job is not None:
            time.sleep(0.02)
        for thread in self._threads:
            thread.end(0)
        if me.runtime is not None:
            from workers.startup import loading

            loading.shut_down(me, FLUSH_S)
        self._heartbeat.end(2)
        try:
            me.ledger.leases.release(me.name, me.boot_id)
            me.dispatcher.send_many(me.ledger.execution.sweep())  # our sessions find another worker at once
        except REDIS_OUTAGE as error:
            log.warning("could not hand over, the reaper of another worker will: %s", error)
        log.info("%s has ended in order", me.name)


def _result(coming_up: Future[None], me: worker_process.WorkerProcess) -> None:
    """Wait for the model, unless SIGTERM comes first: then there is nothing to put away, and no thread to wait for."""
    while not wait([coming_up], timeout=0.2).done:
        if _stop_asked():
            me.ledger.leases.announce(me.name, me.boot_id, me.record() | {"state": "down"})
            log.info("%s was stopped before its model was up", me.name)
            os._exit(os.EX_OK)
    coming_up.result()


def _stop_asked() -> bool:
    """Whether a signal (or a drain) has told Celery to end."""
    from celery.worker import state

    # By identity: the wish to end with status 0 is 0, which equals False.
    return any(wish is not None and wish is not False for wish in (state.should_stop, state.should_terminate))


def _stop_soon() -> None:
    """Ask Celery for a warm shutdown from another thread."""
    from celery.worker import state

    state.should_stop = os.EX_TEMPFAIL
