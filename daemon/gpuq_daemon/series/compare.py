"""Scalars of several jobs side by side: where each stands, and where they can be compared.

numpy is imported on first use, as in `thin`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from gpuq.summaries import Compared, Series, Standing

if TYPE_CHECKING:
    from gpuq_daemon.series.smooth import Floats
    from gpuq_daemon.series.thin import Columns

_LESS_IS_BETTER = re.compile(
    r"loss|err|perplexity|(?:^|[^a-z])(?:mse|mae|rmse|mape|nll|kl|ppl|wer|cer|fid)(?:[^a-z]|$)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One job's scalar, its points in the order written and without those that were replaced; there is at least one."""

    series: Series
    points: Columns


def compare(tag: str, entries: Sequence[Entry]) -> Compared:
    """Return where the jobs stand: at the end, at best, and at the last step and time that all have reached."""
    spans = [_seconds(entry.points) for entry in entries]
    step = min(int(entry.points.steps.max()) for entry in entries)
    time_s = min(float(span.max()) for span in spans)
    is_less_better = is_less_better_of(tag)
    return Compared(
        tag=tag,
        is_less_better=is_less_better,
        step=step,
        time_s=time_s,
        jobs=tuple(
            _standing(entry, span, step, time_s, is_less_better) for entry, span in zip(entries, spans, strict=True)
        ),
    )


def is_less_better_of(tag: str) -> bool:
    """Whether a tag's smallest value is its best, by its name: losses and errors."""
    return _LESS_IS_BETTER.search(tag.lower()) is not None


def _standing(entry: Entry, span: Floats, step: int, time_s: float, is_less_better: bool) -> Standing:
    import numpy as np

    points = entry.points
    order = np.where(np.isfinite(points.values), points.values, np.inf if is_less_better else -np.inf)
    best = int(order.argmin() if is_less_better else order.argmax())
    last = len(points.values) - 1
    took_s = float(span[last])
    steps = float(points.steps[last] - points.steps[0])
    return Standing(
        job_id=entry.series.job_id,
        rank=entry.series.rank,
        run=entry.series.run,
        count=len(points.values),
        last=_number(points.values[last]),
        last_step=int(points.steps[last]),
        last_s=took_s,
        best=_number(points.values[best]),
        best_step=int(points.steps[best]),
        best_s=float(span[best]),
        at_step=_value_at(points.steps, points.values, step),
        at_time=_value_at(span, points.values, time_s),
        steps_per_s=steps / took_s if took_s > 0 else None,
    )


def _seconds(points: Columns) -> Floats:
    """Return the time of each point since the first, never less than that of the one before."""
    import numpy as np

    return np.maximum.accumulate(points.wall_times - points.wall_times[0])


def _value_at(along: Floats, values: Floats, place: float) -> float | None:
    """Return the last value not after `place`; along never falls. None where there is none, or no number."""
    import numpy as np

    index = int(np.searchsorted(along, place, side="right")) - 1
    return _number(values[index]) if index >= 0 else None


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None
