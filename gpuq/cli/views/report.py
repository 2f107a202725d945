"""A report of a job as text."""

from __future__ import annotations

from gpuq.cli.views.checkpoint import checkpoint_lines, distribution_lines
from gpuq.cli.views.compare import compared_lines
from gpuq.cli.views.job import job_lines
from gpuq.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.cli.reporting import Report


def report_lines(report: Report, chart: str, now: float, *, width: int, is_ascii: bool) -> list[str]:
    """Return all sections; `chart` is the curve that stands for the job, drawn."""
    mark = "~" if is_ascii else "…"
    lines = _section("Job", job_lines(report.job, now, width=width, mark=mark))
    lines += _section("Curves", chart.split("\n") if chart else ["None yet."])
    for one in report.scalars:
        lines += ["", *compared_lines(one, width=width, mark=mark)]
    if report.histograms:
        named = [f"gpuq histogram {report.job['id']} {clean(tag)}" for tag in report.histograms]
        lines += _section("Distributions", named)
    lines += _section("Checkpoints", checkpoint_lines(report.checkpoints[-10:]))
    if report.damage:
        lines += ["", clean(report.damage)]
    for one in report.weights[:4]:
        lines += ["", *distribution_lines(one, width, is_ascii)]
    lines += _section(
        f"The end of rank {report.log_rank}'s log", [clean(one, keep="\t") for one in report.log] or ["-"]
    )
    return lines[1:]


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"== {title} ==", "", *lines]
