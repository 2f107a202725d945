"""The chart of one curve, and which series can be drawn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from gpuq import chart
from gpuq.models import Job
from gpuq.scale import along, start_of
from gpuq.summaries import SAMPLED, Curve, Series, SeriesKind
from gpuq.units import moment, number
from gpuq_tui.foreign import cleaned_text
from gpuq_tui.lines.coloured import coloured
from gpuq_tui.lines.line import Line, Look, Tone, fit, line, wrap
from gpuq_tui.lines.scale import Scale


def chartable(series: Sequence[Series]) -> tuple[Series, ...]:
    """Return one scalar series for each tag and run, in their order: the newest attempt's, of its first rank."""
    best: dict[tuple[str, str], Series] = {}
    for one in series:
        if one.kind is not SeriesKind.SCALAR:
            continue
        known = best.get((one.tag, one.run))
        if known is None or (-one.attempt, one.rank) < (-known.attempt, known.rank):
            best[one.tag, one.run] = one
    return tuple(best[key] for key in sorted(best))


def first_shown(series: Sequence[Series], job: Job) -> Series | None:
    """Return the series to begin with: the one that stands for the job, else a loss, else the first."""
    stands = job.progress.tag if job.progress else ""
    by_rank = sorted(series, key=lambda s: (s.tag != stands, "loss" not in s.tag.casefold()))
    return by_rank[0] if by_rank else None


def tag_order(key: tuple[str, str]) -> tuple[bool, bool, tuple[str, str]]:
    """Return what sorts tags with their runs: losses first, then accuracies, then by name."""
    tag = key[0].casefold()
    return "loss" not in tag, "acc" not in tag, key


_SAMPLED = {
    "cpu/util": "CPU used, % of one core",
    "cpu/memory_mib": "memory used, MiB",
    "gpu/util": "GPU used, %",
    "gpu/memory_mib": "GPU memory used, MiB",
    "gpu/power_w": "GPU power, W",
    "gpu/temperature_c": "GPU temperature, C",
    "step/seconds": "time of a step, s",
    "step/own_seconds": "its own time of a step, s",
}
"""What gpuqd itself samples, in words."""


def label(tag: str, run: str | None, look: Look) -> str:
    """Return a series in words: its tag, and its run where it has one."""
    if run == SAMPLED:
        return cleaned_text(_SAMPLED.get(tag, f"{tag}, sampled by gpuq"), look)
    return cleaned_text(tag if run in (None, "", ".") else f"{run}/{tag}", look)


def chart_lines(
    curves: Sequence[Curve], missing: str, scale: Scale, *, width: int, height: int, look: Look, at: float | None = None
) -> list[Line]:
    """Return the chart with a line of numbers for each curve below it, or `missing` where there is no curve.

    `at` is the place along x that the cursor is on; the values there stand below then.
    """
    most = max(1, height // 4)
    if not curves:
        return [line(part, Tone.DIM) for part in wrap(missing, width)]
    if width < 24 or height < 6 + min(len(curves), most):
        return [line(fit("too little room for a chart", width, look), Tone.DIM)]
    below = min(len(curves), most)
    options = chart.ChartOptions(
        width=width,
        height=height - below,
        is_ascii=look.is_ascii,
        log_y=scale.is_log_y,
        log_x=scale.is_log_x,
        smooth=scale.smooth,
        x=scale.x,
        color=look.has_colour and len(curves) > 1,
        cursor=at,
    )
    rows = chart.draw(curves, options).split("\n")[: height - below]
    names = [cleaned_text(name, look) for name in chart.labels(curves)]
    told = [
        chart.legend(curve, name, i, options, among=len(curves))
        if at is None
        else f"{chart.sample(i, options, among=len(curves))}{name}: {value_at(curve, at, curves, scale)}"
        for i, (curve, name) in enumerate(zip(curves, names, strict=True))
    ]
    if not options.color:  # a width is told from a text without colours alone
        told = [fit(text, width, look) for text in told]
    return [*map(coloured, rows), *(coloured(text, Tone.DIM) for text in told[:below])]


def places(curves: Sequence[Curve], scale: Scale) -> list[float]:
    """Return the places of all points along x, each once, in their order."""
    found = {x for curve in curves for x in _along(curve, curves, scale)}
    return sorted(found)


def value_at(curve: Curve, at: float, curves: Sequence[Curve], scale: Scale) -> str:
    """Return what a curve is at place `at` of x, or at its last point before: value, spread, step and time."""
    along = _along(curve, curves, scale)
    i = bisect_right(along, at) - 1
    if i < 0:
        return "no points yet" if along else "no points here"
    value, low, high = curve.last[i], curve.low[i], curve.high[i]
    spread = "" if low == high or low is None else f" ({number(low)} to {number(high)})"
    told = "NaN" if value is None else number(value)
    smooth = curve.smoothed[i] if curve.smoothed and scale.smooth else None
    average = "" if smooth is None else f", smoothed {number(smooth)}"
    return f"{told}{spread}{average} at step {curve.steps[i]:.0f}, {moment(curve.wall_times[i])}"


def _along(curve: Curve, curves: Sequence[Curve], scale: Scale) -> tuple[float, ...]:
    return along(scale.x, curve.wall_times, curve.steps, start_of(curve, curves, scale.x))
