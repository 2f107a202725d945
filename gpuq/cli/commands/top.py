"""`gpuq top`."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from gpuq.client_admin import AdminClient
from gpuq.errors import GpuqError, UsageError

VIEWS = ("queue", "why", "shares", "nodes", "trace", "charts", "admin")


@click.command("top")
@click.option("--view", type=click.Choice(VIEWS), default="queue", help="The view to begin with. [queue]")
@click.option("--read-only", is_flag=True, help="Change nothing, whatever is pressed or typed.")
@click.option("--mouse", is_flag=True, help="Take the mouse too; the terminal's own selection then needs shift.")
def command(view: str, read_only: bool, mouse: bool) -> int:
    """Watch and do everything in a full-screen terminal."""
    try:
        app = import_module("gpuq_tui.app")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("textual", "gpuq_tui"):
            raise
        raise GpuqError(
            "The full-screen view is not installed; install it with `pip install 'gpuq-cluster[tui]'`."
        ) from error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("gpuq top needs a terminal; `gpuq queue` prints the same for a pipe.")
    code: object = app.run(AdminClient(), mouse=mouse, is_read_only=read_only, view=view)
    return code if isinstance(code, int) else 0
