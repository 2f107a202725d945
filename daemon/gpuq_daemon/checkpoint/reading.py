"""The numbers of a variable, chunk by chunk, and of the difference of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gpuq_daemon.checkpoint.dtypes import is_countable, numbers, width
from gpuq_daemon.checkpoint.source import DamagedError, Source, exactly
from gpuq_daemon.checkpoint.variables import Piece, Variable

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK_BYTES = 4 * 2**20
MAX_READ_BYTES = 8 * 2**30
"""A larger variable is not read: minutes of work for one picture."""


def check_readable(variable: Variable) -> None:
    """Check that a variable's numbers can be read.

    Raises:
        DamagedError: they are no real numbers, too many, or do not fit the shape.
    """
    if not is_countable(variable.dtype):
        raise DamagedError(f"{variable.name} holds {variable.type_name}, which has no distribution")
    if variable.bytes > MAX_READ_BYTES:
        raise DamagedError(f"{variable.name} has {variable.bytes} bytes, more than is read at once")
    if variable.bytes != variable.elements * width(variable.dtype):
        raise DamagedError(f"{variable.name} has another number of bytes than its shape")


def chunks(variable: Variable, shards: Sequence[Source]) -> Iterator[NDArray[Any]]:
    """Yield a variable's numbers, at most `CHUNK_BYTES` at a time; `shards` are the files by number.

    Raises:
        DamagedError: a file is cut off, or a checksum is wrong (found once all its bytes have been read).
    """
    for piece in variable.pieces:
        for data in _read(piece, shards[piece.shard], variable.name):
            yield numbers(variable.dtype, data)


def differences(
    after: Variable, after_in: Sequence[Source], before: Variable, before_in: Sequence[Source]
) -> Iterator[NDArray[Any]]:
    """Yield `after` - `before`, number by number, in double precision.

    Raises:
        DamagedError: they have not the same shape, type and slices, or one cannot be read.
    """
    import numpy as np

    if [p.size for p in after.pieces] != [p.size for p in before.pieces] or (after.dtype, after.shape) != (
        before.dtype,
        before.shape,
    ):
        raise DamagedError(f"{after.name} has not the same shape and type in both checkpoints")
    for new, old in zip(chunks(after, after_in), chunks(before, before_in), strict=True):
        with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, and counted as that
            yield new.astype(np.float64) - old.astype(np.float64)


def _read(piece: Piece, source: Source, name: str) -> Iterator[bytes]:
    import google_crc32c

    checksum = google_crc32c.Checksum() if piece.crc32c is not None else None
    for start in range(0, piece.size, CHUNK_BYTES):
        data = exactly(source, piece.offset + start, min(CHUNK_BYTES, piece.size - start))
        if checksum is not None:
            checksum.update(data)
        yield data
    if checksum is not None and _masked(int.from_bytes(checksum.digest(), "big")) != piece.crc32c:
        raise DamagedError(f"{name} is damaged: its checksum is wrong")


def _masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
