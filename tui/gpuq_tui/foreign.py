"""Cleans all text of an answer where it enters, so that no view can forget to."""

from __future__ import annotations

from typing import Any

from gpuq.text import clean, clean_log
from gpuq_tui.lines.line import Look

_PLAIN = frozenset((int, float, bool))


def cleaned(value: Any, look: Look) -> Any:
    """Return JSON `value` with every text in it safe for this terminal; keys are ours and stay."""
    if isinstance(value, str):
        return value if not look.is_ascii and value.isprintable() else cleaned_text(value, look)
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType] - JSON as it came
        return [cleaned(item, look) for item in items]
    if isinstance(value, dict):
        pairs: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType] - JSON as it came
        # most of an object is plain, and there may be ten thousand of them
        is_ascii = look.is_ascii
        return {
            key: item
            if not item or type(item) in _PLAIN or (not is_ascii and type(item) is str and item.isprintable())
            else cleaned(item, look)
            for key, item in pairs.items()
        }
    return value


def cleaned_text(text: str, look: Look) -> str:
    """Return one line of text safe for this terminal."""
    return _shown(clean(text), look)


def cleaned_log(text: str, look: Look) -> str:
    """Return log text safe for this terminal, with its line ends and tabs."""
    return _shown(clean_log(text), look)


def _shown(text: str, look: Look) -> str:
    r"""Write what an ASCII terminal lacks as Python would (`\xfc`), as `clean` does with what nobody can show."""
    return text.encode("ascii", "backslashreplace").decode("ascii") if look.is_ascii else text
