"""The chart of one curve, and which series can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gpuq import chart
from gpuq.models import Curve, Job, Series, SeriesKind
from gpuq.units import moment, number
from gpuq_tui.foreign import cleaned_text
from gpuq_tui.lines.line import Line, Look, Tone, fit, line

SMOOTH_STEPS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How curves are drawn: `smooth` is the weight of the past, one of `SMOOTH_STEPS`; `x` is "step" or "wall"."""

    smooth: float = 0.0
    is_log_y: bool = False
    x: str = "step"

    def smoother(self, by: int) -> Scale:
        """Return the scale `by` steps smoother, as far as there are steps; 0 goes back to none."""
        index = 0 if by == 0 else SMOOTH_STEPS.index(self.smooth) + by
        return replace(self, smooth=SMOOTH_STEPS[max(0, min(len(SMOOTH_STEPS) - 1, index))])

    def with_log_y_flipped(self) -> Scale:
        """Return the scale with the other kind of y axis."""
        return replace(self, is_log_y=not self.is_log_y)

    def with_x_flipped(self) -> Scale:
        """Return the scale with the other kind of x axis."""
        return replace(self, x="wall" if self.x == "step" else "step")

    def told(self) -> str:
        """Return how it differs from curves as they are."""
        smooth = f" smooth {self.smooth:g} " if self.smooth else ""
        return smooth + (" log y " if self.is_log_y else "") + (" by time " if self.x == "wall" else "")


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


def label(series: Series, look: Look) -> str:
    """Return a series in words: its tag, and its run where it has one."""
    return cleaned_text(series.tag if series.run == "." else f"{series.run}/{series.tag}", look)


def chart_lines(
    curves: Sequence[Curve], missing: str, scale: Scale, *, width: int, height: int, look: Look, at: int | None = None
) -> list[Line]:
    """Return the chart with a line of numbers for each curve below it, or `missing` where there is no curve.

    `at` is the column of points that the cursor is on, from the first; its values stand below then.
    """
    most = max(1, height // 4)
    if not curves or width < 24 or height < 6 + min(len(curves), most):
        text = missing if not curves else "too little room for a chart"
        return [line(fit(text, width, look), Tone.DIM)]
    below = min(len(curves), most)
    options = chart.ChartOptions(
        width=width,
        height=height - below,
        is_ascii=look.is_ascii,
        log_y=scale.is_log_y,
        smooth=scale.smooth,
        x=scale.x,
    )
    rows = chart.draw(curves, options).split("\n")[: height - below]
    names = [cleaned_text(name, look) for name in chart.labels(curves)]
    if at is None:
        told = [
            chart.legend(curve, name, i, options, among=len(curves))
            for i, (curve, name) in enumerate(zip(curves, names, strict=True))
        ]
    else:
        told = [f"{name}: {value_at(curve, at)}" for curve, name in zip(curves, names, strict=True)]
    return [*(line(row) for row in rows), *(line(fit(text, width, look), Tone.DIM) for text in told[:below])]


def value_at(curve: Curve, at: int) -> str:
    """Return what a curve is at its column `at`, counted from the last at the end: step, time, value and spread."""
    if not curve.steps:
        return "no points"
    i = max(0, min(at, len(curve.steps) - 1))
    value, low, high = curve.last[i], curve.low[i], curve.high[i]
    spread = "" if low == high or low is None else f" ({number(low)} to {number(high)})"
    told = "NaN" if value is None else number(value)
    return f"step {curve.steps[i]:.0f}, {moment(curve.wall_times[i])}: {told}{spread}"
