"""From the API's JSON to `gpuq.models`, for programs that can afford to import them."""

from __future__ import annotations

from collections.abc import Callable
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
    read = _reader(hint)
    return value if read is None or value is None else read(value)


@cache
def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """Return what makes a value of JSON that is not null; None where JSON's own value is the value."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _reader(next(a for a in get_args(hint) if a is not type(None)))
    if origin in (tuple, list):
        return _list_reader(origin, _reader(get_args(hint)[0]))
    if is_dataclass(hint):
        return _record_reader(hint)
    return None if hint in (int, float, str, bool) else hint


def _list_reader(kind: Any, read: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if read is None:
        return kind
    return lambda items: kind(None if item is None else read(item) for item in items)


def _record_reader(model: Any) -> Callable[[Any], Any]:
    """Return what makes a `model` of an object: looked up once, since a queue has ten thousand of them."""
    hints = get_type_hints(model)
    names = tuple(f.name for f in fields(model))
    special = tuple((name, read) for name in names if (read := _reader(hints[name])) is not None)

    def record(value: Any) -> Any:
        known = {name: value[name] for name in names if name in value}
        for name, convert in special:
            item = known.get(name)
            if item is not None:
                known[name] = convert(item)
        return model(**known)

    return record
