"""`gpuq queue`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.queue import me, print_open, print_then
from gpuq.cli.selecting import looked_at, selection, selects_jobs
from gpuq.cli.views.columns import CSV, column_lines, csv_lines, parse_columns, squeue_lines
from gpuq.cli.views.queue import queue_lines
from gpuq.cli.watching import watchable
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.selection import none_found
from gpuq.states import FINAL
from gpuq.units import parse_past

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json


@declare.command("queue")
@declare.argument("words", metavar="[WHICH]...", nargs=-1)
@declare.option("--all", "-a", "everything", is_flag=True, help="Ended jobs too.")
@declare.option("--mine", "-m", is_flag=True, help="Only your own jobs.")
@selects_jobs
@declare.option("--format", "-o", "format", help="Columns, as id,name,where; or squeue's, as '%.10i %j %R'.")
@declare.option("--csv", "as_csv", is_flag=True, help="Print CSV, of the columns of -o or the commonest ones.")
@declare.option("--no-header", is_flag=True, help="Without the line of names above.")
@declare.option("--at", metavar="TIME", help="As it was then, from the record: 14:05, now-2hours.")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of jobs.")
@watchable
def command(
    words: tuple[str, ...],
    everything: bool,
    mine: bool,
    format: str | None,
    as_csv: bool,
    no_header: bool,
    at: str | None,
    as_json: bool,
    **asked: object,
) -> None:
    """Show the queue: who has the GPUs, who waits, and why.

    WHICH is numbers (12, 12-15, 120_3-7) and words that must all match: 'gpus>4', name=re*, state!=R, '/bert|gpt/'.
    Ended states imply --all.

    \b
    ST: PD pending, CF configuring, R running, CG completing, CD completed,
        F failed, CA cancelled, TO timeout, DL deadline.
    TIME: how long a pending job has waited, and any other has run; - if it never did.
    A running job shows its newest loss, the step, and v (falls) or ^ (rises).
    """
    if as_json and (as_csv or format):
        raise UsageError("Give --json, or --csv and -o, not both: JSON holds every field.")
    if as_csv and format and "%" in format:
        raise UsageError("--csv takes columns by name: -o id,name,state.")
    if at is not None:
        if words or everything or mine or format or as_csv or any(asked.values()):
            raise UsageError("--at shows the whole queue as it was: give nothing with it but --json.")
        print_then(parse_past(at, now=time.time()), as_json=as_json)
        return
    if format == "":
        raise UsageError("Name columns, as in -o id,name,state.")
    if no_header and not (format or as_csv):
        raise UsageError("--no-header is for -o and --csv.")
    selected = selection(words, asked)
    if mine:
        selected.user = me()
    client = Client()
    is_table = not (format or as_csv)
    if is_table and not (everything or selected.has_numbers or selected.filters or selected.states or selected.since):
        print_open(client, selected.user, is_mine=mine, as_json=as_json)
        return
    is_all = everything or selected.has_numbers or bool(selected.states & FINAL)
    jobs = [job for job in looked_at(client, selected, everything=is_all) if selected.keeps(job)]
    if not jobs and selected.has_numbers:
        raise none_found(selected)
    if not jobs:
        from gpuq.cli.naming import tell_of_unknown  # for those who find nothing

        tell_of_unknown(None if asked["account"] is None else str(asked["account"]))
    if as_json:
        terminal.say_json(jobs)
    elif is_table:
        mark = "…" if terminal.is_utf8() else "~"
        whose = "yours: " if mine else ""
        lines = queue_lines(jobs, client.cluster(), time.time(), width=terminal.width(), mark=mark, whose=whose)
        terminal.say("\n".join(lines))
    else:
        lines = formatted(jobs, format, as_csv=as_csv, has_header=not no_header)
        if lines:
            terminal.say("\n".join(lines))


def formatted(jobs: Sequence[Json], format: str | None, *, as_csv: bool, has_header: bool) -> list[str]:
    """Return jobs as the options `-o`, `--csv` and `--no-header` want them."""
    now = time.time()
    if as_csv:
        lines = csv_lines(jobs, CSV if format is None else parse_columns(format), now)
        return lines if has_header else lines[1:]
    if format is not None and "%" in format:
        return squeue_lines(jobs, format, now, has_header=has_header)
    mark = "…" if terminal.is_utf8() else "~"
    names = parse_columns(format or ",".join(CSV))
    return column_lines(jobs, names, now, has_header=has_header, width=terminal.width(), mark=mark)
