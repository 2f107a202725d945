"""The keys under which a checkpoint keeps the slices of a partitioned variable.

Source: TensorFlow, tensorflow/core/util/saved_tensor_slice_util.cc (EncodeTensorNameSlice) and
tensorflow/core/lib/strings/ordered_code.cc.
"""

from __future__ import annotations

from typing import TypeAlias

Extent: TypeAlias = tuple[int, int]
"""Start and length along one dimension; length -1 is all of it."""

# What is put over the first two bytes of a signed number to tell its length: that many leading ones.
_LENGTH_BITS = [0xFFFF << 16 >> length & 0xFFFF for length in range(11)]
_ESCAPES = {0x00: b"\x00\xff", 0xFF: b"\xff\x00"}


def slice_key(name: str, extents: list[Extent]) -> bytes:
    """Return the key of one slice: ordered code of 0, the name, the number of dimensions, then each extent."""
    ends = b"".join(_signed(start) + _signed(length) for start, length in extents)
    return _unsigned(0) + _text(name) + _unsigned(len(extents)) + ends


def _unsigned(value: int) -> bytes:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes((len(data),)) + data


def _text(text: str) -> bytes:
    escaped = b"".join(_ESCAPES.get(byte, bytes((byte,))) for byte in text.encode())
    return escaped + b"\x00\x01"


def _signed(value: int) -> bytes:
    magnitude = ~value if value < 0 else value
    length = magnitude.bit_length() // 7 + 1
    if length == 1:
        return bytes(((value & 0xFF) ^ 0x80,))
    data = bytearray((value % 2**80).to_bytes(10, "big")[10 - length :])
    bits = _LENGTH_BITS[length]
    data[0] ^= bits >> 8
    data[1] ^= bits & 0xFF
    return bytes(data)
