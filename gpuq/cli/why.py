"""Prints why a job is where it is; without click."""

from __future__ import annotations

import time

from gpuq.cli import terminal
from gpuq.cli.naming import number_of
from gpuq.cli.views.why import sooner_lines, task_lines, why_lines
from gpuq.client import Client

_TRIABLE = frozenset(("Resources", "Priority"))


def print_why(word: str, *, as_json: bool = False, sooner: bool | None = None, at: float | None = None) -> None:
    """Print the reason of job `word`, a job's or a task's number as typed, and what would let it start `sooner`.

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
    now = time.time()
    terminal.say("\n".join([*(task_lines(why, now) if is_array else ()), *why_lines(why, now)]))
    if is_asked and is_triable:
        terminal.flush()
        lines = sooner_lines(client.sooner(job_id), time.time())
        if lines:
            terminal.say("\n".join(lines))
