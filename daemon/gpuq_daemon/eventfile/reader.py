"""The points of one event file, from its bytes as they come: in bulk where it repeats itself, else record by record."""

from __future__ import annotations

from gpuq_daemon.eventfile.events import EventDecoder, Points
from gpuq_daemon.eventfile.pattern import Pattern, find
from gpuq_daemon.eventfile.tfrecord import RecordReader

MIN_BULK_BYTES = 64 * 1024
"""Less than this is read record by record: it is quicker, and a daemon with slow jobs never loads numpy."""
_SMALLEST_PIECE = 512
_LARGEST_PIECE = 128 * 1024
_MAX_PATTERNS = 32


class EventReader:
    """Turns the bytes of one event file into points; says the same however they are cut.

    Feed it what follows `records.next_offset`.
    """

    __slots__ = ("_bulk_from", "_decoder", "_patterns", "_piece", "records")

    def __init__(self, records: RecordReader, bulk_from: int = MIN_BULK_BYTES) -> None:
        self.records = records
        self._bulk_from = bulk_from
        self._decoder = EventDecoder()
        self._patterns: list[Pattern] = []
        self._piece = _SMALLEST_PIECE

    def feed(self, data: bytes, into: Points) -> None:
        """Add the points of the records that are complete now to `into`."""
        if len(data) < self._bulk_from:
            self._one_by_one(data, into)
            return
        base, at = self.records.next_offset, 0
        while at < len(data):
            if self.records.next_offset == self.records.offset:
                used = self._in_bulk(data, at, into)
                self.records.pass_over(used)
                at += used
                self._piece = _SMALLEST_PIECE if used else self._piece
            before = self.records.offset
            piece = data[at : at + self._piece]
            self._one_by_one(piece, into)
            at += len(piece)
            self._piece = min(2 * self._piece, _LARGEST_PIECE)
            if self.records.is_held and self.records.next_offset == self.records.offset:
                return  # nothing readable starts here, and what follows is of no use
            if at < len(data) and self.records.offset > max(before, base):
                self.records.rewind()  # to the record that the piece ends in
                at = self.records.offset - base

    def _one_by_one(self, data: bytes, into: Points) -> None:
        payloads = self.records.feed(data)
        for payload, place in zip(payloads, self.records.places, strict=True):
            self._decoder.decode(payload, into, place)

    def _in_bulk(self, data: bytes, at: int, into: Points) -> int:
        """Read the stretch at `at` if it repeats itself; return how many bytes it has."""
        if len(data) - at < self._bulk_from // 4:
            return 0
        for number, pattern in enumerate(self._patterns):
            if used := pattern.read(data, at, into):
                self._patterns.insert(0, self._patterns.pop(number))
                return used
        found = find(data, at)
        used = 0 if found is None else found.read(data, at, into)
        if found is not None and used:
            self._patterns = [found, *self._patterns[: _MAX_PATTERNS - 1]]
        return used
