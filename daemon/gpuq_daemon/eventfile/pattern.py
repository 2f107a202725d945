"""Scalar events read in bulk, where a file repeats itself.

A training loop writes the same tags step after step: records of the same lengths, that differ in wall time, step,
value and checksum only. Such a stretch is a matrix with a row a step. It is compared with its first row, which has
been read field by field, its checksums are verified by `crc`, and its numbers are columns. The first row that differs
anywhere else, or has a wrong checksum, ends it: whatever is odd is left to the reader that looks at each record by
itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpuq_daemon.eventfile import crc
from gpuq_daemon.eventfile.events import Points, scalar_layout
from gpuq_daemon.eventfile.tfrecord import FOOTER_BYTES, HEADER_BYTES, masked_crc
from gpuq_daemon.series.points import ScalarColumns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

MIN_ROWS = 16
"""Fewer repetitions are quicker read one by one."""
MAX_PERIOD = 128
_FIRST_BLOCK = 256
_WINDOW = 384
_NEAR = 64
"""A pattern of so many records is taken where there is none of the whole window: a step may grow by a byte in it."""
_LONGEST_RECORD = 2048
_AT_ONCE = 64
_LENGTH = struct.Struct("<Q")
_WALL_TIME_AT, _STEP_AT = 1, 10
_CONTINUES = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """Where a number of a record lies in the row, as what, and its tag."""

    tag: str
    at: int
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """One record of the pattern. `varying` are the places in the row that may differ, with the bytes that follow in
    the payload.
    """

    payload_at: int
    footer_at: int
    step_bytes: int
    values: tuple[_Value, ...]
    varying: tuple[tuple[int, int], ...]
    checksum: int


class Pattern:
    """A sequence of scalar records that a file repeats."""

    __slots__ = ("_first", "_fixed", "_records", "width")

    def __init__(self, first: bytes, records: list[_Record]) -> None:
        import numpy as np

        self.width = len(first)
        self._records = records
        self._first = np.frombuffer(first, np.uint8)
        self._fixed = np.full(self.width, 0xFF, np.uint8)
        for record in records:
            for at, _ in record.varying:
                self._fixed[at] = 0
            step_at = record.payload_at + _STEP_AT
            self._fixed[step_at : step_at + record.step_bytes] = _CONTINUES  # a step keeps its number of bytes
            self._fixed[record.footer_at : record.footer_at + FOOTER_BYTES] = 0

    def read(self, data: bytes, start: int, into: Points) -> int:
        """Add the points of the whole rows at `start` that fit; return how many bytes they took, 0 if they are too
        few.
        """
        import numpy as np

        count, taken, block = (len(data) - start) // self.width, 0, _FIRST_BLOCK
        while count - taken >= MIN_ROWS:
            size = min(block, count - taken)
            at = start + taken * self.width
            rows = np.frombuffer(data, np.uint8, size * self.width, at).reshape(size, self.width)
            sound = self._sound(rows)
            if sound >= MIN_ROWS:
                self._add(rows[:sound], into)
                taken += sound
            if sound < size:
                break
            block *= 4  # a stretch that ends soon is not worth looking far ahead
        return taken * self.width

    def _sound(self, rows: Bytes) -> int:
        """Return how many rows there are before the first that is not one of the pattern, or is damaged."""

        if ((rows[:MIN_ROWS] ^ self._first) & self._fixed).any():
            return 0
        changes = rows ^ self._first
        sound, changed = len(rows), _over_rows(changes)
        if (changed & self._fixed).any():
            sound = _before_first(((changes & self._fixed) != 0).any(axis=1))
            changed = _over_rows(changes[:sound])
        changed = changed != 0
        for record in self._records:
            sound = min(sound, _before_first(self._is_bad(record, rows[:sound], changes[:sound], changed)))
        return sound

    def _is_bad(self, record: _Record, rows: Bytes, changes: Bytes, changed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows have a record with a wrong checksum, or a wall time that is none.

        `changed` are the places where any row differs from the first.
        """
        import numpy as np

        sums = np.full(len(rows), record.checksum, np.uint32)
        for at, distance in record.varying:
            if changed[at]:
                sums ^= crc.contribution(distance)[changes[:, at]]
        stored = _column(rows, record.footer_at, "<u4")
        wall_times = _column(rows, record.payload_at + _WALL_TIME_AT, "<f8")
        return (crc.masked(sums) != stored) | ~np.isfinite(wall_times)

    def _add(self, rows: Bytes, into: Points) -> None:
        import numpy as np

        found: dict[str, list[tuple[Any, Any, Any]]] = {}
        for record in self._records:
            steps, wall_times = _steps(rows, record), _column(rows, record.payload_at + _WALL_TIME_AT, "<f8")
            for value in record.values:
                numbers = _column(rows, value.at, value.code).astype(np.float64)
                found.setdefault(value.tag, []).append((steps, wall_times, numbers))
        for tag, parts in found.items():
            # A tag that is in a row more than once has its points row by row.
            steps, wall_times, numbers = (np.stack(column, axis=1).reshape(-1) for column in zip(*parts, strict=True))
            into.scalars[tag].add(ScalarColumns(steps=steps, wall_times=wall_times, values=numbers))


def find(data: bytes, start: int) -> Pattern | None:
    """Return the pattern that the records at `start` begin with, None if there is none.

    A period is the smallest number of records after which lengths and tags repeat.
    """
    first = next(_records(data, start), None)
    if first is None or _form(data, *first) is None:
        return None  # nothing else is read in bulk, so that the next records need no look
    records = list(_records(data, start))
    return _repeated(data, records) or _repeated(data, records[:_NEAR])


def _repeated(data: bytes, records: list[tuple[int, int]]) -> Pattern | None:
    """Return the pattern that all of these records follow."""
    sizes = [end - at for at, end in records]
    forms: list[object] = []
    for period in range(1, min(MAX_PERIOD, len(sizes) // 3) + 1):
        if sizes[period] == sizes[0] and sizes[period:] == sizes[:-period]:
            forms += [_form(data, *record) for record in records[len(forms) : 2 * period]]
            if None in forms:
                break
            if forms[:period] == forms[period : 2 * period]:
                return _pattern(data, records[:period])
    return None


def _form(data: bytes, at: int, end: int) -> object:
    """Return what repeats of a sound scalar record, None for any other."""
    header, payload = data[at : at + 8], data[at + HEADER_BYTES : end - FOOTER_BYTES]
    stored = data[at + 8 : at + HEADER_BYTES], data[end - FOOTER_BYTES : end]
    if tuple(masked_crc(part).to_bytes(4, "little") for part in (header, payload)) != stored:
        return None
    return scalar_layout(payload)


def _records(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of the next whole records."""
    for _ in range(_WINDOW):
        if len(data) - at < HEADER_BYTES:
            return
        end = at + HEADER_BYTES + _LENGTH.unpack_from(data, at)[0] + FOOTER_BYTES
        if end > len(data) or end - at > _LONGEST_RECORD:
            return
        yield at, end
        at = end


def _pattern(data: bytes, records: list[tuple[int, int]]) -> Pattern:
    base = records[0][0]
    made = [_record(data[at:end], at - base) for at, end in records]
    return Pattern(data[base : records[-1][1]], made)


def _record(data: bytes, at: int) -> _Record:
    """Return a record that starts at `at` in its row."""
    payload = data[HEADER_BYTES:-FOOTER_BYTES]
    layout = scalar_layout(payload)
    assert layout is not None
    step_bytes, scalars = layout
    places = [*range(_WALL_TIME_AT, _WALL_TIME_AT + 8), *range(_STEP_AT, _STEP_AT + step_bytes)]
    for scalar in scalars:
        places += range(scalar[1], scalar[1] + scalar[2])
    payload_at = at + HEADER_BYTES
    return _Record(
        payload_at=payload_at,
        footer_at=at + len(data) - FOOTER_BYTES,
        step_bytes=step_bytes,
        values=tuple(_Value(tag=t, at=payload_at + a, code="<f4" if w == 4 else "<f8") for t, a, w in scalars),
        varying=tuple((payload_at + place, len(payload) - 1 - place) for place in places),
        checksum=_unmasked(int.from_bytes(data[-FOOTER_BYTES:], "little")),
    )


def _unmasked(stored: int) -> int:
    rotated = (stored - 0xA282EAD8) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF


def _over_rows(changes: Bytes) -> Bytes:
    """Return the bits that are set in any row, column by column; many rows at once are quicker than one by one."""
    import numpy as np

    count, width = changes.shape
    whole = count // _AT_ONCE * _AT_ONCE
    many = np.bitwise_or.reduce(changes[:whole].reshape(-1, _AT_ONCE * width), axis=0).reshape(_AT_ONCE, width)
    return np.bitwise_or.reduce(many, axis=0) | np.bitwise_or.reduce(changes[whole:], axis=0)


def _column(rows: Bytes, at: int, code: str) -> NDArray[Any]:
    """Return a number of every row."""
    import numpy as np

    return np.ndarray(len(rows), code, rows, at, (rows.shape[1],)).copy()


def _steps(rows: Bytes, record: _Record) -> NDArray[np.int64]:
    import numpy as np

    steps = np.zeros(len(rows), np.int64)
    for place in range(record.step_bytes):
        byte = rows[:, record.payload_at + _STEP_AT + place] & 0x7F
        steps |= byte.astype(np.int64) << (7 * place)
    return steps


def _before_first(is_odd: NDArray[np.bool_]) -> int:
    """Return how many rows there are before the first odd one."""
    first = int(is_odd.argmax()) if len(is_odd) else 0
    return first if len(is_odd) and is_odd[first] else len(is_odd)
