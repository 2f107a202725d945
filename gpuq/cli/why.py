"""Prints why a job is where it is; without click."""

from __future__ import annotations

from gpuq.cli import terminal
from gpuq.cli.views.why import why_lines
from gpuq.client import Client
from gpuq.units import parse_job_id


def print_why(word: str, *, as_json: bool = False) -> None:
    """Print the reason of job `word`, a job number as typed."""
    why = Client().why(parse_job_id(word))
    if as_json:
        terminal.say_json(why)
    else:
        terminal.say("\n".join(why_lines(why)))
