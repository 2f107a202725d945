"""`gpuq admin eta-report`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.views.table import table
from gpuq.client_admin import AdminClient
from gpuq.units import duration, parse_past


@declare.command("eta-report")
@declare.option("--since", default="7d", show_default=True, help="Estimates made since then: 2d, 2026-12-01.")
@declare.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def command(since: str, as_json: bool) -> None:
    """Show how often estimated starts were kept, by quantile.

    \b
    P50, P90: how many jobs started by the middle and by the late estimate;
        50 % and 90 % are right.
    OFF BY: how far off the middle one was, the median.
    ERROR: the same as a part of the wait that was left, told or come,
        whichever was longer.
    """
    report = AdminClient().eta_report(parse_past(since, now=time.time()))
    if as_json:
        terminal.say_json(report)
        return
    rows = [
        (
            row["which"],
            str(row["promises"]),
            *(_part(row[name]) for name in ("p50_kept", "p90_kept")),
            "-" if row["median_off_s"] is None else duration(row["median_off_s"]),
            _part(row["median_error"]),
        )
        for row in report["rows"]
    ]
    if not report["rows"][0]["promises"]:
        terminal.say("No estimate of that time can be judged yet.")
        return
    right = frozenset({"ESTIMATES", "P50 KEPT", "P90 KEPT", "OFF BY", "ERROR"})
    header = ("WHICH", "ESTIMATES", "P50 KEPT", "P90 KEPT", "OFF BY", "ERROR")
    terminal.say("\n".join(table(header, rows, right=right, width=terminal.width())))


def _part(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
