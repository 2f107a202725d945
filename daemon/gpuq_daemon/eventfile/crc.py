"""Checksums of many messages of one length at once.

CRC32C is linear: of messages of equal length, crc(a) ^ crc(b) is a function of a ^ b alone, and that is the XOR of
what each differing byte contributes at its distance from the end. So messages that differ from a known one in few
places cost a table look-up a place, whatever their length.

Source: Ross Williams, A Painless Guide to CRC Error Detection Algorithms (1993); the polynomial is that of RFC 3720,
reflected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Words = NDArray[np.uint32]

_POLYNOMIAL = 0x82F63B78
_tables: list[Words] = []


def contribution(distance: int) -> Words:
    """Return what each value of a byte contributes to a checksum when `distance` bytes follow it: 256 words."""
    import numpy as np

    if not _tables:
        _tables.append(np.array([_shifted(byte) for byte in range(256)], np.uint32))
    while len(_tables) <= distance:
        before = _tables[-1]
        _tables.append((before >> np.uint32(8)) ^ _tables[0][before & np.uint32(0xFF)])
    return _tables[distance]


def masked(checksums: Words) -> Words:
    """Return checksums as TFRecord stores them. Source: tensorflow/core/lib/hash/crc32c.h."""
    import numpy as np

    return ((checksums >> np.uint32(15)) | (checksums << np.uint32(17))) + np.uint32(0xA282EAD8)


def _shifted(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte
