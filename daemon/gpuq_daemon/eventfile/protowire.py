"""The protobuf wire format: fields of a message as positions in its bytes, without copying.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeAlias

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Field: TypeAlias = tuple[int, int, int, int]
"""`(number, wire type, start, end)`: where the content lies; for VARINT `start` is the value itself."""

_MAX_VARINT_BYTES = 10


class MalformedError(ValueError):
    """The bytes are not a message of the expected kind."""


def varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the unsigned number that starts at `start`, and where it ends.

    Raises:
        MalformedError: it does not end before `end`, or is longer than 64 bits.
    """
    if start < end and data[start] < 0x80:  # most are of one byte
        return data[start], start + 1
    value = shift = 0
    for at in range(start, min(end, start + _MAX_VARINT_BYTES)):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + 1
        shift += 7
    raise MalformedError(f"no varint at byte {start}")


def signed(value: int) -> int:
    """Return an int64's value from its varint."""
    return value - (1 << 64) if value >= 1 << 63 else value


def fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message `data[start:end]` in order.

    Raises:
        MalformedError: a field reaches past `end`, or its wire type is unknown (groups are not supported).
    """
    at = start
    while at < end:
        key, at = varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = varint(data, at, end)
            yield number, wire, value, at
            continue
        if wire == BYTES:
            size, at = varint(data, at, end)
        elif wire == FIXED64:
            size = 8
        elif wire == FIXED32:
            size = 4
        else:
            raise MalformedError(f"wire type {wire} at byte {at}")
        if size > end - at:
            raise MalformedError(f"field {number} reaches past the end of its message")
        yield number, wire, at, at + size
        at += size


def numbers(data: bytes, field: Field, code: str) -> tuple[float, ...]:
    """Return a repeated fixed-width number, packed or one of several, `code` as for `struct`.

    Raises:
        MalformedError: the bytes are not a whole count of such numbers.
    """
    _, wire, start, end = field
    width = struct.calcsize("<" + code)
    if wire == VARINT or (end - start) % width:
        raise MalformedError(f"field {field[0]} is no list of numbers")
    return struct.unpack(f"<{(end - start) // width}{code}", data[start:end])


def varints(data: bytes, field: Field) -> list[int]:
    """Return a repeated varint, packed or one of several, as unsigned 64 bits.

    Raises:
        MalformedError: the last one is cut off.
    """
    _, wire, at, end = field
    if wire == VARINT:
        return [at]
    if wire != BYTES:
        raise MalformedError(f"field {field[0]} is no list of numbers")
    values: list[int] = []
    while at < end:
        value, at = varint(data, at, end)
        values.append(value)
    return values
