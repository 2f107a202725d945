"""Prints why a job is where it is; without click."""

from __future__ import annotations

from gpuq.cli import terminal
from gpuq.cli.naming import number_of
from gpuq.cli.views.why import why_lines
from gpuq.client import Client


def print_why(word: str, *, as_json: bool = False) -> None:
    """Print the reason of job `word`, a job's or a task's number as typed."""
    client = Client()
    why = client.why(number_of(client, word))
    if as_json:
        terminal.say_json(why)
    else:
        terminal.say("\n".join(why_lines(why)))
