"""Prints the queue; without click, since this is the command that is typed most."""

from __future__ import annotations

import gc
import time

from gpuq.cli import terminal
from gpuq.cli.views.queue import open_queue_lines
from gpuq.client import Client


def print_queue(*, is_mine: bool = False, as_json: bool = False) -> None:
    """Print all that has not ended, of everybody or of who asks."""
    print_open(Client(), me() if is_mine else None, is_mine=is_mine, as_json=as_json)


def print_open(client: Client, user: str | None, *, is_mine: bool, as_json: bool) -> None:
    """Print all that has not ended, of one user or everybody: the answer may be long, and goes the short way."""
    if as_json:
        terminal.say_ascii(client.jobs_text(user=user))
        return
    mark, whose = "…" if terminal.is_utf8() else "~", "yours: " if is_mine else ""
    gc.disable()  # ten thousand rows are no garbage
    try:
        queue = client.queue(user=user)
        lines = open_queue_lines(queue, time.time(), width=terminal.width(), mark=mark, whose=whose)
    finally:
        gc.enable()
    terminal.say("\n".join(lines))


def print_then(at: float, *, as_json: bool) -> None:
    """Print the queue as it was at a time that is on record."""
    from gpuq.units import moment

    found = Client().queue_then(at)
    if as_json:
        terminal.say_json(found)
        return
    mark = "…" if terminal.is_utf8() else "~"
    whose = f"as of {moment(found['at'])}: "
    terminal.say("\n".join(open_queue_lines(found["queue"], at, width=terminal.width(), mark=mark, whose=whose)))


def me() -> str:
    """Return who asks, as the daemon sees it: the name of this process's user, else the number."""
    import os
    import pwd

    if "://" in Client().path:
        from gpuq.client_admin import AdminClient

        return AdminClient().me()["user"]

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
