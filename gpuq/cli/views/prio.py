"""A pending job's priority, term by term."""

from __future__ import annotations

from gpuq.cli.views.queue import shown_id
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


def pending_lines(jobs: Sequence[Json], *, width: int | None, mark: str = "…") -> list[str]:
    """Return one line a pending job, in the order given; `top` goes before everybody."""
    if not jobs:
        return ["No job that was asked for waits."]
    rows = [
        (
            shown_id(job),
            job["name"],
            job["user"],
            job["account"],
            job["qos"],
            str(job["gpus"]),
            "top" if job["is_top"] else "-" if job["priority"] is None else str(job["priority"]),
            str(job["reason"] or ""),
        )
        for job in jobs
    ]
    head = ("JOB", "NAME", "USER", "ACCOUNT", "QOS", "GPU", "PRIORITY", "WHY")
    right = frozenset({"JOB", "GPU", "PRIORITY"})
    return table(head, rows, right=right, width=width, widest={"NAME": 20, "USER": 12, "ACCOUNT": 12}, mark=mark)


def _factor(term: Json) -> str:
    return "-" if term["name"] == "nice" else f"{term['factor']:.6f}"
