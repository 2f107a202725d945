"""What gpuq talks about that a training has written: series, histograms, texts, pictures, checkpoints, distributions.

As with `gpuq.models`: every field is part of the JSON of the API and of `--json`, times are Unix seconds, `None` means
"not known" or "does not apply".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SeriesKind(StrEnum):
    """What the points of a tag are."""

    SCALAR = "scalar"
    HISTOGRAM = "histogram"


SAMPLED = "/gpuq"
"""The run of what gpuq itself has sampled: no folder of event files is called so, since none begins with a stroke."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One tag of one run of one rank. `run` is the folder below the rank's log folder, "." for none."""

    job_id: int
    attempt: int
    rank: int
    run: str
    tag: str
    kind: SeriesKind
    count: int
    first_step: int
    last_step: int
    last_wall_time: float
    last_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a script wrote of a tag at a step; foreign text: clean it before a terminal sees it.

    `is_cut` where it was longer than is kept.
    """

    attempt: int
    rank: int
    run: str
    tag: str
    step: int
    wall_time: float
    text: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that a script wrote: where it stands, and its size; the picture itself stays in its event file.

    `number` tells apart those that a tag has at one step; width and height are pixels, 0 where they are not known.
    """

    id: int
    attempt: int
    rank: int
    run: str
    tag: str
    step: int
    wall_time: float
    number: int
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """An event file by its path below an attempt's events, `rank-0/...`; `size` is how many bytes gpuqd has read."""

    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Where a training began again: the first step that it wrote then."""

    step: float
    wall_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The points of a series, thinned to a width: per column the smallest and largest value.

    All tuples have one entry a column that has points, ordered by `steps`. A column of NaN only has NaN in
    both (null in JSON). `nan_count` counts NaN and infinities over the whole curve, `count` all points; `nans` those of
    each column, empty where there are none. `smoothed` is TensorBoard's average over all points at each column's last
    one, empty where it was not asked for.

    It goes on over the job's attempts. `restarts` are the places where the training went back or began again; what it
    wrote again took the place of `replaced` points that are not in it. `began_at` is the time of its first point.
    """

    series: Series
    steps: tuple[float, ...] = ()
    wall_times: tuple[float, ...] = ()
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    last: tuple[float | None, ...] = ()
    smoothed: tuple[float | None, ...] = ()
    nans: tuple[int, ...] = ()
    count: int = 0
    nan_count: int = 0
    restarts: tuple[Restart, ...] = ()
    replaced: int = 0
    began_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """A distribution at one step as it was written: `counts[i]` numbers lie between `edges[i]` and `edges[i + 1]`."""

    step: int
    wall_time: float
    edges: tuple[float | None, ...]
    counts: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histograms:
    """The distributions of a tag by step, as they were written; evenly picked of those that there are."""

    series: Series
    points: tuple[Buckets, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """The distributions of a tag over its steps, in equally wide bins from `low` to `high` that are the same for all.

    `counts[i][k]` is how many numbers of `steps[i]` lie in bin k, by their share of the buckets that were written: a
    bucket in two bins counts in both, by its width. `low` and `high` are None where there is no number.
    """

    series: Series
    low: float | None = None
    high: float | None = None
    steps: tuple[int, ...] = ()
    wall_times: tuple[float, ...] = ()
    counts: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a scalar of one job stands: its last value, its best one, and its values where the compared ones can be.

    Times are seconds since the job's first point of it. `at_step` and `at_time` are the values at the last step and the
    last second that all compared jobs have reached. `steps_per_s` is over the whole curve. Values are None where they
    are not finite, or there are none.
    """

    job_id: int
    rank: int
    run: str
    count: int
    last: float | None
    last_step: int
    last_s: float
    best: float | None
    best_step: int
    best_s: float
    at_step: float | None
    at_time: float | None
    steps_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One tag of several jobs. `is_less_better` says what its best value is: the smallest, else the largest.

    `step` and `time_s` are where `Standing.at_step` and `at_time` are taken.
    """

    tag: str
    is_less_better: bool
    step: int
    time_s: float
    jobs: tuple[Standing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One whole checkpoint of a job. `name` is its path below the job's checkpoint folder, as TensorFlow or Keras
    takes it.

    `format` is "tensorflow", "keras-weights" (`.weights.h5`) or "keras". `step` is the training's: of a
    variable `step` or `global_step` in it, else the number in its name, or where that only counts saves (`save`) the
    optimizer's iterations; None where nothing tells. `bytes` is what its files take.
    """

    job_id: int
    name: str
    format: str
    step: int | None
    save: int | None
    saved_at: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A variable in a checkpoint: what people call it, its key in the file, its type, shape and bytes."""

    name: str
    key: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointContents:
    """A checkpoint and its variables, in the order of the file."""

    checkpoint: Checkpoint
    weights: tuple[Weights, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How the numbers of a variable are distributed; of `minus` subtracted number by number, if that is not None.

    `mean`, `std` (of the population), `low` and `high` are of the finite numbers, None where there is none. `counts`
    are of equally wide bins from `low` to `high`, each with its lower edge and the last one with both.
    """

    checkpoint: Checkpoint
    minus: Checkpoint | None
    weights: Weights
    count: int
    finite: int
    zeros: int
    nans: int
    infinities: int
    mean: float | None
    std: float | None
    low: float | None
    high: float | None
    counts: tuple[int, ...]
