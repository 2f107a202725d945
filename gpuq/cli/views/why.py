"""Why a job is where it is, in a few lines."""

from __future__ import annotations

from gpuq.text import clean
from gpuq.units import moment, plural

_NAMED = 3  # holders that fit into the daemon's sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json


def why_lines(why: Json) -> list[str]:
    """Return the sentence, and all jobs that hold what it waits for where the sentence names only some."""
    reason = f" ({why['reason']})" if why["reason"] else ""
    return [
        clean(f"Job {why['job_id']} is {why['state']}{reason}: {why['text']}"),
        *(clean(_holder(holder)) for holder in why["held_by"] if len(why["held_by"]) > _NAMED),
    ]


def test_lines(why: Json) -> list[str]:
    """Return when a job would start, what stands against it, and what would make it fail."""
    fails = [clean(f"Here it lacks {one}") for one in why.get("hindrances", ())]
    if why["reason"] is None:
        return [*fails, "The job would start now. Nothing was queued."]
    at = why["start_at"]
    when = "It is not known when it would start" if at is None else f"It would start by {moment(at)}"
    return [
        *fails,
        clean(f"The job would wait ({why['reason']}): {why['text']}"),
        f"{when}. Nothing was queued.",
    ]


def start_line(why: Json) -> str | None:
    """Return why a job has not started, or that it is starting; None where nothing keeps it or it has started."""
    if why["state"] == "CONFIGURING":
        return clean(f"job {why['job_id']} {why['text']}")
    if why["state"] == "PENDING" and why["reason"]:
        return clean(f"job {why['job_id']} waits: {why['reason']}: {why['text']}")
    return None


def _holder(holder: Json) -> str:
    until = "no time limit" if holder["until"] is None else f"until {moment(holder['until'])} at the latest"
    return f"  job {holder['job_id']} ({holder['user']}) holds {plural(holder['gpus'], 'GPU')}, {until}"
