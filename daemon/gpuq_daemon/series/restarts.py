"""A training that goes back to an earlier step: what it writes again takes the place of what it wrote before.

numpy is imported on first use, as in `thin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpuq_daemon.series.thin import Columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The points that stand, in the order written; their steps never fall.

    `restarts` are places among them at which the training began again, `replaced` counts the points that do not stand.
    """

    points: Columns
    restarts: tuple[int, ...] = ()
    replaced: int = 0


def course(parts: Sequence[Columns]) -> Course:
    """Return what stands of the points of a job's attempts, given in their order; there must be one.

    Each attempt is a restart, and so is a step that is smaller than the one written before it. It takes the place of
    all points written before it from its step on, as in TensorBoard; the store keeps those.

    Source: TensorBoard, backend/event_processing/event_accumulator.py, `_Purge`.
    """
    import numpy as np

    points = parts[0] if len(parts) == 1 else _together(parts)
    count, steps = len(points.steps), points.steps
    begins = np.cumsum([len(part.steps) for part in parts[:-1]], dtype=np.int64)
    begins = begins[(begins > 0) & (begins < count)]
    back = np.flatnonzero(steps[1:] < steps[:-1]) + 1
    begins = np.union1d(back, begins) if len(begins) else back
    if not len(begins):
        return Course(points=points)
    lowest_later = np.full(count, np.inf)
    lowest_later[begins - 1] = steps[begins]
    lowest_later = np.minimum.accumulate(lowest_later[::-1])[::-1]
    stands = steps < lowest_later
    places = (np.cumsum(stands) - 1)[begins[stands[begins]]]
    return Course(
        points=_picked(points, stands),
        restarts=tuple(int(place) for place in places if place > 0),
        replaced=int(count - np.count_nonzero(stands)),
    )


def _together(parts: Sequence[Columns]) -> Columns:
    import numpy as np

    return Columns(
        steps=np.concatenate([part.steps for part in parts]),
        wall_times=np.concatenate([part.wall_times for part in parts]),
        values=np.concatenate([part.values for part in parts]),
    )


def _picked(points: Columns, which: NDArray[np.bool_]) -> Columns:
    return Columns(steps=points.steps[which], wall_times=points.wall_times[which], values=points.values[which])
