"""`gpuq wait`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.listening import ends
from gpuq.cli.naming import is_array, jobs_named
from gpuq.cli.selecting import chosen, selects_jobs
from gpuq.cli.views.job import end_line
from gpuq.cli.views.why import count_line
from gpuq.client import Client
from gpuq.states import FINAL, SHORT_STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from gpuq.client import Json


@declare.command("wait")
@declare.argument("job_ids", metavar="[ID]...", nargs=-1)
@selects_jobs
@declare.option("--json", "as_json", is_flag=True, help="Print each ended job as a line of JSON.")
def command(job_ids: tuple[str, ...], as_json: bool, **asked: Any) -> int:
    """Wait until jobs have ended and exit with their exit code, the largest of several.

    Each is said as it ends. An array's number means all its tasks; how they ended is counted then. Without an ID your
    own jobs are chosen, of those that there are now, by options and words.
    """
    client, code = Client(), 0
    has_numbers = any(word[:1].isdigit() for word in job_ids)  # of those that are named the ended ones count, too
    states = frozenset(SHORT_STATES) if has_numbers else frozenset(SHORT_STATES) - FINAL
    found = chosen(client, job_ids, asked, states=states, verb="wait")
    jobs: list[Json] = []
    arrays: dict[int, dict[str, int]] = {}
    for named, job in found:
        these = [job] if job else jobs_named(client, *named)  # an unknown one is said at once
        jobs += these
        if not job and is_array(these[0], named[1]):
            arrays[named[0]] = {}
    for ended in ends(client, jobs):
        if as_json:
            terminal.say_json(ended)
        else:
            terminal.say(end_line(ended))
        terminal.flush()
        code = max(code, exit_code(ended["exit_code"]))
        if ended.get("array_id") in arrays:
            counts = arrays[ended["array_id"]]
            counts[ended["state"]] = counts.get(ended["state"], 0) + 1
    for number, states in arrays.items() if not as_json else ():
        terminal.say(count_line(number, states))
    return code


def exit_code(of_job: int | None) -> int:
    """Return a job's exit code as a process can have it; 1 where an ended job has none."""
    return 1 if of_job is None else min(max(of_job, 0), 255)
