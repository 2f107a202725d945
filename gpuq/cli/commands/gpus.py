"""`gpuq gpus`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.naming import names_of_active
from gpuq.cli.views.gpus import gpu_lines
from gpuq.cli.watching import watchable
from gpuq.client import Client


@declare.command("gpus")
@declare.option("-w", "--wrong", is_flag=True, help="Only those with which something is wrong.")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of GPUs.")
@watchable
def command(wrong: bool, as_json: bool) -> None:
    """Show every GPU: who holds it, how much it is used, and what is wrong with it.

    \b
    busy, free   held by a job, or not
    idle         a job holds it and has not used it for long
    stranger     a process is on it that belongs to no job
    throttled    it runs slower than it could
    down         its node is

    Of a virtual GPU there is only what the rank's processes use of the CPU.
    """
    client = Client()
    gpus = client.gpus()
    if wrong:
        gpus = [gpu for gpu in gpus if gpu["state"] not in ("free", "busy")]
    if as_json:
        terminal.say_json(gpus)
        return
    mark = "…" if terminal.is_utf8() else "~"
    names = names_of_active(client) if any(gpu["job_id"] is not None for gpu in gpus) else {}
    terminal.say("\n".join(gpu_lines(gpus, names=names, width=terminal.width(), mark=mark)))
