"""Celery's way to Redis, which waits where Redis refuses writes.

Taking a ticket is a write. kombu's own transport takes its refusal for a mistake of the program's and Celery ends; here
it is a lost connection, which Celery makes anew until it holds.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from kombu.transport import virtual
from kombu.transport.redis import Channel, QoS, Transport

from arc_fabric.ledger.core.connection import TcpConnection, TlsConnection, WritesRefused

log = logging.getLogger(__name__)
_PAUSE_S = 0.5


class _Paced:
    """Celery connects again at once: a refusal takes its time."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """As in redis-py."""
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except WritesRefused:
            time.sleep(_PAUSE_S)
            raise


class _Tcp(_Paced, TcpConnection):
    """redis://"""


class _Tls(_Paced, TlsConnection):
    """rediss://"""


class _Receipts(QoS):
    """Messages taken and not acknowledged yet; the worker takes no more before it has acknowledged these."""

    def ack(self, delivery_tag: str) -> None:
        """As in kombu; a refused one counts here all the same. Its copy in Redis comes again after a day, and finds
        nothing to do."""
        try:
            super().ack(delivery_tag)
        except WritesRefused as error:
            log.warning("a ticket was not acknowledged: %s", error)
            virtual.QoS.ack(self, delivery_tag)


class PatientChannel(Channel):
    """Its connections tell refused writes from mistakes."""

    connection_class = _Tcp
    connection_class_ssl = _Tls
    QoS = _Receipts


class PatientTransport(Transport):
    """To which a refused write is a lost connection."""

    Channel = PatientChannel
    connection_errors = (*Transport.connection_errors, WritesRefused)
