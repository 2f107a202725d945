"""`gpuq admin report`."""

from __future__ import annotations

import time

from gpuq.chart import ChartOptions
from gpuq.cli import declare, terminal
from gpuq.cli.commands.usage import added_up
from gpuq.cli.saving import save
from gpuq.cli.views.admin_report import by_day, in_all, report_lines
from gpuq.cli.views.usage import COLUMNS, usage_rows
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.progress import Progress
from gpuq.units import parse_past

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json

_HEIGHT, _PIPE_WIDTH = 12, 80


@declare.command("report")
@declare.option("--since", "-S", default="30d", help="From that day on: 7d, 2026-12-01. [30d]")
@declare.option("--until", "-E", help="Up to that day. [now]")
@declare.option(
    "--by", default="account,user", help="Added up by: account,user,partition,gpu_type,qos,gpus. [account,user]"
)
@declare.option("--per", type=declare.Choice(("day", "week", "month")), default="week", help="Waits by these. [week]")
@declare.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII, as where the locale is not UTF-8.")
@declare.option("--csv", "as_csv", is_flag=True, help="Print CSV: a row for each of --by in each period.")
@declare.option("--parquet", metavar="FILE", help="Write that as Parquet; - is stdout.")
@declare.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON object.")
def command(
    since: str,
    until: str | None,
    by: str,
    per: str,
    is_ascii: bool,
    as_csv: bool,
    parquet: str | None,
    as_json: bool,
) -> None:
    """Report how a cluster was used: by whom, how full it was day by day, how long was waited, what was for nothing.

    It is read off the accounting, jobs that are gone included; days are UTC days, weeks begin on Monday. How busy it
    was is counted by the GPUs that are there now.
    """
    if as_csv + as_json + (parquet is not None) > 1:
        raise UsageError("Give one of --csv, --parquet and --json.")
    now = time.time()
    asked: Json = {
        "since": repr(parse_past(since, now=now)),
        "until": None if until is None else repr(parse_past(until, now=now)),
    }
    wanted, client = added_up(by), Client()
    if parquet is not None:
        save(parquet, client.usage_table(**asked, by=wanted, per=per, format="parquet"))
        return
    if as_csv:
        from gpuq.cli.views.columns import quoted_lines

        found = client.usage(**asked, by=wanted, per=per)
        terminal.say("\n".join(quoted_lines([[*found["by"], *COLUMNS], *usage_rows(found)])))
        return
    with Progress("Adding up what was used") as progress:
        daily = client.usage(**asked, by=wanted, per="day", what="use")
        progress.done = "then how long was waited"
        total = in_all(daily, client.usage(**asked, by=wanted, what="waits"))
        days = by_day(daily)
        periods = client.usage(**asked, by=["all"], per=per, what="waits")
        progress.done = "then what was for nothing"
        ledger = client.ledger(total["since"])
    gpus = sum(node["gpus"] for node in client.cluster()["nodes"] if node["is_up"])
    if as_json:
        wasted = ledger["wasted"]
        terminal.say_json({"gpus": gpus, "total": total, "days": days, "periods": periods, "wasted": wasted})
        return
    options = ChartOptions(
        width=terminal.size()[0] if terminal.is_terminal() else _PIPE_WIDTH,
        height=_HEIGHT,
        is_ascii=is_ascii or not terminal.is_utf8(),
        color=terminal.has_color(),
    )
    width = terminal.width()
    lines = report_lines(total, days, periods, ledger, gpus=gpus, options=options, width=width, now=now)
    terminal.say("\n".join(lines))
