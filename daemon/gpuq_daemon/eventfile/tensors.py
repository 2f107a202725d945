"""Numbers out of a TensorProto.

Source: TensorFlow, tensorflow/core/framework/tensor.proto and types.proto; that a list shorter than the shape
repeats its last value is what tf.make_ndarray does.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from gpuq_daemon.eventfile.protowire import (
    BYTES,
    VARINT,
    Field,
    MalformedError,
    fields,
    numbers,
    signed,
    varints,
)

FLOAT, DOUBLE, BFLOAT16, HALF = 1, 2, 14, 19
MAX_ELEMENTS = 2**20
"""A tensor that is a scalar or a histogram has fewer numbers than this; a larger one is refused."""

Shape: TypeAlias = tuple[int, ...]

# Number type -> its code in `tensor_content`, and the field that lists values of it.
_TYPES = {
    FLOAT: ("f", 5), DOUBLE: ("d", 6), 3: ("i", 7), 4: ("B", 7), 5: ("h", 7), 6: ("b", 7), 9: ("q", 10),
    10: ("?", 11), BFLOAT16: ("H", 13), 17: ("H", 7), HALF: ("e", 13), 22: ("I", 16), 23: ("Q", 17),
}  # fmt: skip
_CONTENT_FIELD = 4
_UNSIGNED = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of numbers, row by row.

    `values_at` is where they lie in the message one after the other, as they are; None if they do not. It
    means nothing where the message lists fewer values than the shape has.
    """

    dtype: int
    shape: Shape
    values: tuple[float, ...]
    values_at: int | None = None


def read_tensor(data: bytes, start: int, end: int) -> Tensor | None:
    """Return the tensor in `data[start:end]`, or None if it does not hold numbers (strings, say).

    Raises:
        MalformedError: the message is damaged, or the tensor is larger than `MAX_ELEMENTS`.
    """
    dtype, shape = 0, ()
    found: dict[int, list[Field]] = {}
    for field in fields(data, start, end):
        number, wire, at, stop = field
        if number == 1 and wire == VARINT:
            dtype = at
        elif number == 2 and wire == BYTES:
            shape = _shape(data, at, stop)
        elif number != _CONTENT_FIELD or stop > at:
            found.setdefault(number, []).append(field)
    if dtype not in _TYPES:
        return None
    code, list_field = _TYPES[dtype]
    holders = found.get(_CONTENT_FIELD, [])[-1:]
    if holders:
        values = list(numbers(data, holders[0], code))
    else:
        holders = found.get(list_field, [])
        values = _listed(data, holders, dtype)
    if dtype == BFLOAT16:
        values = [_bfloat16(int(v)) for v in values]
    values_at = holders[0][2] if len(holders) == 1 and dtype in (FLOAT, DOUBLE) else None
    return Tensor(dtype=dtype, shape=shape, values=_filled(values, shape), values_at=values_at)


def _listed(data: bytes, holders: list[Field], dtype: int) -> list[float]:
    """Return the values of the list fields `holders` as they are stored there."""
    values: list[float] = []
    for holder in holders:
        if dtype in (FLOAT, DOUBLE):
            values += numbers(data, holder, _TYPES[dtype][0])
        else:
            values += [v if dtype == _UNSIGNED else signed(v) for v in varints(data, holder)]
    if dtype == HALF:
        return list(struct.unpack(f"<{len(values)}e", _as_u16(values)))
    return values


def _shape(data: bytes, start: int, end: int) -> Shape:
    sizes: list[int] = []
    for number, wire, at, stop in fields(data, start, end):
        if number == 2 and wire == BYTES:
            size = 0
            for inner, inner_wire, value, _ in fields(data, at, stop):
                if inner == 1 and inner_wire == VARINT:
                    size = signed(value)
            if size < 0:
                raise MalformedError("a tensor has a dimension of unknown size")
            sizes.append(size)
    return tuple(sizes)


def _filled(values: list[float], shape: Shape) -> tuple[float, ...]:
    elements = 1
    for size in shape:
        elements *= size
        if elements > MAX_ELEMENTS:
            raise MalformedError("a tensor has more numbers than a scalar or a histogram can have")
    if len(values) > elements:
        raise MalformedError("a tensor has more numbers than its shape")
    return (*values, *(values[-1:] or [0.0]) * (elements - len(values)))


def _as_u16(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}H", *(int(v) & 0xFFFF for v in values))


def _bfloat16(bits: int) -> float:
    """Return the number whose upper 16 bits of a float32 these are."""
    value: float = struct.unpack("<f", struct.pack("<I", (bits & 0xFFFF) << 16))[0]
    return value
