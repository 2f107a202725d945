"""`gpuq history`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.commands.queue import formatted
from gpuq.cli.queue import me
from gpuq.cli.views.columns import ENDED, parse_columns
from gpuq.cli.views.history import history_lines
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.states import parse_states
from gpuq.units import parse_past, parse_whole

_MOST = 10_000


@declare.command("history")
@declare.option("--user", "-u", help="Only jobs of this user.")
@declare.option("--mine", "-m", is_flag=True, help="Only your own jobs.")
@declare.option("--account", "-A", help="Only jobs that this account paid for.")
@declare.option("--partition", "-p", help="Only jobs of this partition.")
@declare.option("--state", "-s", "state", help="Only jobs that ended so: CD, F, CA, TO, DL.")
@declare.option("--since", "-S", help="Ended at or after: now-2days, 16:00, 2026-12-01T10:00.")
@declare.option("--until", "-E", help="Ended before.")
@declare.option("--name", "-n", help="Only jobs of this name; * and ? stand for any letters.")
@declare.option("--regex", "-e", help="Only jobs in whose name this regular expression is found.")
@declare.option("--limit", "-l", default="100", help="At most so many, the newest. [100]")
@declare.option("--cursor", help="Go on behind the last answer: its next_cursor.")
@declare.option("--format", "-o", "format", help="Columns, as id,name,ended,charged_gpu_h.")
@declare.option("--csv", "as_csv", is_flag=True, help="Print CSV, of the columns of -o or all of them.")
@declare.option("--no-header", is_flag=True, help="Without the line of names above.")
@declare.option("--json", "as_json", is_flag=True, help="Print columns, rows and next_cursor as one JSON object.")
def command(
    mine: bool,
    state: str | None,
    limit: str,
    format: str | None,
    as_csv: bool,
    no_header: bool,
    as_json: bool,
    **asked: str | None,
) -> None:
    """Show jobs that have ended, the newest first: when, how, and what they were charged."""
    if as_json and (as_csv or format):
        raise UsageError("Give --json, or --csv and -o, not both: JSON holds every field.")
    columns = list(ENDED) if format is None else parse_columns(format, ENDED)
    now = time.time()
    states = sorted(parse_states((state,))) if state else [None]
    if len(states) > 1:
        raise UsageError("Name one state: history shows one at a time, or all.")
    count = parse_whole(limit, "a number of jobs")
    if not 1 <= count <= _MOST:
        raise UsageError(f"--limit must be from 1 to {_MOST}; more follow with --cursor.")
    if asked["name"] and asked["regex"]:
        raise UsageError("Give --name or --regex, not both.")
    for moment in ("since", "until"):
        word = asked[moment]
        asked[moment] = None if word is None else repr(parse_past(word, now=now))
    if mine or asked["user"] == "me":
        asked["user"] = me()
    found = Client().history(**asked, state=states[0], limit=count)
    if not found["rows"]:
        from gpuq.cli.naming import tell_of_unknown  # for those who find nothing

        tell_of_unknown(asked["account"])
    if as_json:
        terminal.say_json(found)
        return
    if as_csv or format:
        jobs = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
        terminal.say("\n".join(formatted(jobs, ",".join(columns), as_csv=as_csv, has_header=not no_header)))
        if found["next_cursor"] is not None:
            terminal.say_error(f"There are more: --cursor {found['next_cursor']}, or a larger --limit.")
        return
    mark = "…" if terminal.is_utf8() else "~"
    terminal.say("\n".join(history_lines(found, width=terminal.width(), mark=mark)))
