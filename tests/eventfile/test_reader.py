"""Reading in bulk says what reading record by record says, whatever the file is and however it is cut."""

from __future__ import annotations

import itertools
import random
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.eventfile import crc, pattern
from gpuq_daemon.eventfile.events import EventDecoder, Points
from gpuq_daemon.eventfile.reader import EventReader
from gpuq_daemon.eventfile.tfrecord import RecordReader, masked_crc
from gpuq_daemon.series.points import ScalarColumns
from tests.eventfile.event_bytes import a_file, a_scalar, a_simple_value, a_tensor_value, an_event

ODD = [float("nan"), float("inf"), -0.0, 1e-40]


def told(points: Points, records: RecordReader) -> tuple[object, ...]:
    """Return all that reading came to; as text, since NaN is not equal to itself."""
    scalars = {tag: list(found) for tag, found in points.scalars.items()}
    state = (records.offset, records.skipped, records.oversized, records.is_held)
    return repr(dict(sorted(scalars.items()))), repr(points.histograms), points.malformed, state


def one_by_one(data: bytes, cuts: list[int]) -> tuple[object, ...]:
    """Read without looking for patterns."""
    records, decoder, points = RecordReader(), EventDecoder(), Points()
    for piece in pieces(data, cuts):
        for payload in records.feed(piece):
            decoder.decode(payload, points)
    return told(points, records)


def in_bulk(data: bytes, cuts: list[int]) -> tuple[object, ...]:
    """Read as the follower does, with patterns looked for in small files too."""
    records, points = RecordReader(), Points()
    reader = EventReader(records, bulk_from=512)
    for piece in pieces(data, cuts):
        reader.feed(piece, points)
    return told(points, records)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the data in pieces, none of them empty."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def training(rng: random.Random, events: int) -> list[bytes]:
    """Return the events of a training: tags in turn, now and then a validation, a text, odd values, steps that start
    anew.
    """
    tags = [f"tag{i}"[: rng.randint(3, 4)] + "x" * rng.randint(0, 2) for i in range(rng.randint(1, 4))]
    kind, every, step = (
        rng.choice(["tensor", "simple", "merged"]),
        rng.choice([37, 10_000]),
        rng.choice([0, 120, 16_380]),
    )
    found: list[bytes] = []
    while len(found) < events:
        step += 1
        wall_time = 1.7e9 + len(found) / 7
        value = rng.choice(ODD) if rng.random() < 0.01 else rng.random()
        if kind == "merged":
            found.append(an_event(wall_time, step, *(a_simple_value(tag, value) for tag in tags)))
        for tag in tags if kind != "merged" else ():
            simple = an_event(wall_time, step, a_simple_value(tag, value))
            found.append(simple if kind == "simple" else a_scalar(tag, step, value, wall_time))
        if step % every == 0:
            found.append(an_event(wall_time, step, a_tensor_value("note", 7, b"", plugin="text")))
            found.append(a_scalar("val/loss", step, value, wall_time))
            step = rng.choice([step, 0])
    return found


@given(st.randoms(use_true_random=False), st.integers(1, 400), st.lists(st.integers(0, 10**6), max_size=6))
def test_a_training_reads_the_same_in_any_pieces(rng: random.Random, events: int, cuts: list[int]) -> None:
    data = a_file(*training(rng, events))

    assert in_bulk(data, cuts) == one_by_one(data, [])


@given(st.randoms(use_true_random=False), st.integers(50, 400), st.lists(st.integers(0, 10**6), max_size=4))
def test_a_damaged_file_reads_the_same(rng: random.Random, events: int, cuts: list[int]) -> None:
    data = bytearray(a_file(*training(rng, events)))
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        data[at : at + rng.choice([1, 1, 5, 100])] = rng.choice([b"", b"\0", bytes(5), rng.randbytes(100)])

    assert in_bulk(bytes(data), cuts) == one_by_one(bytes(data), cuts)


def test_a_long_training_is_read_in_columns() -> None:
    data = a_file(*(a_scalar("loss", step, 1 / (1 + step)) for step in range(2000)))
    points = Points()

    EventReader(RecordReader()).feed(data, points)

    assert points.scalars["loss"].has_columns
    steps = points.scalars["loss"].columns().steps
    np.testing.assert_array_equal(steps, np.arange(2000))


def test_a_wall_time_that_is_none_is_malformed_in_bulk_too() -> None:
    events = [a_scalar("loss", 200 + i, 1.0, float("nan") if i == 150 else 1.0 + i) for i in range(300)]
    data = a_file(*events)

    assert in_bulk(data, []) == one_by_one(data, [])
    assert in_bulk(data, [])[2] == 1


def test_a_tag_twice_in_an_event_keeps_the_order_written() -> None:
    events = [an_event(1.0 + i, 200 + i, a_simple_value("t", i), a_simple_value("t", -i)) for i in range(100)]

    assert in_bulk(a_file(*events), []) == one_by_one(a_file(*events), [])


def test_a_pattern_is_the_smallest_that_repeats() -> None:
    data = a_file(*(a_scalar(f"tag{i % 3}", 200 + i // 3, 1.0) for i in range(300)))
    found = pattern.find(data, 0)

    assert found is not None
    assert found.width * 100 == len(data)


@pytest.mark.parametrize("kind", ["none", "one", "long"])
def test_what_does_not_repeat_is_no_pattern(kind: str) -> None:
    data = {
        "none": b"",
        "one": a_file(a_scalar("loss", 1, 1.0)),
        "long": a_file(*[an_event(1.0, 1, a_simple_value("x" * 1000, 1.0) * 3)] * 50),
    }[kind]

    assert pattern.find(data, 0) is None


@given(st.binary(min_size=1, max_size=300), st.binary(min_size=1, max_size=300))
def test_checksums_are_linear(one: bytes, other: bytes) -> None:
    size = min(len(one), len(other))
    one, other = one[:size], other[:size]
    total = np.zeros(1, np.uint32)
    for at, (a, b) in enumerate(zip(one, other, strict=True)):
        total ^= crc.contribution(size - 1 - at)[a ^ b]

    assert unmasked(one) ^ int(total[0]) == unmasked(other)


def unmasked(data: bytes) -> int:
    """Return the plain checksum."""
    rotated = (masked_crc(data) - 0xA282EAD8) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF


def test_columns_keep_every_bit_of_a_value() -> None:
    values = [struct.unpack("<f", struct.pack("<f", v))[0] for v in (0.1, 1e-45, 3.4e38, float("inf"))] * 500
    data = a_file(*(a_scalar("loss", 200 + i, v) for i, v in enumerate(values)))
    points = Points()

    EventReader(RecordReader()).feed(data, points)

    columns: ScalarColumns = points.scalars["loss"].columns()
    assert columns.values.tolist() == values
