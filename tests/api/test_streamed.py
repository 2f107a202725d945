"""What a log has of one stream: any piece of it, from either end, whatever the job's owner writes there."""

from __future__ import annotations

import random
import struct

from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.streamed import Readable, Stream, part_of

_KINDS = {None: 0, Stream.STDOUT: 1, Stream.STDERR: 2}
_WRITES = st.lists(st.tuples(st.sampled_from([None, *Stream]), st.integers(1, 30)), max_size=40)


def of_bytes(data: bytes) -> Readable:
    return Readable(read=lambda offset, size: data[offset : offset + size], size=len(data))


def told(writes: list[tuple[Stream | None, int]]) -> tuple[bytes, bytes]:
    """Return a log in which every byte says its place, and what tells its stretches."""
    size, records = 0, b""
    for stream, more in writes:
        size += more
        records += struct.pack("<Q", size << 2 | _KINDS[stream])
    return bytes(32 + i % 90 for i in range(size)), records


def expected(writes: list[tuple[Stream | None, int]], log: bytes, stream: Stream, begin: int, end: int) -> bytes:
    at, kept = 0, b""
    for whose, size in writes:
        if whose in (None, stream):
            kept += log[max(at, begin) : max(0, min(at + size, end))]
        at += size
    return kept


@given(_WRITES, st.sampled_from(list(Stream)), st.integers(0, 400), st.integers(1, 200))
def test_pieces_from_anywhere_are_the_streams_bytes_in_their_order(
    writes: list[tuple[Stream | None, int]], stream: Stream, offset: int, limit: int
) -> None:
    log, records = told(writes)
    got, at = b"", offset
    while True:
        part = part_of(of_bytes(log), of_bytes(records), stream, offset=at, limit=limit)
        got += part.data
        assert part.begin == at
        assert len(part.data) <= limit
        if part.end <= at:
            break
        at = part.end

    assert got == expected(writes, log, stream, offset, len(log))


@given(_WRITES, st.sampled_from(list(Stream)), st.integers(1, 300), st.integers(0, 1200))
def test_the_last_bytes_are_the_streams_last(
    writes: list[tuple[Stream | None, int]], stream: Stream, wanted: int, until: int
) -> None:
    log, records = told(writes)
    part = part_of(of_bytes(log), of_bytes(records), stream, offset=-wanted, limit=2000, until=until)

    end = min(until, len(log))
    assert part.data == expected(writes, log, stream, 0, end)[-wanted:]
    assert part.end == max(part.begin, end)
    if len(part.data) < wanted:
        assert part.begin == 0 or not log[:end]


@given(_WRITES, st.integers(0, 50))
def test_what_is_not_told_yet_is_left_for_later_and_at_the_end_of_either(
    writes: list[tuple[Stream | None, int]], more: int
) -> None:
    log, records = told(writes)
    longer = log + b"!" * more
    for stream in Stream:
        now = part_of(of_bytes(longer), of_bytes(records), stream, offset=0, limit=5000)
        later = part_of(of_bytes(longer), of_bytes(records), stream, offset=now.end, limit=5000, is_over=True)
        assert now.data + later.data == expected(writes, log, stream, 0, len(log)) + b"!" * more
        old = part_of(of_bytes(longer), None, stream, offset=0, limit=5000)
        assert old.data == longer


@given(st.binary(max_size=200), st.binary(max_size=100), st.integers(-300, 300), st.integers(1, 100), st.booleans())
def test_whatever_stands_there_is_answered(records: bytes, log: bytes, offset: int, limit: int, is_over: bool) -> None:
    for stream in Stream:
        part = part_of(of_bytes(log), of_bytes(records), stream, offset=offset, limit=limit, is_over=is_over)
        assert len(part.data) <= limit
        assert part.end >= part.begin


def test_a_character_is_not_torn() -> None:
    log = "äöü".encode()
    records = struct.pack("<Q", len(log) << 2 | 1)
    part = part_of(of_bytes(log), of_bytes(records), Stream.STDOUT, offset=0, limit=3)

    assert (part.data.decode(), part.end) == ("ä", 2)


def test_a_piece_of_a_great_log_reads_little_of_it() -> None:
    chance, asked = random.Random(1), list[int]()
    ends = sorted(chance.sample(range(1 << 30), 300_000))
    records = b"".join(struct.pack("<Q", end << 2 | 1 + i % 2) for i, end in enumerate(ends))

    def read(offset: int, size: int) -> bytes:
        asked.append(size)
        return b"x" * size

    log = Readable(read=read, size=ends[-1])
    told = Readable(read=lambda offset, size: asked.append(size) or records[offset : offset + size], size=len(records))
    for offset in (0, -32_768, 1 << 29):
        asked.clear()
        part = part_of(log, told, Stream.STDERR, offset=offset, limit=32_768)
        assert len(part.data) == 32_768
        assert sum(asked) < 2_000_000
