"""docs/reference/sdk.md is true."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "sdk.md"


def test_the_examples_of_the_page_run() -> None:
    """Every example gives what the page says."""
    results = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert results.attempted > 20
    assert results.failed == 0
