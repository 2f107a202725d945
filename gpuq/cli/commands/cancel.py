"""`gpuq cancel`."""

from __future__ import annotations

from gpuq.cli import declare
from gpuq.cli.changing import change_chosen
from gpuq.cli.naming import is_array
from gpuq.cli.selecting import changes_jobs
from gpuq.cli.views.job import cancel_line, cancel_many_line
from gpuq.client import Client
from gpuq.states import FINAL, SHORT_STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json


@declare.command("cancel")
@declare.argument("job_ids", metavar="[ID]...", nargs=-1)
@changes_jobs
@declare.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_json: bool, **asked: object) -> int:
    """End jobs, whatever they do: pending ones at once, running ones as soon as all their processes are gone.

    An array's number means all its tasks, 12_3-7 some of them, 12-15 a range of jobs. Without an ID your own are
    chosen, by options and words, as in `gpuq cancel -s PD 'gpus>4' 'name=re*'`; a terminal asks first.
    """
    client = Client()
    were: dict[int, Json] = {}

    def cancel(number: int, index: int | None) -> Json:
        were[number] = client.job(number)
        return client.cancel(number, index=index)

    def told(number: int, index: int | None, before: Json | None, after: Json) -> str:
        is_one = index is None and not is_array(after, index)
        return cancel_line(before or were[number], after) if is_one else cancel_many_line(after, index)

    return change_chosen(
        client,
        job_ids,
        asked,
        verb="cancel",
        states=frozenset(SHORT_STATES) - FINAL,
        change=cancel,
        told=told,
        as_json=as_json,
    )
