"""`gpuq prio`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.cli.selecting import selection, selects_jobs
from gpuq.cli.views.prio import pending_lines, prio_lines
from gpuq.client import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@declare.command("prio")
@declare.argument("words", metavar="[WHICH]...", nargs=-1)
@selects_jobs
@declare.option("--json", "as_json", is_flag=True, help="Print the terms (or the jobs) as a JSON array.")
def command(words: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Show every term of a pending job's priority: age, fair share, size, partition, QOS, nice.

    Without a job, or with several, the priorities of all that wait, the highest first: WHICH is numbers and words such
    as 'gpus>4', as for `gpuq queue`.
    """
    client = Client()
    selected = selection(words, asked)
    if selected.is_list and len(selected.named) == 1:
        number = number_of(client, words[0])
        terms = client.priority(number)
        if as_json:
            terminal.say_json(terms)
        else:
            terminal.say("\n".join(prio_lines(client.job(number), terms)))
        return
    waiting = [job for job in client.jobs(user=selected.user) if job["state"] == "PENDING" and selected.keeps(job)]
    waiting.sort(key=lambda job: (not job["is_top"], -(job["priority"] or 0), job["id"]))
    if as_json:
        terminal.say_json(waiting)
        return
    mark = "…" if terminal.is_utf8() else "~"
    terminal.say("\n".join(pending_lines(waiting, width=terminal.width(), mark=mark)))
