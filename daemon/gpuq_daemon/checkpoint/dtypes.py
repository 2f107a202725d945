"""TensorFlow's number types: their names, sizes, and their bytes as numbers that numpy can count.

Source: tensorflow/core/framework/types.proto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STRING = 7
_BFLOAT16 = 14

# Number -> name, and numpy's code for the bytes where there is one.
_TYPES: dict[int, tuple[str, str | None]] = {
    1: ("float32", "<f4"), 2: ("float64", "<f8"), 3: ("int32", "<i4"), 4: ("uint8", "u1"), 5: ("int16", "<i2"),
    6: ("int8", "i1"), STRING: ("string", None), 8: ("complex64", "<c8"), 9: ("int64", "<i8"), 10: ("bool", "?"),
    _BFLOAT16: ("bfloat16", "<u2"), 17: ("uint16", "<u2"), 18: ("complex128", "<c16"), 19: ("float16", "<f2"),
    20: ("resource", None), 21: ("variant", None), 22: ("uint32", "<u4"), 23: ("uint64", "<u8"),
    24: ("float8_e5m2", None), 25: ("float8_e4m3fn", None),
}  # fmt: skip


def name_of(dtype: int) -> str:
    """Return what a type is called, "type 99" for one that is not known."""
    return _TYPES.get(dtype, (f"type {dtype}", None))[0]


def is_countable(dtype: int) -> bool:
    """Whether `numbers` can read it."""
    code = _TYPES.get(dtype, ("", None))[1]
    return code is not None and "c" not in code


def numbers(dtype: int, data: bytes) -> NDArray[np.floating[Any] | np.integer[Any] | np.bool_]:
    """Return little-endian bytes as numbers; bfloat16 as float32, of which it is the upper half."""
    import numpy as np  # loaded when the first weights are asked for

    values = np.frombuffer(data, dtype=_TYPES[dtype][1])
    if dtype == _BFLOAT16:
        return (values.astype("<u4") << 16).view("<f4")
    return values


def width(dtype: int) -> int:
    """Return the bytes of one number of a countable type."""
    import numpy as np

    return int(np.dtype(_TYPES[dtype][1]).itemsize)
