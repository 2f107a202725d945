"""Whether a training has gone silent: it is compared with its own pace. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

_MANY = 5  # steps that may be missing
_LEAST_POINTS = 4
_LEAST_S = 180.0  # TensorFlow's writers keep points back for up to two minutes


def silent_since(now: float, running_at: float, wall_times: Sequence[float], longest_s: float) -> float | None:
    """Return since when nothing has come from a training that is silent, None if it is not.

    `wall_times` are those of its newest points, the oldest first, in its present attempt. With too few of them to know
    its pace, `longest_s` without any is silence.
    """
    last = max((running_at, *wall_times))  # points may be older than the training: copied, or of a wrong clock
    gaps = [after - before for before, after in pairwise(wall_times) if after >= before]
    allowed = longest_s if len(wall_times) < _LEAST_POINTS else max(_MANY * median(gaps or [0.0]), _LEAST_S)
    return last if now - last > allowed else None
