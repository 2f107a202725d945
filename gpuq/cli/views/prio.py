"""A pending job's priority, term by term."""

from __future__ import annotations

from gpuq.cli.views.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json


def prio_lines(job: Json, terms: Sequence[Json]) -> list[str]:
    """Return one line a term, weight x factor = points, and their sum."""
    if not terms:
        return [f"Job {job['id']} is {job['state']}: only a pending job has a priority."]
    rows = [
        (term["name"], "-" if term["name"] == "nice" else str(term["weight"]), _factor(term), str(term["points"]))
        for term in terms
    ]
    total = str(sum(term["points"] for term in terms))
    head = ("TERM", "WEIGHT", "FACTOR", "POINTS")
    lines = table(head, [*rows, ("priority", "", "", total)], right=frozenset(head[1:]))
    held = [f"Held by {job['hold']}."] if job.get("hold") else []
    return lines + (["It goes before everybody: priority top."] if job.get("is_top") else []) + held


def _factor(term: Json) -> str:
    return "-" if term["name"] == "nice" else f"{term['factor']:.6f}"
