"""The server's own schemas for the page's types: `python -m tools.page_types FILE` writes them as OpenAPI.

`make lint-page` turns the file into TypeScript types, of which `webapp/static/js/state/types.js` names those that the
page reads. So the page's check knows a field that is added to an answer, or missed, without a second edit.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from arc_fabric.settings import Settings
from webapp.app import create_app

NOWHERE = "redis://127.0.0.1:1/0"
"""Making the document connects to nothing."""


def document() -> dict[str, Any]:
    """The OpenAPI document, whose answers have the declared members and no others: a misspelt one is an error."""
    spec = create_app(Settings(redis_url=NOWHERE)).document
    for schema in spec["components"]["schemas"].values():
        schema.pop("additionalProperties", None)
    return spec


def main() -> None:
    """Write the document to the file named on the command line."""
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document()))


if __name__ == "__main__":
    main()
