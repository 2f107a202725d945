"""Points out of events: every kind of number, and nothing but an error out of noise."""

from __future__ import annotations

import math
import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.eventfile.events import EventDecoder, Points, read_event
from gpuq_daemon.eventfile.protowire import MalformedError, fields
from gpuq_daemon.series.points import HistogramPoint, ScalarPoint
from tests.eventfile.event_bytes import (
    a_message,
    a_scalar,
    a_simple_value,
    a_tensor_value,
    a_varint,
    an_event,
)

steps = st.integers(-(2**63), 2**63 - 1)
floats32 = st.floats(width=32)
wall_times = st.floats(0, 4e9)


def points_of(*payloads: bytes) -> Points:
    """Decode events of one file."""
    decoder, points = EventDecoder(), Points()
    for payload in payloads:
        decoder.decode(payload, points)
    return points


def scalars_of(points: Points) -> dict[str, list[ScalarPoint]]:
    """Return the scalars as plain lists."""
    return {tag: list(found) for tag, found in points.scalars.items()}


def packed(code: str, *values: float) -> bytes:
    """Return a tensor_content."""
    return a_message(4, struct.pack(f"<{len(values)}{code}", *values))


@given(st.lists(st.tuples(st.sampled_from(["loss", "mean", "a/b", "ü"]), steps, wall_times, floats32)))
def test_scalars_of_both_writers_come_out_as_written(written: list[tuple[str, int, float, float]]) -> None:
    new = [a_scalar(tag, step, value, wall_time) for tag, step, wall_time, value in written]
    old = [an_event(wall_time, step, a_simple_value(tag, value)) for tag, step, wall_time, value in written]
    expected: dict[str, list[tuple[int, float, float]]] = {}
    for tag, step, wall_time, value in written:
        expected.setdefault(tag, []).append((step, wall_time, value))

    assert repr(scalars_of(points_of(*new))) == repr(expected)
    assert repr(scalars_of(points_of(*old))) == repr(expected)


@given(st.lists(st.binary(max_size=80)), st.binary(max_size=80))
def test_what_was_learned_changes_no_answer(events: list[bytes], last: bytes) -> None:
    learned = [a_scalar("loss", 5, 1.0), an_event(1.0, 2, a_simple_value("loss", 2.0)), *events]

    after, alone = points_of(*learned, last), points_of(last)

    before = points_of(*learned)
    for tag, points in scalars_of(alone).items():
        assert repr(list(after.scalars[tag])[len(before.scalars[tag]) :]) == repr(points)
    assert after.malformed == before.malformed + alone.malformed


@given(st.data(), st.integers(1, 255))
def test_a_changed_byte_gives_the_same_answer_with_and_without_templates(data: st.DataObject, flip: int) -> None:
    sound = a_scalar("loss", 300, 0.5)
    changed = bytearray(sound)
    changed[data.draw(st.integers(0, len(sound) - 1))] ^= flip

    learned, plain = points_of(sound, bytes(changed)), points_of(bytes(changed))

    values = [(t, p) for t, ps in learned.scalars.items() for p in ps]
    values.remove(("loss", (300, 1.7e9, 0.5)))
    assert repr(values) == repr([(t, p) for t, ps in plain.scalars.items() for p in ps])
    assert learned.malformed == plain.malformed


@given(st.binary(max_size=400))
def test_noise_is_an_event_or_malformed(noise: bytes) -> None:
    points_of(noise, noise)  # must end, and raise nothing


@pytest.mark.parametrize(
    ("dtype", "content", "value"),
    [
        (1, packed("f", 0.5), 0.5),
        (1, b"\x2a\x04" + struct.pack("<f", 0.5), 0.5),  # float_val, packed
        (1, b"\x2d" + struct.pack("<f", 0.5), 0.5),  # float_val, not packed
        (2, packed("d", 1 / 3), 1 / 3),
        (2, b"\x32\x08" + struct.pack("<d", 1 / 3), 1 / 3),
        (3, packed("i", -3), -3.0),
        (3, b"\x3a\x0a" + a_varint(-3), -3.0),
        (9, packed("q", 2**40 + 1), 2.0**40 + 1),
        (9, b"\x50" + a_varint(-7), -7.0),
        (10, b"\x58\x01", 1.0),
        (14, packed("H", 0x4040), 3.0),  # bfloat16
        (14, a_message(13, a_varint(0x4040)), 3.0),
        (19, packed("e", 1.5), 1.5),
        (19, a_message(13, a_varint(0x3E00)), 1.5),
        (22, b"\x80\x01\x05", 5.0),
        (23, b"\x88\x01" + a_varint(2**63), 2.0**63),
        (1, b"", 0.0),
    ],
)
def test_a_scalar_of_every_number_type(dtype: int, content: bytes, value: float) -> None:
    event = an_event(2.0, 7, a_tensor_value("t", dtype, content, plugin="scalars"))

    assert scalars_of(points_of(event, event)) == {"t": [(7, 2.0, value)] * 2}


def test_values_of_other_plugins_and_strings_are_left_out() -> None:
    image = a_tensor_value("image", 7, a_message(8, b"png"), (1,), "images")
    custom = a_tensor_value("custom", 1, packed("f", 1.0), (), "my_plugin")

    points = points_of(an_event(1.0, 1, image, custom, a_simple_value("loss", 2.0)))

    assert (scalars_of(points), points.histograms) == ({"loss": [(1, 1.0, 2.0)]}, {})


def test_a_tensor_histogram_has_its_buckets() -> None:
    rows = packed("d", 0, 1, 5, 1, 3, 0, 3, 4, 2)

    points = points_of(an_event(1.0, 4, a_tensor_value("w", 2, rows, (3, 3), "histograms")))

    edges, counts = array("d", (0, 1, 3, 4)), array("d", (5, 0, 2))
    assert points.histograms["w"] == [HistogramPoint(step=4, wall_time=1.0, edges=edges, counts=counts)]


def test_one_listed_value_fills_a_whole_tensor() -> None:
    zeros = b"\x32\x08" + bytes(8)

    points = points_of(an_event(1.0, 4, a_tensor_value("w", 2, zeros, (2, 3), "histograms")))

    assert list(points.histograms["w"][0].counts) == [0, 0]


def test_a_histogram_proto_keeps_its_counts_and_gets_the_datas_own_ends() -> None:
    limits, counts = (-1e300, -1.0, 0.0, 1.0, 1.7e308), (0.0, 2.0, 3.0, 1.0, 0.0)
    proto = b"\x09" + struct.pack("<d", -1.5) + b"\x11" + struct.pack("<d", 0.5)
    proto += a_message(6, struct.pack("<5d", *limits)) + a_message(7, struct.pack("<5d", *counts))
    value = a_message(1, b"w") + a_message(5, proto)

    (point,) = points_of(an_event(1.0, 4, value)).histograms["w"]

    assert tuple(point.counts) == counts
    assert tuple(point.edges) == (-1.5, -1.5, -1.0, 0.0, 0.5, 0.5)


def test_a_session_start_is_seen() -> None:
    assert read_event(b"\x09" + bytes(8) + b"\x3a\x02\x08\x01").is_start
    assert not read_event(a_scalar("loss", 1, 1.0)).is_start


@pytest.mark.parametrize(
    "payload",
    [
        b"\x09\x00",  # cut off
        b"\x2a\x7f",  # longer than the event
        b"\xff" * 11,  # an endless varint
        b"\x0b",  # a group
        b"\x09" + struct.pack("<d", math.nan),
        an_event(1.0, 1, a_tensor_value("t", 1, packed("f", 1.0, 2.0))),  # more than the shape
        an_event(1.0, 1, a_tensor_value("t", 1, b"", (2**31, 2**31))),
        an_event(1.0, 1, a_simple_value("t" * 2000, 1.0)),
    ],
)
def test_damaged_events_are_counted_and_give_no_points(payload: bytes) -> None:
    points = points_of(payload, a_scalar("loss", 1, 1.0))

    assert (points.malformed, scalars_of(points)) == (1, {"loss": [(1, 1.7e9, 1.0)]})


def test_a_wall_time_that_is_no_time_is_refused_after_the_form_is_known() -> None:
    points = points_of(a_scalar("loss", 1, 1.0), a_scalar("loss", 2, 1.0, math.inf))

    assert (points.malformed, len(points.scalars["loss"])) == (1, 1)


def test_fields_do_not_reach_past_their_message() -> None:
    with pytest.raises(MalformedError):
        list(fields(b"\x0a\x05abc--", 0, 5))
