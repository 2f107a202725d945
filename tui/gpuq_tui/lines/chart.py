"""The chart of one curve, and which series can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpuq import chart
from gpuq.models import Curve, Job, Series, SeriesKind
from gpuq_tui.foreign import cleaned_text
from gpuq_tui.lines.line import Line, Look, Tone, fit, line

SMOOTH_STEPS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How a curve is drawn: `smooth` is the weight of the past, one of `SMOOTH_STEPS`."""

    smooth: float = 0.0
    is_log_y: bool = False

    def smoother(self, by: int) -> Scale:
        """Return the scale `by` steps smoother, as far as there are steps; 0 goes back to none."""
        index = 0 if by == 0 else SMOOTH_STEPS.index(self.smooth) + by
        return Scale(smooth=SMOOTH_STEPS[max(0, min(len(SMOOTH_STEPS) - 1, index))], is_log_y=self.is_log_y)

    def with_log_y_flipped(self) -> Scale:
        """Return the scale with the other kind of y axis."""
        return Scale(smooth=self.smooth, is_log_y=not self.is_log_y)


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


def label(series: Series, look: Look) -> str:
    """Return a series in words: its tag, and its run where it has one."""
    return cleaned_text(series.tag if series.run == "." else f"{series.run}/{series.tag}", look)


def chart_lines(curve: Curve | None, missing: str, scale: Scale, *, width: int, height: int, look: Look) -> list[Line]:
    """Return the chart with a line of numbers below it, or `missing` where there is no curve."""
    if curve is None or width < 24 or height < 7:
        text = missing if curve is None else "too little room for a chart"
        return [line(fit(text, width, look), Tone.DIM)]
    options = chart.ChartOptions(
        width=width, height=height - 1, is_ascii=look.is_ascii, log_y=scale.is_log_y, smooth=scale.smooth
    )
    numbers = chart.legend(curve, label(curve.series, look), 0, options)
    rows = chart.draw([curve], options).split("\n")[: height - 1]
    return [*(line(row) for row in rows), line(fit(numbers, width, look), Tone.DIM)]
