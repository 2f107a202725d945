"""TFRecord framing, read while it is being written.

Source: TensorFlow, tensorflow/core/lib/io/record_writer.h and tensorflow/core/lib/hash/crc32c.h: a record is
u64 length, u32 masked crc32c of those 8 bytes, payload, u32 masked crc32c of the payload, little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import cast

import google_crc32c

HEADER_BYTES = 12
FOOTER_BYTES = 4
MAX_KEPT_BYTES = 32 * 2**20
"""The largest payload that is given out; a larger one (a graph, a video) is passed over unread."""
MAX_RECORD_BYTES = 2**31
"""The largest length that is believed: protobuf messages cannot be larger, so more is damage."""

_crc32c = cast(Callable[[bytes], int], google_crc32c.value)
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_MAX_KNOWN_HEADERS = 4096


def masked_crc(data: bytes) -> int:
    """Return TensorFlow's masked crc32c of `data`."""
    crc = _crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


class RecordReader:
    """Turns the bytes of one file into records, wherever they are cut.

    Feed it the file's bytes from `next_offset` on. An incomplete record at the end is kept for the next ones.
    A payload with a wrong checksum is given up (`skipped`) once a sound record header follows it; until then,
    and where no sound header is, `is_held` is true: bytes that a writer has not filled in yet look the same.
    A held reader without a tail asks for the bytes from `offset` again, in case they are rewritten.
    """

    __slots__ = ("_known_headers", "_needed", "_tail", "is_held", "offset", "oversized", "places", "skipped")

    def __init__(self, offset: int = 0, skipped: int = 0, oversized: int = 0) -> None:
        self.offset = offset
        """Where the first record starts that was neither given out nor given up: resume here."""
        self.skipped = skipped
        self.oversized = oversized
        self.is_held = False
        self.places: list[int] = []
        """Where in the file each payload of the last `feed` begins."""
        self._tail: bytearray = bytearray()
        self._needed = 0
        self._known_headers: dict[bytes, int] = {}

    @property
    def next_offset(self) -> int:
        """The file offset of the byte that `feed` wants next."""
        return self.offset + len(self._tail)

    def rewind(self) -> None:
        """Forget an incomplete record, so that its bytes are read afresh: they may have changed by then."""
        self._tail.clear()
        self._needed = 0

    def pass_over(self, size: int) -> None:
        """Go on `size` bytes further: they were read otherwise, whole records, from where no record is begun."""
        self.offset += size

    def feed(self, data: bytes) -> list[bytes]:
        """Take the bytes at `next_offset`; return the payloads that are complete now, in order."""
        self.places = []
        self._tail += data
        if len(self._tail) < self._needed:
            return []
        data = bytes(self._tail)
        self.rewind()
        self.is_held = False
        payloads: list[bytes] = []
        used = self._split(data, payloads)
        self.offset += used
        if not self.is_held or self._needed:
            self._tail += data[used:]
        return payloads

    def _split(self, data: bytes, payloads: list[bytes]) -> int:
        """Append the sound payloads in `data`; return where the first record starts that is not done with."""
        start, size = 0, len(data)
        while size - start >= HEADER_BYTES:
            length = self._length(data[start : start + HEADER_BYTES])
            if length is None:
                self.is_held = True
                return start
            payload_end = start + HEADER_BYTES + length
            end = payload_end + FOOTER_BYTES
            if length > MAX_KEPT_BYTES:
                self.oversized += 1
                start = end
                continue
            if end > size:
                self._needed = end - start
                return start
            payload = data[start + HEADER_BYTES : payload_end]
            if _FOOTER.unpack_from(data, payload_end)[0] == masked_crc(payload):
                payloads.append(payload)
                self.places.append(self.offset + start + HEADER_BYTES)
            elif not self._may_give_up(data, start, end):
                return start
            start = end
        return start

    def _may_give_up(self, data: bytes, start: int, end: int) -> bool:
        """Whether the damaged record at `start` has a sound header behind it: it is not being filled in."""
        following = data[end : end + HEADER_BYTES]
        if len(following) == HEADER_BYTES and self._length(following) is not None:
            self.skipped += 1
            return True
        self.is_held = True
        if len(following) < HEADER_BYTES:
            self._needed = end + HEADER_BYTES - start
        return False

    def _length(self, header: bytes) -> int | None:
        """Return the payload's length that a header states, or None if it is no sound header."""
        known = self._known_headers.get(header)
        if known is not None:
            return known
        length: int
        crc: int
        length, crc = _HEADER.unpack(header)
        if length > MAX_RECORD_BYTES or crc != masked_crc(header[:8]):
            return None
        if len(self._known_headers) >= _MAX_KNOWN_HEADERS:
            self._known_headers.clear()
        self._known_headers[header] = length
        return length
