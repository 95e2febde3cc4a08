"""Comparing branches."""

from __future__ import annotations

from flask import Response
from pydantic import Field

from arc_fabric.ids import pattern
from arc_fabric.media.comparison import compare
from webapp.context import ctx
from webapp.http.answers import blueprint, errors, tagged_json
from webapp.http.limits import Turns
from webapp.schemas.ids import Query
from webapp.schemas.nodes import CompareAnswer

comparisons = blueprint("compare", "compare", "Where branches part, and how far.")
_ID = pattern("ckp")[1:-1]
_comparing = Turns("comparing branches")


class CompareQuery(Query):
    """The branches, each by the checkpoint at its end."""

    nodes: str = Field(
        pattern=rf"^{_ID}(,{_ID}){{1,7}}$",
        description="Two to eight checkpoint ids, comma-separated; one named twice counts once.",
        json_schema_extra={"example": "ckp_01jd6xy0m8v9k2q4r6t8w0y2z4,ckp_01jd6xy0m8v9k2q4r6t8w0y2z5"},
    )
    limit: int = Field(256, ge=1, le=1024, description="Steps to compare after the branches part.")


@comparisons.get("/compare", responses={200: CompareAnswer, **errors(304)})
def compare_nodes(query: CompareQuery) -> Response:
    """Common ancestor, first differing step and frame, and distance series

    Series start at `series_start`; a null means that a payload could not be read (still pending, or deleted).
    """
    with _comparing.turn():
        return tagged_json(compare(ctx().pictures, query.nodes.split(","), limit=query.limit))
