"""`gpuq admin report`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.commands.usage import added_up
from gpuq.cli.saving import save
from gpuq.cli.views.admin_report import UTILISATION_COLUMNS, report_lines, utilisation_lines, utilisation_rows
from gpuq.cli.views.usage import COLUMNS, usage_rows
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.progress import Progress
from gpuq.units import parse_day

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json

_OF_GPUS = ("partition", "gpu_type")


@declare.command("report")
@declare.option("--since", "-S", help="From that day on: 7d, 2026-12-01. [30 days before --until]")
@declare.option("--until", "-E", help="Up to that day. [now]")
@declare.option(
    "--by", help="Added up by: account,user,partition,gpu_type,qos,gpus. [account,user; --utilisation: all together]"
)
@declare.option("--per", type=declare.Choice(("day", "week", "month")), default="week", help="Cut by these. [week]")
@declare.option("--utilisation", is_flag=True, help="Only how full it was; --by partition,gpu_type.")
@declare.option("--csv", "as_csv", is_flag=True, help="Print CSV: a row for each of --by in each period.")
@declare.option("--parquet", metavar="FILE", help="Write that as Parquet; - is stdout.")
@declare.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON object.")
def command(
    since: str | None,
    until: str | None,
    by: str | None,
    per: str,
    utilisation: bool,
    as_csv: bool,
    parquet: str | None,
    as_json: bool,
) -> None:
    """Report how a cluster was used: by whom, how full it was, how long was waited, what was for nothing.

    \b
    UTILISATION: parts of all GPU time there was. PLANNED: drained by an operator,
        or in maintenance. DOWN: down, or taken out by the health check.
        RESERVED: kept idle for a reservation.
    JOBS: those that ended; in tables of waits those that started.
    WAIT, HALF: how long half of them waited at most; 95%: 95 of 100.
    GANG: waits by how many GPUs a job asked for.
    FOR NOTHING: held by what failed; until training began; the same once more
        after a restart.
    It is read off the accounting, jobs that are gone included; days are UTC days,
    weeks begin on Monday.
    """
    if as_csv + as_json + (parquet is not None) > 1:
        raise UsageError("Give one of --csv, --parquet and --json.")
    now = time.time()
    asked: Json = {
        "since": None if since is None else repr(parse_day(since, now=now)),
        "until": None if until is None else repr(parse_day(until, now=now)),
    }
    client = Client()
    if utilisation:
        _utilisation(client, {**asked, "by": _of_gpus(by), "per": per}, as_csv, parquet, as_json)
        return
    wanted = added_up("account,user" if by is None else by)
    if parquet is not None:
        save(parquet, client.usage_table(**asked, by=wanted, per=per, format="parquet"))
        return
    if as_csv:
        found = client.usage(**asked, by=wanted, per=per)
        _say_csv([[*found["by"], *COLUMNS], *usage_rows(found)])
        return
    with Progress("Adding up what was used") as progress:
        total = client.usage(**asked, by=wanted)
        progress.done = "then how full it was"
        full = client.utilisation(**asked, per=per)
        progress.done = "then how long was waited"
        periods = client.usage(**asked, by=["all"], per=per, what="waits")
        gangs = client.usage(**asked, by=["gpus"], what="waits")
        progress.done = "then what was for nothing"
        wasted = client.ledger(total["since"])["wasted"]
    whole: Json = {"total": total, "utilisation": full, "periods": periods, "gangs": gangs, "wasted": wasted}
    if as_json:
        terminal.say_json(whole)
        return
    terminal.say("\n".join(report_lines(whole, width=terminal.width(), mark="…" if terminal.is_utf8() else "~")))


def _utilisation(client: Client, asked: Json, as_csv: bool, parquet: str | None, as_json: bool) -> None:
    if parquet is not None:
        save(parquet, client.utilisation_table(**asked, format="parquet"))
        return
    found = client.utilisation(**asked)
    if as_json:
        terminal.say_json(found)
    elif as_csv:
        _say_csv([[*found["by"], *UTILISATION_COLUMNS], *utilisation_rows(found)])
    else:
        terminal.say("\n".join(utilisation_lines(found, width=terminal.width())[1:]))


def _of_gpus(by: str | None) -> list[str]:
    wanted = [] if by is None else added_up(by)
    if wrong := [word for word in wanted if word not in _OF_GPUS]:
        raise UsageError(f"How full it was is added up by {' and '.join(_OF_GPUS)}, not by {wrong[0]}.")
    return wanted


def _say_csv(rows: list[list[str]]) -> None:
    from gpuq.cli.views.columns import quoted_lines

    terminal.say("\n".join(quoted_lines(rows)))
