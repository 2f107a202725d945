"""Sorted tables of keys and values, the format of a checkpoint's `.index`.

Source: LevelDB, doc/table_format.md, which TensorFlow took over (tensorflow/core/lib/io/format.h, block.cc): a block
is entries with shared key prefixes, the offsets of its restarts, their count; after it a byte for the compression (0
none, 1 snappy) and the masked crc32c of both. The last 48 bytes name the block that indexes the others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from gpuq_daemon.checkpoint.snappy import unpack
from gpuq_daemon.checkpoint.source import DamagedError, Source, exactly
from gpuq_daemon.eventfile.protowire import MalformedError, varint
from gpuq_daemon.eventfile.tfrecord import masked_crc

MAX_BLOCK_BYTES = 64 * 2**20
MAX_TABLE_BYTES = 512 * 2**20
"""A larger index is not read: that of a model with a million variables has 100 MiB."""

_FOOTER_BYTES = 48
_MAGIC = 0xDB4775248B80FB57
_TRAILER = struct.Struct("<BI")


def entries(source: Source) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values in the order of the keys.

    Raises:
        DamagedError: the file is no table, a block's checksum is wrong, or it is larger than what is read.
    """
    if source.size > MAX_TABLE_BYTES:
        raise DamagedError(f"the index has {source.size} bytes")
    read = 0
    try:
        for _, handle in _block_entries(_block(source, *_index_handle(source))):
            offset, size = _handle(handle, 0)[0]
            read += size
            if read > source.size:
                raise DamagedError("the index names blocks twice")
            yield from _block_entries(_block(source, offset, size))
    except MalformedError as error:
        raise DamagedError(str(error)) from error


def _index_handle(source: Source) -> tuple[int, int]:
    footer = exactly(source, source.size - _FOOTER_BYTES, _FOOTER_BYTES)
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise DamagedError("the file is no table: its last bytes are others")
    _, after = _handle(footer, 0)
    return _handle(footer, after)[0]


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return offset and size of a block as they stand at `at`, and where they end."""
    offset, at = varint(data, at, len(data))
    size, at = varint(data, at, len(data))
    return (offset, size), at


def _block(source: Source, offset: int, size: int) -> bytes:
    if size > MAX_BLOCK_BYTES:
        raise DamagedError(f"a block claims {size} bytes")
    data = exactly(source, offset, size + _TRAILER.size)
    kind, crc = _TRAILER.unpack_from(data, size)
    if masked_crc(data[: size + 1]) != crc:
        raise DamagedError(f"the block at byte {offset} has a wrong checksum")
    if kind > 1:
        raise DamagedError(f"the block at byte {offset} is compressed in a way ({kind}) that is not known")
    return unpack(data[:size]) if kind == 1 else data[:size]


def _block_entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    end = len(block) - 4
    restarts = int.from_bytes(block[end:], "little") if end >= 0 else -1
    end -= 4 * restarts
    if restarts < 0 or end < 0:
        raise DamagedError("a block is shorter than its restarts")
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at, end)
        own, at = varint(block, at, end)
        size, at = varint(block, at, end)
        if shared > len(key) or own + size > end - at:
            raise DamagedError("an entry of a block reaches past its end")
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + size]
        at += size
