"""A step's frames are kept beside the events, until they are in storage."""

from __future__ import annotations

from arc_fabric.ledger import Ledger


def test_a_strip_is_read_as_bytes_over_the_connections_there_are(ledger: Ledger) -> None:
    """Bytes that are no text come back as they were, an absent strip is None, and no read opens a connection."""
    strip = b"\x89PNG\r\n\xff\x00"
    ledger.frames.keep("ckp_a", strip)
    before = ledger.redis.info("stats")["total_connections_received"]
    assert [ledger.frames.strip("ckp_a") for _ in range(5)] == [strip] * 5
    assert ledger.frames.strip("ckp_b") is None
    assert ledger.redis.info("stats")["total_connections_received"] == before
