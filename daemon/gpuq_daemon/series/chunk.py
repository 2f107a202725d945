"""How points are packed into blobs: little-endian columns, so that a reader can take one without the others.

A chunk of n scalar points is i64 steps[n], f64 wall times[n], values[n]. Values are f32, 20 bytes a point,
unless that would change one of them (a double, a large integer): then all values of the chunk are f64, 24
bytes a point. The length of the blob tells which. NaN and infinities are values like others.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gpuq_daemon.series.points import HistogramPoint, ScalarColumns, ScalarPoint

POINTS_PER_CHUNK = 4096
_AT_BYTES = 16
_HISTOGRAM = struct.Struct("<qdI")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the columns of a blob start, in bytes, and the `struct` code of its values."""

    steps: int
    wall_times: int
    values: int
    value_code: Literal["f", "d"]


def pack(points: Sequence[ScalarPoint]) -> bytes:
    """Return the blob of `points`, in their order.

    Raises:
        OverflowError: a step is not a 64-bit integer.
    """
    if not points:
        return b""
    steps, wall_times, values = zip(*points, strict=True)
    exact = array("d", values)
    short = array("f", values)
    column = short if array("d", short).tobytes() == exact.tobytes() else exact
    return b"".join(_bytes(a) for a in (array("q", steps), array("d", wall_times), column))


def pack_columns(points: ScalarColumns) -> list[tuple[int, bytes]]:
    """Return the blobs of many points, `POINTS_PER_CHUNK` each and the rest, with their counts."""
    return [
        (len(points.steps[start : start + POINTS_PER_CHUNK]), _packed(points, start, start + POINTS_PER_CHUNK))
        for start in range(0, len(points), POINTS_PER_CHUNK)
    ]


def _packed(points: ScalarColumns, start: int, end: int) -> bytes:
    import numpy as np

    exact = points.values[start:end].astype("<f8")
    with np.errstate(over="ignore"):
        short = exact.astype("<f4")
    column = short if short.astype("<f8").tobytes() == exact.tobytes() else exact
    parts = (points.steps[start:end].astype("<i8"), points.wall_times[start:end].astype("<f8"), column)
    return b"".join(part.tobytes() for part in parts)


def unpack(blob: bytes, count: int) -> list[ScalarPoint]:
    """Return the `count` points of a chunk in their order.

    Raises:
        ValueError: the blob is not that of `count` points.
    """
    form = layout(blob, count)
    columns = (
        struct.unpack_from(f"<{count}q", blob, form.steps),
        struct.unpack_from(f"<{count}d", blob, form.wall_times),
        struct.unpack_from(f"<{count}{form.value_code}", blob, form.values),
    )
    return list(zip(*columns, strict=True))


def value_at(blob: bytes, count: int, index: int) -> float:
    """Return the value of point `index` of a chunk of `count` points.

    Raises:
        ValueError: the blob is not that of `count` points.
    """
    form = layout(blob, count)
    width = struct.calcsize(form.value_code)
    value: float = struct.unpack_from("<" + form.value_code, blob, form.values + index * width)[0]
    return value


def layout(blob: bytes, count: int) -> Layout:
    """Return how a blob of `count` points is laid out.

    Raises:
        ValueError: the blob is not that of `count` points.
    """
    codes: dict[int, Literal["f", "d"]] = {(_AT_BYTES + 4) * count: "f", (_AT_BYTES + 8) * count: "d"}
    if len(blob) not in codes:
        raise ValueError(f"a blob of {len(blob)} bytes is no chunk of {count} points")
    return Layout(steps=0, wall_times=8 * count, values=_AT_BYTES * count, value_code=codes[len(blob)])


def pack_histogram(point: HistogramPoint) -> bytes:
    """Return the blob of a distribution: i64 step, f64 wall time, u32 n, f64 edges[n + 1], f64 counts[n]."""
    n = len(point.counts)
    numbers = array("d", point.edges) + array("d", point.counts)
    return _HISTOGRAM.pack(point.step, point.wall_time, n) + _bytes(numbers)


def unpack_histogram(blob: bytes) -> HistogramPoint:
    """Return the distribution of a blob.

    Raises:
        ValueError: the blob is not one of `pack_histogram`.
    """
    if len(blob) < _HISTOGRAM.size:
        raise ValueError(f"a blob of {len(blob)} bytes is no histogram")
    step, wall_time, n = _HISTOGRAM.unpack_from(blob)
    if len(blob) != _HISTOGRAM.size + 8 * (2 * n + 1 if n else 0):
        raise ValueError(f"a blob of {len(blob)} bytes is no histogram of {n} buckets")
    edges = struct.unpack_from(f"<{n + 1 if n else 0}d", blob, _HISTOGRAM.size)
    counts = struct.unpack_from(f"<{n}d", blob, len(blob) - 8 * n)
    return HistogramPoint(step=step, wall_time=wall_time, edges=edges, counts=counts)


def _bytes(numbers: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
