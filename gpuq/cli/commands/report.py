"""`gpuq report`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.cli.reporting import Report
from gpuq.client import Client

_PIPE_WIDTH = 80
_MOST_PICTURES = 16


@declare.command("report")
@declare.argument("job_id", metavar="ID")
@declare.option("--html", metavar="FILE", help="Write it as one HTML page that needs nothing from elsewhere.")
@declare.option("--width", type=declare.IntRange(40, 1000), help="Columns. [the terminal's]")
@declare.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII, as where the locale is not UTF-8.")
def command(job_id: str, html: str | None, width: int | None, is_ascii: bool) -> None:
    """Tell all about job ID: what it asked for, its times, curves, weights, GPU-hours and the end of its log."""
    client = Client()
    report = Report(client, number_of(client, job_id))
    if html is not None:
        _write_page(report, html)
        return
    from gpuq.cli.views.report import report_lines

    is_ascii = is_ascii or not terminal.is_utf8()
    columns = width or (terminal.size()[0] if terminal.is_terminal() else _PIPE_WIDTH)
    chart = ""
    if report.scalars:
        from gpuq.chart import ChartOptions
        from gpuq.cli.plotting import Plot

        options = ChartOptions(width=columns, height=16, is_ascii=is_ascii, color=terminal.has_color())
        plot = Plot(client, [report.job["id"]], [report.scalars[0]["tag"]], options)
        chart = plot.text(plot.ask())
    terminal.say("\n".join(report_lines(report, chart, time.time(), width=columns, is_ascii=is_ascii)))


def _write_page(report: Report, path: str) -> None:
    from gpuq.cli.saving import save
    from gpuq.cli.views.report_html import page
    from gpuq.progress import Progress
    from gpuq.units import plural

    client, number = report.client, report.job["id"]
    tags = [one["tag"] for one in report.scalars[:_MOST_PICTURES]]
    with Progress(f"Drawing {plural(len(tags) + len(report.histograms), 'picture')}"):
        # no smoothing: a report shows what was measured
        pictures = [client.picture([number], [tag], format="svg", height=280).decode() for tag in tags]
        heat = [client.heat_picture(number, tag, format="svg", height=240).decode() for tag in report.histograms]
    save(path, [page(report, pictures, heat, time.time()).encode("utf-8", "replace")])
