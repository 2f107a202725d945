"""Snappy's block format, unpacked.

Source: https://github.com/google/snappy/blob/main/format_description.txt
"""

from __future__ import annotations

from gpuq_daemon.checkpoint.source import DamagedError
from gpuq_daemon.eventfile.protowire import MalformedError, varint

MAX_UNPACKED_BYTES = 64 * 2**20
"""A larger block is not believed: a table's blocks are some kilobytes."""


def unpack(data: bytes) -> bytes:
    """Return the bytes that a block stands for.

    Raises:
        DamagedError: it is no whole block, or larger than `MAX_UNPACKED_BYTES`.
    """
    try:
        size, at = varint(data, 0, len(data))
    except MalformedError as error:
        raise DamagedError("a compressed block has no length") from error
    if size > MAX_UNPACKED_BYTES:
        raise DamagedError(f"a compressed block claims {size} bytes")
    out = bytearray()
    while at < len(data) and len(out) <= size:
        at = _literal(data, at, out) if data[at] & 3 == 0 else _copy(data, at, out)
    if at != len(data) or len(out) != size:
        raise DamagedError("a compressed block has another length than it says")
    return bytes(out)


def _literal(data: bytes, at: int, out: bytearray) -> int:
    """Add the bytes that follow the tag at `at`; return where the next tag is."""
    size, start = data[at] >> 2, at + 1
    if size >= 60:  # the length, less one, takes 1 to 4 bytes of its own
        wide = size - 59
        size, start = int.from_bytes(data[start : start + wide], "little"), start + wide
    end = start + size + 1
    if end > len(data):
        raise DamagedError("a compressed block ends within a literal")
    out += data[start:end]
    return end


def _copy(data: bytes, at: int, out: bytearray) -> int:
    """Add bytes that are there already, from `offset` before the end; return where the next tag is."""
    tag = data[at]
    kind = tag & 3
    if kind == 1:
        size, wide = (tag >> 2 & 7) + 4, 1
        offset = (tag >> 5) << 8 | int.from_bytes(data[at + 1 : at + 2], "little")
    else:
        size, wide = (tag >> 2) + 1, 2 if kind == 2 else 4
        offset = int.from_bytes(data[at + 1 : at + 1 + wide], "little")
    if at + wide >= len(data) or not 0 < offset <= len(out):
        raise DamagedError("a compressed block copies bytes that it does not have")
    start = len(out) - offset
    piece = bytes(out[start : start + size])
    out += (piece * (size // len(piece) + 1))[:size]  # the copy may run into what it makes
    return at + 1 + wide
