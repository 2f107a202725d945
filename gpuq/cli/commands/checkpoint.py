"""`gpuq checkpoint`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.cli.views.checkpoint import checkpoint_lines, contents_lines
from gpuq.client import Client


@declare.command("checkpoint")
@declare.argument("job_id", metavar="ID")
@declare.option("--at", help="The checkpoint of this step, or of this name. [the newest]")
@declare.option("--list", "-l", "is_list", is_flag=True, help="List the job's checkpoints instead.")
@declare.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(job_id: str, at: str | None, is_list: bool, as_json: bool) -> None:
    """Show what job ID's newest checkpoint holds: names, shapes, types and sizes.

    Checkpoints of TensorFlow 1 and 2 and both formats of Keras 3 are read where they lie, below $GPUQ_CHECKPOINT_DIR.
    """
    client = Client()
    number = number_of(client, job_id)
    if is_list:
        found = client.checkpoints(number)
        if as_json:
            terminal.say_json(found)
        else:
            terminal.say("\n".join(checkpoint_lines(found)))
        return
    contents = client.checkpoint(number, at)
    if as_json:
        terminal.say_json(contents)
    else:
        terminal.say("\n".join(contents_lines(contents)))
