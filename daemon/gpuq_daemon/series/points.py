"""The points that training writes, and a batch of them on its way from event files to the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gpuq.models import SeriesKind

# A plain tuple, not a class: there are millions of them, and a tuple is five times quicker to make.
ScalarPoint: TypeAlias = tuple[int, float, float]
"""`(step, wall_time, value)`; wall time in Unix seconds and finite, the value may be NaN or infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramPoint:
    """A distribution at one step: `counts[i]` values lie between `edges[i]` and `edges[i + 1]`.

    There is one edge more than counts; both are empty for a distribution of nothing.
    """

    step: int
    wall_time: float
    edges: tuple[float, ...]
    counts: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKey:
    """Which series of an attempt: `run` is the folder below the rank's log folder, "." for none."""

    rank: int
    run: str
    tag: str
    kind: SeriesKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePosition:
    """How far an event file was read.

    All records before `offset` are read; `identity` says which file it was, whatever its path is now.
    `skipped` counts records that were given up because their bytes or their content are damaged,
    `oversized` those passed over unread. `is_held` says that nothing readable starts at `offset`.
    """

    path: str
    identity: str
    offset: int
    skipped: int = 0
    oversized: int = 0
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """New points of one attempt, and the file positions before and after them.

    Points are in the order read. `before` has the position of each file of `positions` that had one.
    """

    job_id: int
    attempt: int
    scalars: Mapping[SeriesKey, list[ScalarPoint]] = field(default_factory=dict[SeriesKey, list[ScalarPoint]])
    histograms: Mapping[SeriesKey, list[HistogramPoint]] = field(default_factory=dict[SeriesKey, list[HistogramPoint]])
    before: Mapping[str, FilePosition] = field(default_factory=dict[str, FilePosition])
    positions: tuple[FilePosition, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has changed, so that there is nothing to store."""
        return not self.positions
