"""`gpuq top`."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from gpuq.client import Client
from gpuq.errors import GpuqError, UsageError


@click.command("top")
def command() -> int:
    """Watch queue, logs and curves in a full-screen terminal."""
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
    code: object = app.run(Client())
    return code if isinstance(code, int) else 0
