"""What a log has of one stream, by the file that tells whose its stretches are (`gpuq_job.streams`).

Both files are the job owner's: whatever they say, no more is read than a piece of a log is worth.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

_RECORD = struct.Struct("<Q")
_BLOCK = 4096
"""Records that are read at once."""
_MOST_STRETCHES = 16 * _BLOCK
_MOST_READ = 16 * 1024 * 1024
_AHEAD = 64 * 1024


class Stream(StrEnum):
    """A rank's standard output or standard error."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """A file by what it answers: up to so many bytes from an offset on, and its size."""

    read: Callable[[int, int], bytes]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Bytes `begin` to `end` of a log; `stream` None: they may be of either."""

    begin: int
    end: int
    stream: Stream | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a log has of a stream from byte `begin` to byte `end` of the whole."""

    data: bytes
    begin: int
    end: int


_OF = {1: Stream.STDOUT, 2: Stream.STDERR}


def part_of(
    log: Readable,
    told: Readable | None,
    stream: Stream,
    *,
    offset: int,
    limit: int,
    until: int | None = None,
    is_over: bool = False,
) -> Part:
    """Return up to `limit` bytes of a stream from byte `offset` of the log on, none from `until` on.

    A negative offset counts bytes of the stream, back from there. Where nothing is told (None), all may be of either
    stream, and so may be what is not told yet once all `is_over`; before that it is left for later.
    """
    known = told_to(told)
    end = log.size if until is None else min(until, log.size)
    if told is not None and not is_over:
        end = min(end, known)
    last = at_character(log, _begin_of_last(_back(told, known, end), stream, end, -offset)) if offset < 0 else 0
    begin = min(last, end) if offset < 0 else offset
    window, parts, at = _Window(log), list[bytes](), begin
    for one in _on(told, known, begin, end):
        stop = min(one.end, end, one.begin + limit)
        if one.stream in (None, stream):
            data = window.read(one.begin, stop - one.begin)
            parts.append(data)
            limit -= len(data)
            at = one.begin + len(data)
            if at < min(one.end, end) or limit <= 0 or window.is_spent:  # or the log is shorter than was said
                break
        else:
            at = min(one.end, end)
    if parts and parts[-1]:
        whole = whole_characters(parts[-1])
        at -= len(parts[-1]) - len(whole)
        parts[-1] = whole
    return Part(data=b"".join(parts), begin=begin, end=at)


def at_character(log: Readable, offset: int) -> int:
    """Return where the first UTF-8 character from `offset` on begins, so that what ends there tears none."""
    if offset <= 0:
        return 0
    beyond = next((i for i, byte in enumerate(log.read(offset, 4)) if byte & 0xC0 != 0x80), 0)
    return offset + beyond


def whole_characters(data: bytes) -> bytes:
    """Return `data` without the beginning of a UTF-8 character at its end, which the next piece will have."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return data[:-back] if back < needed and len(data) > back else data
    return data


class _Window:
    """Reads a log in few pieces, however short the stretches are; `is_spent` when it has read much."""

    def __init__(self, log: Readable) -> None:
        self._log = log
        self._begin, self._data = 0, b""
        self._read = 0

    @property
    def is_spent(self) -> bool:
        return self._read >= _MOST_READ

    def read(self, begin: int, size: int) -> bytes:
        at = begin - self._begin
        if not 0 <= at <= at + size <= len(self._data):
            self._begin, self._data, at = begin, self._log.read(begin, max(size, _AHEAD)), 0
            self._read += max(size, _AHEAD)
        return self._data[at : at + size]


def told_to(told: Readable | None) -> int:
    """Return up to which byte of the log it is told whose it is."""
    count = _count(told)
    return 0 if told is None or not count else _ends(told, count - 1, 1)[0][0]


def _on(told: Readable | None, known: int, offset: int, end: int) -> Iterator[Stretch]:
    """Yield the stretches from `offset` to `end`, in their order."""
    at, count = offset, _count(told)
    if told is not None:
        begun = _first_beyond(told, offset)
        for first in range(begun, min(count, begun + _MOST_STRETCHES), _BLOCK):
            for stop, stream in _ends(told, first, min(_BLOCK, count - first)):
                if at < stop and at < end:
                    yield Stretch(begin=at, end=stop, stream=stream)
                    at = stop
        if begun + _MOST_STRETCHES < count:
            return
    if max(at, known) < end:
        yield Stretch(begin=max(at, known), end=end, stream=None)


def _back(told: Readable | None, known: int, end: int) -> Iterator[Stretch]:
    """Yield the stretches before `end`, the last first."""
    if known < end:
        yield Stretch(begin=known, end=end, stream=None)
    if told is None:
        return
    begun = min(_first_beyond(told, min(end, known) - 1) + 1, _count(told))
    for beyond in range(begun, max(0, begun - _MOST_STRETCHES), -_BLOCK):
        first = max(0, beyond - _BLOCK)
        ends = _ends(told, first, beyond - first)
        before = _ends(told, first - 1, 1)[0][0] if first else 0
        begins = [before, *(stop for stop, _ in ends[:-1])]
        for begin, (stop, stream) in zip(reversed(begins), reversed(ends), strict=True):
            if begin < min(stop, end):
                yield Stretch(begin=begin, end=min(stop, end), stream=stream)


def _begin_of_last(back: Iterator[Stretch], stream: Stream, end: int, wanted: int) -> int:
    """Return where the last `wanted` bytes of a stream begin; where `back` ends if that has no more."""
    at = end
    for one in back:
        at = one.begin
        if one.stream in (None, stream):
            if one.end - one.begin >= wanted:
                return one.end - wanted
            wanted -= one.end - one.begin
    return at


def _first_beyond(told: Readable, offset: int) -> int:
    """Return the first stretch that ends beyond `offset`, how many there are if none does."""
    low, high = 0, _count(told)
    while low < high:
        middle = (low + high) // 2
        if _ends(told, middle, 1)[0][0] > offset:
            high = middle
        else:
            low = middle + 1
    return low


def _count(told: Readable | None) -> int:
    return 0 if told is None else told.size // _RECORD.size


def _ends(told: Readable, first: int, count: int) -> list[tuple[int, Stream | None]]:
    """Return where `count` stretches end, and whose they are; one place more for each that cannot be read any more."""
    data = told.read(first * _RECORD.size, count * _RECORD.size)
    data = data[: len(data) // _RECORD.size * _RECORD.size]
    found = [(word >> 2, _OF.get(word & 3)) for (word,) in _RECORD.iter_unpack(data)]
    return found + [(0, None)] * (count - len(found))
