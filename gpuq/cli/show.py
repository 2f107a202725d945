"""Prints everything about one job, or about the tasks of an array; without click."""

from __future__ import annotations

import time

from gpuq.cli import terminal
from gpuq.cli.attempts import earlier_attempts
from gpuq.cli.naming import is_array, number_of
from gpuq.cli.views.job import job_lines
from gpuq.client import Client
from gpuq.errors import ForbiddenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json


def print_job(word: str, *, as_json: bool = False) -> None:
    """Print job `word`, a job's or a task's number as typed; of an array how all its tasks are."""
    client = Client()
    job = client.job(number_of(client, word))
    if "_" not in word and is_array(job, None):
        tasks = client.tasks(job["id"])
        if as_json:
            for task in tasks:
                terminal.say_json(task)
        else:
            from gpuq.cli.views.array import array_lines  # for those who have one

            mark = "…" if terminal.is_utf8() else "~"
            terminal.say("\n".join(array_lines(tasks, time.time(), width=terminal.width(), mark=mark)))
        return
    print_one(client, job, as_json=as_json)


def print_one(client: Client, job: Json, *, as_json: bool) -> None:
    """Print a job alone, also where its number is that of an array."""
    if as_json:
        terminal.say_json(job)
        return
    mark = "…" if terminal.is_utf8() else "~"
    told = None
    if job.get("notify"):
        from gpuq.cli.views.notices import told_line  # for those who asked to be told

        try:  # contextlib would cost start-up time
            told = told_line(client.messages(job=job["id"], user=job["user"], limit=50))
        except ForbiddenError:  # it is somebody else's
            told = None
    lines = job_lines(
        job,
        time.time(),
        told=told,
        earlier=earlier_attempts(client, job),
        width=terminal.width(),
        mark=mark,
    )
    terminal.say("\n".join(lines))
