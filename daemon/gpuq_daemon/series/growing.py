"""Points of series that were asked for lately, kept unpacked: asked for again, only what is new is read.

numpy is imported on first use, as in `thin`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from gpuq_daemon.series.thin import Columns

if TYPE_CHECKING:
    from gpuq_daemon.series.smooth import Floats

MOST_POINTS = 2_000_000
"""So many points are kept of all series together, 24 bytes each, and half as much again for what comes."""


class Growing:
    """The points of a series in the order written. What was given out once never changes: points have their numbers."""

    __slots__ = ("_steps", "_values", "_wall_times", "count")

    def __init__(self) -> None:
        import numpy as np

        self.count = 0
        self._steps: Floats = np.empty(0)
        self._wall_times: Floats = np.empty(0)
        self._values: Floats = np.empty(0)

    def append(self, more: Columns) -> None:
        """Add points behind those that are there; the first ones become part of this."""
        if not self.count:
            self._steps, self._wall_times, self._values = more.steps, more.wall_times, more.values
            self.count = len(more.steps)
            return
        end = self.count + len(more.steps)
        if end > len(self._steps):
            room = end + end // 2
            self._steps, self._wall_times, self._values = (
                self._moved(one, room) for one in (self._steps, self._wall_times, self._values)
            )
        self._steps[self.count : end] = more.steps
        self._wall_times[self.count : end] = more.wall_times
        self._values[self.count : end] = more.values
        self.count = end

    def columns(self) -> Columns:
        """Return all of them."""
        end = self.count
        return Columns(steps=self._steps[:end], wall_times=self._wall_times[:end], values=self._values[:end])

    def _moved(self, old: Floats, room: int) -> Floats:
        import numpy as np

        new: Floats = np.empty(room)
        new[: self.count] = old[: self.count]
        return new


class Kept:
    """Series by job and number, those asked for last; for one thread at a time."""

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._most = most
        self._series: OrderedDict[tuple[int, int], Growing] = OrderedDict()

    def get(self, series: tuple[int, int]) -> Growing:
        """Return what is kept of a series, which may be nothing."""
        if series not in self._series:
            self._series[series] = Growing()
        self._series.move_to_end(series)
        return self._series[series]

    def trim(self) -> None:
        """Give up what was not asked for longest, until little enough is kept."""
        total = sum(one.count for one in self._series.values())
        while total > self._most:
            total -= self._series.popitem(last=False)[1].count

    def clear(self) -> None:
        """Keep nothing: points have been removed."""
        self._series.clear()
