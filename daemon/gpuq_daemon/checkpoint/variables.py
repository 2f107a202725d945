"""What a checkpoint holds: named variables, and where the numbers of each lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from gpuq_daemon.checkpoint.dtypes import name_of

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Consecutive bytes of a shard (or of the only file) that hold numbers of a variable.

    `crc32c` is the masked checksum of all of them, None where the format keeps none.
    """

    shard: int
    offset: int
    size: int
    crc32c: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One tensor of a checkpoint.

    `name` is what a person calls it ("dense/kernel"), `key` what the file does. `pieces` are in the order of the file;
    those of a partitioned variable are its slices. Their numbers are all of the variable's, in no order that its shape
    would tell.
    """

    name: str
    key: str
    dtype: int
    shape: Shape
    pieces: tuple[Piece, ...]

    @property
    def type_name(self) -> str:
        """The type as TensorFlow calls it: "float32"."""
        return name_of(self.dtype)

    @property
    def elements(self) -> int:
        """How many numbers it has; 1 for a scalar."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes they take in the checkpoint."""
        return sum(piece.size for piece in self.pieces)
