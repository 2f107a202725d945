"""From the API's JSON to `gpuq.models`, for programs that can afford to import them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def decode(model: type[T], value: Any) -> T:
    """Return JSON `value` as `model`; fields that this version does not know are left out.

    Raises:
        TypeError: a field without a default is missing.
        ValueError: an enum's value is unknown.
    """
    return _decode(model, value)


def _decode(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if value is None:
        return None
    if origin in (Union, UnionType):
        return _decode(next(a for a in get_args(hint) if a is not type(None)), value)
    if origin is tuple:
        return tuple(_decode(get_args(hint)[0], item) for item in value)
    if origin is list:
        return [_decode(get_args(hint)[0], item) for item in value]
    if is_dataclass(hint):
        return _record(hint, value)
    if isinstance(hint, type) and hint in (int, float, str, bool):
        return value
    return hint(value)


def _record(model: Any, value: Any) -> Any:
    hints = _hints(model)
    return model(**{name: _decode(hints[name], value[name]) for name in hints if name in value})


@cache
def _hints(model: Any) -> dict[str, Any]:
    resolved = get_type_hints(model)
    return {f.name: resolved[f.name] for f in fields(model)}
