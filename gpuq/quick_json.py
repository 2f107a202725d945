"""JSON as `json` reads and writes it, in half the time to begin: `json` loads `re` and `enum`, its C part neither.

What the C part does not take, or where it is not there, `json` itself reads, and says what is wrong.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Scan = Callable[[str, int], tuple[Any, int]]

_SPACE = " \t\n\r"  # RFC 8259
_NO_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class _AsPlain:
    """What a scanner asks for: values of Python's own types. Source: CPython, Lib/json/scanner.py."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = staticmethod(_NO_NUMBERS.__getitem__)


def _scan() -> Scan | None:
    try:
        from _json import make_scanner  # pyright: ignore[reportMissingModuleSource, reportUnknownVariableType]

        made: Scan = make_scanner(_AsPlain())  # pyright: ignore
    except (ImportError, TypeError, AttributeError):
        return None
    return made


def loads(data: bytes) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises:
        ValueError: it is none.
    """
    try:
        text = data.decode()
        scan = _scan()
        if scan is not None and text[:1] in ("{", "["):
            value, end = scan(text, 0)
            if not text[end:].strip(_SPACE):
                return value
    except (StopIteration, ValueError):
        pass
    import json

    return json.loads(data)


def dumps(value: Any, *, is_ascii: bool = True) -> str:
    """Return the JSON text of a value of Python's own types, as `json.dumps` writes it.

    Raises:
        TypeError: there is no JSON for it.
        ValueError: it holds itself.
    """
    write = _writer(is_ascii)
    if write is None:
        import json

        return json.dumps(value, ensure_ascii=is_ascii)
    return "".join(write(value, 0))


def _writer(is_ascii: bool) -> Callable[[Any, int], Sequence[str]] | None:
    try:
        import _json

        quoted = _json.encode_basestring_ascii if is_ascii else _json.encode_basestring
        # Source: CPython, Lib/json/encoder.py.
        return _json.make_encoder({}, _refuse, quoted, None, ": ", ", ", False, False, True)
    except (ImportError, TypeError, AttributeError):
        return None


def _refuse(value: object) -> None:
    raise TypeError(f"There is no JSON for {type(value).__name__}.")
