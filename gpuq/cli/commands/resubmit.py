"""`gpuq resubmit`."""

from __future__ import annotations

import os
import time

from gpuq.asking import read
from gpuq.cli import declare
from gpuq.cli.naming import is_array
from gpuq.cli.queueing import queue
from gpuq.cli.scripts import asking, one_script, with_sweep
from gpuq.cli.views.queue import ranges
from gpuq.client import Client
from gpuq.code import code_with, files_of
from gpuq.sweep import parse
from gpuq.units import parse_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json

_ONCE = ("begin_at", "deadline", "dependency")  # what was said of that time


@declare.command("resubmit", before=with_sweep, after=one_script)
@asking
@declare.option("--json", "as_json", is_flag=True, help="Print the new job as one JSON object.")
@declare.argument("job_id", metavar="ID")
@declare.argument("args", metavar="[-- ARGS]...", nargs=-1)
def command(job_id: str, args: tuple[str, ...], as_json: bool, **asked: str | None) -> None:
    """Queue job ID again as a new one: its script and the files beside it as they were then, its words, its needs.

    Options change what it asks for, words after `--` take the place of its own. Holds, begins, deadlines and
    dependencies do not come along. An array's number means all its tasks, 12_3 task 3 of array 12.
    """
    client = Client()
    number, index = parse_task(job_id)
    spec, job = client.spec(number, index=index), client.job(number, index=index)
    given = {field: (value, "") for field, value in asked.items() if value is not None}
    changes = read(given, time.time())
    files = changes.pop("files", [])
    if files:  # beside those that went with it, in place of those of the same name
        code: Json = spec["code"] or {"commit": None, "files": []}
        texts = {file["path"]: file["text"] for file in code["files"]}
        changes["code"] = code_with(code["commit"], texts | files_of(files, os.getcwd(), but=spec["script_name"]))
    if job["sweep"] is not None:
        spec["sweep"] = job["sweep"]
        spec["args"] = spec["args"][: -2 * len(parse(job["sweep"]))]  # without the words of this combination
    tasks = None if "sweep" in changes else _array(client, job, index)
    spec |= {**dict.fromkeys(_ONCE), "hold": False, "array": tasks, **changes}
    if args:
        spec["args"] = list(args)
    queue(client, spec, as_json=as_json)


def _array(client: Client, job: Json, index: int | None) -> str | None:
    """Return which tasks are meant, as `--array` wants them; None of a job that is no array."""
    if job["array_id"] is None:
        return None
    if not is_array(job, index):
        return str(job["array_index"])
    return ranges([task["array_index"] for task in client.tasks(job["id"])]) + (
        "" if job["throttle"] is None else f"%{job['throttle']}"
    )
