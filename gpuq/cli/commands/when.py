"""`gpuq when`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.cli.queueing import checked_spec
from gpuq.cli.scripts import asking, one_script, with_sweep
from gpuq.cli.views.queue import shown_id
from gpuq.cli.views.why import task_lines, test_lines, when_line
from gpuq.cli.why import first_that_waits
from gpuq.client import Client
from gpuq.errors import UsageError


@declare.command("when", before=with_sweep, after=one_script)
@asking
@declare.option("--json", "as_json", is_flag=True, help="Print the estimate as one JSON object.")
@declare.argument("what", metavar="ID|SCRIPT.PY")
@declare.argument("args", metavar="[-- ARGS]...", nargs=-1)
def command(what: str, args: tuple[str, ...], as_json: bool, **asked: str | None) -> None:
    """Say when job ID will start, or when SCRIPT.PY would with the same options as for `gpuq enqueue`; queue nothing.

    The queue is played forward many times, with run times as the users' earlier jobs had them, and with others coming
    as they came on the days before.
    """
    client = Client()
    if what.replace("_", "").isdecimal() and (args or any(value is not None for value in asked.values())):
        raise UsageError("A job that waits is as it is: give a script with options, or the job's number alone.")
    is_job = what.replace("_", "").isdecimal()
    why = (
        client.when(number_of(client, what)) if is_job else client.test(checked_spec(what, args, asked), estimate=True)
    )
    if as_json:
        terminal.say_json(why)
        return
    now = time.time()
    tasks = task_lines(why, now) if is_job and "_" not in what else []
    first = first_that_waits(client.tasks(why["job_id"])) if tasks else None
    if first is not None:
        why = why if first["id"] == why["job_id"] else client.when(first["id"])
        terminal.say("\n".join([*tasks, when_line(why, now, name=shown_id(first))]))
    else:
        terminal.say(when_line(why, now) if is_job else "\n".join(test_lines(why, now)))
