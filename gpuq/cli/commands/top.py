"""`gpuq top`."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

from gpuq.cli import declare
from gpuq.cli.naming import number_of
from gpuq.client import Client
from gpuq.client_admin import AdminClient
from gpuq.errors import GpuqError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

VIEWS = ("queue", "why", "shares", "nodes", "trace", "charts", "admin")


@declare.command("top")
@declare.option("--view", type=declare.Choice(VIEWS), help="The view to begin with. [queue]")
@declare.option("--job", "job_ids", metavar="ID", multiple=True, help="The job to begin with; of charts several, too.")
@declare.option("--read-only", is_flag=True, help="Change nothing, whatever is pressed or typed.")
@declare.option("--mouse", is_flag=True, help="Take the mouse too; the terminal's own selection then needs shift.")
@declare.option("--web", "is_web", is_flag=True, help="Serve it to a browser on this machine instead.")
@declare.option("--port", type=declare.IntRange(1, 65535), help="Where, with --web. [any free one]")
def command(
    view: str | None, job_ids: tuple[str, ...], read_only: bool, mouse: bool, is_web: bool, port: int | None
) -> int:
    """Watch and do everything in a full-screen terminal."""
    if is_web:
        words = ["top", *(["--view", view] if view else []), *(f"--job={one}" for one in job_ids), "--mouse"]
        words += ["--read-only"] if read_only else []
        try:
            _module("web", "web").serve(words, port=port)
        except OSError as error:
            raise UsageError(
                f"Port {port} cannot be had: {error.strerror}; leave --port out for any free one."
            ) from error
        return 0
    if port is not None:
        raise UsageError("--port is for --web.")
    gc.disable()  # a tenth of what it takes to load all this; the interface has garbage collected once there is a queue
    app = _module("app", "tui")
    if "TEXTUAL_DRIVER" not in os.environ and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("gpuq top needs a terminal; `gpuq queue` prints the same for a pipe.")
    client = AdminClient()
    jobs = [client.job(number_of(client, one)) for one in job_ids]
    Client.while_slow = None  # the screen is the interface's
    code: object = app.run(client, mouse=mouse, is_read_only=read_only, view=view, jobs=jobs)
    return code if isinstance(code, int) else 0


def _module(name: str, extra: str) -> ModuleType:
    """Return a module of the interface.

    Raises:
        GpuqError: what it needs is not installed.
    """
    try:
        return import_module(f"gpuq_tui.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("textual", "gpuq_tui", "textual_serve", "aiohttp"):
            raise
        raise GpuqError(
            f"The full-screen view is not installed; install it with `pip install 'gpuq-cluster[{extra}]'`."
        ) from error
