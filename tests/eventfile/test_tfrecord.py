"""Reading records while they are written, and what damage costs."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.eventfile import tfrecord
from gpuq_daemon.eventfile.tfrecord import RecordReader, masked_crc
from tests.eventfile.event_bytes import a_record

payload_lists = st.lists(st.binary(max_size=60), min_size=1, max_size=8)


def feed_until(reader: RecordReader, data: bytes, end: int) -> list[bytes]:
    """Show the reader the file as it is when `end` bytes of it are written."""
    return reader.feed(data[reader.next_offset : end])


@given(payload_lists, st.data())
def test_any_cut_gives_the_same_records(payloads: list[bytes], data: st.DataObject) -> None:
    file = b"".join(map(a_record, payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(file)), max_size=12)))

    reader = RecordReader()
    records = [record for cut in [*cuts, len(file)] for record in feed_until(reader, file, cut)]

    assert records == payloads
    assert (reader.offset, reader.next_offset, reader.skipped, reader.is_held) == (len(file), len(file), 0, False)


@given(payload_lists, st.data())
def test_reading_resumes_at_the_offset_of_another_reader(payloads: list[bytes], data: st.DataObject) -> None:
    file = b"".join(map(a_record, payloads))
    cut = data.draw(st.integers(0, len(file)))

    first = RecordReader()
    before = feed_until(first, file, cut)
    second = RecordReader(first.offset)

    assert before + feed_until(second, file, len(file)) == payloads


@given(payload_lists, st.data(), st.integers(1, 255))
def test_a_damaged_byte_of_a_payload_costs_its_record_only(
    payloads: list[bytes], data: st.DataObject, flip: int
) -> None:
    starts = [0]
    for payload in payloads:
        starts.append(starts[-1] + 16 + len(payload))
    hit = data.draw(st.integers(0, len(payloads) - 1))
    at = data.draw(st.integers(starts[hit] + 12, starts[hit + 1] - 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, starts[-1]), max_size=6)))
    file = bytearray(b"".join(map(a_record, payloads)))
    file[at] ^= flip

    reader = RecordReader()
    records = [r for cut in [*cuts, len(file)] for r in feed_until(reader, bytes(file), cut)]

    assert records == payloads[:hit] + payloads[hit + 1 :]
    is_last = hit == len(payloads) - 1
    assert (reader.skipped, reader.is_held) == ((0, True) if is_last else (1, False))


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_noise_never_yields_a_record_nor_an_error(noise: bytes, cuts: list[int]) -> None:
    reader = RecordReader()

    records = [r for cut in [*sorted(cuts), len(noise)] for r in feed_until(reader, noise, min(cut, len(noise)))]

    assert records == []
    assert reader.offset == 0


def test_a_partial_tail_is_no_damage() -> None:
    file = a_record(b"one") + a_record(b"two")
    reader = RecordReader()

    assert reader.feed(file[:-1]) == [b"one"]
    assert (reader.offset, reader.is_held, reader.skipped) == (len(a_record(b"one")), False, 0)
    assert reader.feed(file[-1:]) == [b"two"]


def test_a_zero_filled_tail_is_held_and_read_once_it_is_overwritten() -> None:
    written = a_record(b"one") + a_record(b"two")
    start = len(a_record(b"one"))
    reader = RecordReader()

    assert reader.feed(written[:start] + bytes(100)) == [b"one"]
    assert (reader.is_held, reader.offset, reader.next_offset) == (True, start, start)
    assert reader.feed(written[start:] + bytes(50)) == [b"two"]
    assert (reader.is_held, reader.offset, reader.skipped) == (True, len(written), 0)


def test_a_payload_whose_end_is_still_zero_is_read_once_it_is_filled_in() -> None:
    record = a_record(b"x" * 40)
    reader = RecordReader()

    assert reader.feed(record[:30] + bytes(100)) == []
    assert reader.is_held
    assert reader.feed(record) == [b"x" * 40]
    assert (reader.is_held, reader.skipped) == (False, 0)


def test_what_follows_a_damaged_record_is_asked_for_before_it_is_given_up() -> None:
    damaged = a_record(b"one")[:-1] + b"?"
    reader = RecordReader()

    assert reader.feed(damaged) == []
    assert (reader.next_offset, reader.is_held) == (len(damaged), True)
    assert reader.feed(a_record(b"two")) == [b"two"]
    assert (reader.skipped, reader.is_held) == (1, False)


def test_a_damaged_length_holds_the_reader_where_it_is() -> None:
    file = bytearray(a_record(b"one") + a_record(b"two") + a_record(b"three"))
    at = len(a_record(b"one"))
    file[at] ^= 1
    reader = RecordReader()

    assert reader.feed(bytes(file)) == [b"one"]
    assert (reader.offset, reader.next_offset, reader.is_held) == (at, at, True)
    file[at] ^= 1
    assert reader.feed(bytes(file[at:])) == [b"two", b"three"]
    assert not reader.is_held


def test_a_length_that_no_message_has_is_damage() -> None:
    length = struct.pack("<Q", 2**62)
    reader = RecordReader()

    assert reader.feed(length + struct.pack("<I", masked_crc(length)) + bytes(100)) == []
    assert (reader.offset, reader.is_held) == (0, True)


def test_a_record_too_large_to_keep_is_passed_over_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfrecord, "MAX_KEPT_BYTES", 1000)
    file = a_record(b"one") + a_record(bytes(5000)) + a_record(b"two")
    cuts = [0, 30, 500, 2000, len(file)]
    reader = RecordReader()

    records = [r for _, cut in pairwise(cuts) for r in feed_until(reader, file, cut)]

    assert records == [b"one", b"two"]
    assert (reader.oversized, reader.skipped, reader.offset) == (1, 0, len(file))


def test_forgetting_the_tail_asks_for_its_bytes_again() -> None:
    record = a_record(b"payload")
    reader = RecordReader()

    reader.feed(record[:-3])
    reader.rewind()

    assert reader.next_offset == 0
    assert reader.feed(record) == [b"payload"]


def test_the_masked_checksum_is_tensorflows() -> None:
    # The first twelve bytes of the event files in tests/data.
    assert masked_crc(struct.pack("<Q", 62)) == 0xE740D2D9


@given(payload_lists, st.data(), st.integers(1, 255))
def test_a_damaged_header_holds_there_and_costs_nothing_before_it(
    payloads: list[bytes], data: st.DataObject, flip: int
) -> None:
    hit = data.draw(st.integers(0, len(payloads) - 1))
    start = len(b"".join(map(a_record, payloads[:hit])))
    file = bytearray(b"".join(map(a_record, payloads)))
    file[start + data.draw(st.integers(0, 11))] ^= flip

    reader = RecordReader()

    assert reader.feed(bytes(file)) == payloads[:hit]
    assert (reader.offset, reader.is_held, reader.skipped) == (start, True, 0)
