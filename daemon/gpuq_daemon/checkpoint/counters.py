"""How far a training was at a checkpoint, as the checkpoint itself says: its step, and which save it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpuq_daemon.checkpoint.source import Source, exactly
from gpuq_daemon.checkpoint.variables import Variable

_ATTRIBUTE = "/.ATTRIBUTES/VARIABLE_VALUE"
_STEPS = ("step", "global_step")
_ITERATIONS = (
    "optimizer/_iterations",
    "optimizer/iterations",
    "optimizer/iter",
)  # of Keras 3, `tf_keras`, its old ones
_SAVES = "save_counter"
_BYTES = {3: 4, 9: 8}  # int32, int64. Source: tensorflow/core/framework/types.proto


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The step that a script keeps, its optimizer's count of steps, and how often its checkpoint object had been saved.

    None stands for what a checkpoint does not hold. Source: TensorFlow, python/checkpoint/checkpoint.py:
    `Checkpoint.save` counts in `save_counter`, and names files by it.
    """

    step: int | None = None
    iterations: int | None = None
    saves: int | None = None

    def step_of(self, number: int | None) -> int | None:
        """Return the step of a checkpoint with this number in its name; None if that only counts saves, and it is all
        there is.

        A number that a script has chosen is its step, or the epoch it goes by.
        """
        if self.step is not None:
            return self.step
        return self.iterations if self.is_save(number) else number

    def is_save(self, number: int | None) -> bool:
        """Whether the number in a checkpoint's name only counts saves."""
        return self.saves is not None and self.saves == number


def counters(variables: Sequence[Variable], shards: Sequence[Source]) -> Counters:
    """Return what a checkpoint of TensorFlow says of itself; `shards` are its files by number.

    Raises:
        DamagedError: a file is cut off.
    """
    known = {variable.key.removesuffix(_ATTRIBUTE): variable for variable in variables}
    return Counters(
        step=_first(known, _STEPS, shards),
        iterations=_first(known, _ITERATIONS, shards),
        saves=_number(known.get(_SAVES), shards),
    )


def _first(known: Mapping[str, Variable], keys: Sequence[str], shards: Sequence[Source]) -> int | None:
    found = (_number(known.get(key), shards) for key in keys)
    return next((number for number in found if number is not None), None)


def _number(variable: Variable | None, shards: Sequence[Source]) -> int | None:
    """Return a whole number that is not negative; None for anything else."""
    if variable is None or variable.shape or len(variable.pieces) != 1:
        return None
    piece = variable.pieces[0]
    if piece.size != _BYTES.get(variable.dtype) or piece.shard >= len(shards):
        return None
    value = int.from_bytes(exactly(shards[piece.shard], piece.offset, piece.size), "little", signed=True)
    return value if value >= 0 else None
