"""Where the bytes of a checkpoint come from, whatever holds them."""

from __future__ import annotations

from typing import Protocol


class DamagedError(ValueError):
    """The bytes are not a checkpoint of the expected kind, or are cut off; the message says what is wrong."""


class Source(Protocol):
    """One file, read by ranges."""

    @property
    def size(self) -> int:
        """Bytes in the file."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end of the file."""
        ...


def exactly(source: Source, offset: int, size: int) -> bytes:
    """Return the `size` bytes at `offset`.

    Raises:
        DamagedError: the file does not have them.
    """
    if offset < 0 or size < 0 or offset + size > source.size:
        raise DamagedError(f"the file ends before byte {offset + size}")
    data = source.read(offset, size)
    if len(data) != size:
        raise DamagedError(f"the file ends before byte {offset + size}")
    return data
