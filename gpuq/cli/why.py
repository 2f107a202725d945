"""Prints why a job is where it is; without click."""

from __future__ import annotations

import time

from gpuq.cli import terminal
from gpuq.cli.naming import number_of
from gpuq.cli.views.queue import shown_id
from gpuq.cli.views.why import sooner_lines, task_lines, why_lines
from gpuq.client import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_TRIABLE = frozenset(("Resources", "Priority"))


def print_why(word: str, *, as_json: bool = False, sooner: bool | None = None, at: float | None = None) -> None:
    """Print the reason of job `word`, a job's or a task's number as typed, and what would let it start `sooner`.

    Of an array's number: how all its tasks are, and the reason of the first that waits, else of the first.
    That takes seconds to find out; None does so on a terminal only. With `at` it is where the job was then.
    """
    client = Client()
    job_id = number_of(client, word)
    is_array = "_" not in word
    why = client.why(job_id, at=at)
    if at is not None:
        sooner = False
    is_asked = terminal.width() is not None and not as_json if sooner is None else sooner
    is_triable = why["state"] == "PENDING" and why["reason"] in _TRIABLE
    if as_json:
        terminal.say_json({**why, "ways": client.sooner(job_id)} if sooner else why)
        return
    now, name = time.time(), None if is_array else word
    counted = task_lines(why, now) if is_array else []
    if counted and at is None:
        first = first_that_waits(client.tasks(job_id))
        name = None if first is None else shown_id(first)
        if first is not None and first["id"] != job_id:
            job_id = first["id"]
            why = client.why(job_id)
            is_triable = why["state"] == "PENDING" and why["reason"] in _TRIABLE
    terminal.say("\n".join([*counted, *why_lines(why, now, name=name)]))
    if is_asked and is_triable:
        terminal.flush()
        lines = sooner_lines(client.sooner(job_id), time.time())
        if lines:
            terminal.say("\n".join(lines))


def first_that_waits(tasks: Sequence[Json]) -> Json | None:
    """Return the first task that waits, else the first; None where there are none any more."""
    return next((task for task in tasks if task["state"] == "PENDING"), tasks[0] if tasks else None)
