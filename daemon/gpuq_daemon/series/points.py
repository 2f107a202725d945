"""The points that training writes, and a batch of them on its way from event files to the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gpuq.summaries import SeriesKind
from gpuq_daemon.series.notes import Note

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A plain tuple, not a class: there are millions of them, and a tuple is five times quicker to make.
ScalarPoint: TypeAlias = tuple[int, float, float]
"""`(step, wall_time, value)`; wall time in Unix seconds and finite, the value may be NaN or infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarColumns:
    """Many points as three arrays of one length, in the order written."""

    steps: NDArray[np.int64]
    wall_times: NDArray[np.float64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)


class ScalarPoints:
    """The points of a scalar in the order written: single ones as tuples, those read in bulk as columns."""

    __slots__ = ("_parts",)

    def __init__(self, points: Iterable[ScalarPoint] = ()) -> None:
        rows = list(points)
        self._parts: list[list[ScalarPoint] | ScalarColumns] = [rows] if rows else []

    def append(self, point: ScalarPoint) -> None:
        """Add one point."""
        last = self._parts[-1] if self._parts else None
        if isinstance(last, list):
            last.append(point)
        else:
            self._parts.append([point])

    def add(self, columns: ScalarColumns) -> None:
        """Add many points."""
        self._parts.append(columns)

    def extend(self, more: ScalarPoints) -> None:
        """Add another's points, which becomes part of this one."""
        self._parts += more._parts

    def __iter__(self) -> Iterator[ScalarPoint]:
        for part in self._parts:
            if isinstance(part, list):
                yield from part
            else:
                columns = (part.steps.tolist(), part.wall_times.tolist(), part.values.tolist())
                yield from zip(*columns, strict=True)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScalarPoints) and list(self) == list(other)

    __hash__ = None  # pyright: ignore[reportAssignmentType] - it changes, so it is no key

    def __repr__(self) -> str:
        return f"ScalarPoints({list(self)!r})"

    @property
    def last(self) -> ScalarPoint:
        """The one written last; there must be one."""
        part = self._parts[-1]
        if isinstance(part, list):
            return part[-1]
        return int(part.steps[-1]), float(part.wall_times[-1]), float(part.values[-1])

    def newest(self, count: int) -> list[ScalarPoint]:
        """Return the last `count` points, or all there are."""
        found: list[ScalarPoint] = []
        for part in reversed(self._parts):
            if len(found) >= count:
                break
            wanted = count - len(found)
            if isinstance(part, list):
                found = part[-wanted:] + found
            else:
                columns = (one[-wanted:].tolist() for one in (part.steps, part.wall_times, part.values))
                found = [*zip(*columns, strict=True), *found]
        return found

    @property
    def has_columns(self) -> bool:
        """Whether some were read in bulk, so that numpy is loaded."""
        return any(isinstance(part, ScalarColumns) for part in self._parts)

    def columns(self) -> ScalarColumns:
        """Return all of them as columns."""
        import numpy as np

        parts = [_as_columns(part) if isinstance(part, list) else part for part in self._parts]
        return ScalarColumns(
            steps=np.concatenate([part.steps for part in parts]),
            wall_times=np.concatenate([part.wall_times for part in parts]),
            values=np.concatenate([part.values for part in parts]),
        )


def _as_columns(points: list[ScalarPoint]) -> ScalarColumns:
    import numpy as np

    steps, wall_times, values = zip(*points, strict=True)
    return ScalarColumns(
        steps=np.array(steps, np.int64),
        wall_times=np.array(wall_times, np.float64),
        values=np.array(values, np.float64),
    )


class HistogramPoint(NamedTuple):
    """A distribution at one step: `counts[i]` values lie between `edges[i]` and `edges[i + 1]`.

    There is one edge more than counts; both are empty for a distribution of nothing.
    """

    step: int
    wall_time: float
    edges: Sequence[float]
    counts: Sequence[float]


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

    Points are in the order read, notes by rank and run too. `before` has the position of each file of `positions` that
    had one.
    """

    job_id: int
    attempt: int
    scalars: Mapping[SeriesKey, ScalarPoints] = field(default_factory=dict[SeriesKey, ScalarPoints])
    histograms: Mapping[SeriesKey, list[HistogramPoint]] = field(default_factory=dict[SeriesKey, list[HistogramPoint]])
    notes: Mapping[tuple[int, str], list[Note]] = field(default_factory=dict[tuple[int, str], list[Note]])
    before: Mapping[str, FilePosition] = field(default_factory=dict[str, FilePosition])
    positions: tuple[FilePosition, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has changed, so that there is nothing to store."""
        return not self.positions
