"""`gpuq events`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.attempts import earlier_attempts
from gpuq.cli.listening import MOST_JOBS, heard
from gpuq.cli.naming import jobs_named
from gpuq.cli.views.events import event_line, past_lines
from gpuq.cli.views.queue import shown_id
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.states import FINAL
from gpuq.units import parse_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BEGINNING = ("", "reset", "cluster", "jobs", "ready")


@declare.command("events")
@declare.argument("job_ids", metavar="[ID]...", nargs=-1)
@declare.option("--follow", "-f", is_flag=True, help="With an ID: go on with what changes, until the jobs have ended.")
@declare.option("--user", "-u", help="Only this user's jobs.")
@declare.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
def command(job_ids: tuple[str, ...], follow: bool, user: str | None, as_json: bool) -> None:
    """Tell what changes in jobs and nodes, as it changes, until ctrl+c; of the jobs ID what they came through.

    That is of all attempts, and of an array's number of all its tasks. A restart of gpuqd is waited for; what changed
    meanwhile is not told (with --json: the event `reset`).
    """
    client = Client()
    jobs = {job["id"]: job for word in job_ids for job in jobs_named(client, *parse_task(word))}
    if len(jobs) > MOST_JOBS:
        raise UsageError(f"Ask for at most {MOST_JOBS} jobs at once.")
    for job in jobs.values():
        if as_json:
            terminal.say_json({"event": "job", "at": time.time(), "data": job})
        else:
            terminal.say("\n".join(past_lines(job, earlier_attempts(client, job))))
    terminal.flush()
    left = {number for number, job in jobs.items() if job["state"] not in FINAL}
    if jobs and (not follow or not left):
        return
    names = {number: shown_id(job) for number, job in jobs.items()}
    for kind, data in heard(client, sorted(left), user=user):
        names |= _names(kind, data)
        _say(kind, data, names, as_json)
        if jobs and _ended(left, kind, data):
            return


def _names(kind: str, data: Any) -> dict[int, str]:
    """Return what those jobs are called that an event tells all of: later ones tell only what has changed."""
    rows = data["jobs"] if kind == "jobs" else [data] if kind == "job" and "submitted_at" in data else []
    return {row["id"]: shown_id(row) for row in rows}


def _say(kind: str, data: Any, names: dict[int, str], as_json: bool) -> None:
    now = time.time()
    if kind == "reset" and data.get("why", "new") != "new" and not as_json:
        terminal.say_error("gpuqd was away, or this was too slow: what changed meanwhile is not told here.")
    is_beginning = kind in _BEGINNING or (kind == "gpus" and data["is_whole"])
    if is_beginning and not (as_json and kind == "reset"):
        return
    if as_json:
        terminal.say_json({"event": kind, "at": now, "data": data})
    else:
        terminal.say(event_line(kind, data, now, names))
    terminal.flush()


def _ended(left: set[int], kind: str, data: Any) -> bool:
    """Take away the jobs that have ended; True once there are no more."""
    rows = data["jobs"] if kind == "jobs" else [data] if kind in ("job", "removed") else []
    left.difference_update(row["id"] for row in rows if row.get("state") in FINAL or kind == "removed")
    return not left
