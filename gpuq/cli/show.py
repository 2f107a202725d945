"""Prints everything about one job; without click."""

from __future__ import annotations

import time

from gpuq.cli import terminal
from gpuq.cli.naming import number_of
from gpuq.cli.views.job import job_lines
from gpuq.client import Client
from gpuq.errors import ForbiddenError


def print_job(word: str, *, as_json: bool = False) -> None:
    """Print job `word`, a job's or a task's number as typed."""
    client = Client()
    job = client.job(number_of(client, word))
    if as_json:
        terminal.say_json(job)
        return
    told = None
    if job.get("notify"):
        from gpuq.cli.views.notices import told_line  # for those who asked to be told

        try:  # contextlib would cost start-up time
            told = told_line(client.messages(job=job["id"], user=job["user"], limit=50))
        except ForbiddenError:  # it is somebody else's
            told = None
    mark = "…" if terminal.is_utf8() else "~"
    terminal.say("\n".join(job_lines(job, time.time(), told=told, width=terminal.width(), mark=mark)))
