"""What can be no address and no token is refused before anything is sent, in words."""

from __future__ import annotations

import pytest

from arc_fabric.client import ArcFabric
from arc_fabric.errors import InvalidRequest


@pytest.mark.parametrize(
    "url", ["http://[", "ftp://127.0.0.1", "127.0.0.1:8321", "http://127.0.0.1:99999", "http://", ""]
)
def test_an_address_of_no_server(url: str) -> None:
    """The refusal names it."""
    with pytest.raises(InvalidRequest, match="address of a server"):
        ArcFabric(url)


@pytest.mark.parametrize("token", ["gehe\u00efm", "two\nlines", "\u0663"])
def test_a_token_that_no_header_can_carry(token: str) -> None:
    """Nor is it shown."""
    with pytest.raises(InvalidRequest, match="ASCII") as refused:
        ArcFabric("http://127.0.0.1:8321", token)
    assert token not in str(refused.value.to_dict())
