"""What can be an address of a server."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def check_url(text: str, *schemes: str) -> str:
    """The text itself; ValueError, in words, where it is no URL of one of these schemes with a host.

    >>> check_url("https://fabric.example.org/arc", "http", "https")
    'https://fabric.example.org/arc'
    """
    try:
        parts = urlsplit(text)
        placed = parts.scheme == "unix" or bool(parts.hostname)
        good = parts.scheme in schemes and placed and parts.port != 0
    except ValueError:
        good = False
    if not good or any(character.isspace() for character in text):
        raise ValueError(f"must be a URL as {schemes[0]}://host:port, port 1 to 65535")
    return text


def without_password(url: str) -> str:
    """A URL as it may be shown.

    >>> without_password("redis://me:secret@host/0")
    'redis://me:***@host/0'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no URL)"  # nor shown, lest it hold a password
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}"))
