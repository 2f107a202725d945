"""`gpuq usage`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.queue import me
from gpuq.cli.saving import save
from gpuq.cli.views.usage import COLUMNS, usage_lines, usage_rows
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.progress import Progress
from gpuq.text import clean
from gpuq.units import parse_day

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json

_PER = ("total", "day", "week", "month")
_BY = ("account", "user", "partition", "gpu_type", "qos", "gpus")


@declare.command("usage")
@declare.option("--since", "-S", help="From that day on: 2d, 2026-12-01. [30 days before --until]")
@declare.option("--until", "-E", help="Up to that day. [now]")
@declare.option(
    "--by", "by", default="account", help="Added up by: account,user,partition,gpu_type,qos,gpus. [account]"
)
@declare.option(
    "--per", type=declare.Choice(("total", "day", "week", "month")), default="total", help="Cut by time. [total]"
)
@declare.option("--user", "-u", help="Only of this user; `me`.")
@declare.option("--account", "-A", help="Only what this account paid for.")
@declare.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@declare.option("--parquet", metavar="FILE", help="Write it as Parquet; - is stdout.")
@declare.option("--json", "as_json", is_flag=True, help="Print all as one JSON object.")
def command(
    since: str | None,
    until: str | None,
    by: str,
    per: str,
    user: str | None,
    account: str | None,
    as_csv: bool,
    parquet: str | None,
    as_json: bool,
) -> None:
    """Show what was used, as sreport does: GPU-hours, what of them was for nothing, and how long was waited.

    \b
    GPU-H: GPU-hours held. FAILED: by jobs that failed or ran into their limit.
    LOST: by attempts that were run again. JOBS: those that ended.
    WAIT: how long jobs waited for their first start: half of them, 95 of 100,
        the longest. GPUS is the size of a gang.
    Days are UTC days, weeks begin on Monday.
    """
    now = time.time()
    wanted = added_up(by)
    if parquet is not None and (as_csv or as_json):
        raise UsageError("Give one of --csv, --parquet and --json.")
    asked: Json = {
        "since": None if since is None else repr(parse_day(since, now=now)),
        "until": None if until is None else repr(parse_day(until, now=now)),
        "by": wanted,
        "per": per,
        "user": me() if user == "me" else user,
        "account": account,
    }
    if parquet is not None:
        save(parquet, Client().usage_table(**asked, format="parquet"))
        return
    with Progress("Adding up what was used"):
        found: Json = Client().usage(**asked)
    if not found["rows"]:
        from gpuq.cli.naming import tell_of_unknown  # for those who find nothing

        tell_of_unknown(account)
    if as_json:
        terminal.say_json(found)
    elif as_csv:
        from gpuq.cli.views.columns import quoted_lines

        terminal.say("\n".join(quoted_lines([[*found["by"], *COLUMNS], *usage_rows(found)])))
    else:
        mark = "…" if terminal.is_utf8() else "~"
        terminal.say("\n".join(usage_lines(found, width=terminal.width(), mark=mark)))


def added_up(by: str) -> list[str]:
    """Return what use is to be added up by.

    Raises:
        UsageError: a word is nothing to add up by, or there is none.
    """
    wanted = [word.strip().replace("-", "_") for word in by.split(",") if word.strip()]
    if not wanted:
        raise UsageError(f"Say what to add up by: {', '.join(_BY)}.")
    for word in wanted:
        if word not in _BY:
            raise UsageError(f"'{clean(word)[:40]}' is nothing to add up by; there are {', '.join(_BY)}.")
    return wanted
