"""Distributions out of event files: TF2's tensors of buckets and TF1's HistogramProto."""

from __future__ import annotations

import sys
from array import array
from math import isfinite
from typing import Literal, TypeAlias

from gpuq_daemon.eventfile.protowire import FIXED64, MalformedError, fields, numbers

Buckets: TypeAlias = "tuple[array[float], array[float]]"
"""Edges and counts, one edge more than counts (both empty for no buckets)."""


def from_bytes(data: bytes, code: Literal["f", "d"]) -> Buckets:
    """Return the buckets of a tensor of shape [k, 3] whose numbers, little-endian, are `data`."""
    values = array(code, data)
    if sys.byteorder == "big":
        values.byteswap()
    return from_rows(values if code == "d" else array("d", values))


def from_rows(values: array[float]) -> Buckets:
    """Return the buckets of a tensor of shape [k, 3]: left edge, right edge, count, row by row.

    Where two neighbours do not touch, an empty bucket fills the gap.

    Source: TensorBoard, plugins/histogram/summary_v2.py.
    """
    if not values:
        return array("d"), array("d")
    edges, rights = values[:1], values[1::3]
    if values[3::3].tobytes() == rights[:-1].tobytes():  # as TensorFlow writes them
        return edges + rights, values[2::3]
    counts = array("d")
    for left, right, count in zip(values[0::3], rights, values[2::3], strict=True):
        if left > edges[-1]:
            edges.append(left)
            counts.append(0.0)
        edges.append(right)
        counts.append(count)
    return edges, counts


def from_proto(data: bytes, start: int, end: int) -> Buckets:
    """Return the buckets of a HistogramProto; every count is kept, no edge lies outside the data's range.

    The outermost limits in the file are +-1.8e308 and say nothing; the data's smallest and largest value take
    their place, as in TensorBoard. Empty buckets beyond them get no width.

    Raises:
        MalformedError: limits and counts do not match, or the message is damaged.

    Source: TensorFlow, tensorflow/core/framework/summary.proto; TensorBoard, data_compat.py.
    """
    ends = {1: 0.0, 2: 0.0}
    lists: dict[int, list[float]] = {6: [], 7: []}
    for field in fields(data, start, end):
        if field[0] in ends and field[1] == FIXED64:
            (ends[field[0]],) = numbers(data, field, "d")
        elif field[0] in lists:
            lists[field[0]] += numbers(data, field, "d")
    low, high, limits, counts = ends[1], ends[2], lists[6], lists[7]
    if len(limits) != len(counts):
        raise MalformedError(f"a histogram has {len(limits)} limits for {len(counts)} counts")
    if not counts:
        return array("d"), array("d")
    inner = limits[:-1]
    if isfinite(low) and isfinite(high) and low <= high:
        return array("d", [low, *(min(max(limit, low), high) for limit in inner), high]), array("d", counts)
    return array("d", [limits[0], *limits]), array("d", counts)
