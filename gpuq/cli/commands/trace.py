"""`gpuq trace`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.views.trace import traced_lines
from gpuq.client import Client


@declare.command("trace")
@declare.argument("handle")
@declare.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(handle: str, as_json: bool) -> None:
    """Tell whose HANDLE is, from the account down to every process, pod and GPU of it, also when it is long gone.

    \b
    12, 12_3                  a job, a task of an array
    prod/train-7f9c-exec-1    a pod; also its name alone, its uid, a container's id
    app-20261123140201-0007   a Spark or YARN application; app-.../3 an executor,
                              container_... a YARN container
    node7:4711                a process on a node or host
    gpu:node7/3, GPU-5f0c...  a GPU
    node7                     a node or host
    /path, hdfs://...         anything in a job's folder

    What is there now comes first, then the newest: a system gives process numbers out again.
    """
    answer = Client().trace(handle)
    if as_json:
        terminal.say_json(answer)
    else:
        terminal.say("\n".join(traced_lines(answer)))
