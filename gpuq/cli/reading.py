"""Reads a command line by what its verb declares, where nothing is odd about it."""

from __future__ import annotations

from gpuq.cli.declare import Argument, Choice, FloatRange, Group, IntRange, Option, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gpuq.cli.declare import Param

_LONGEST_NUMBER = 15  # digits that a float holds exactly


def read(group: Group, words: Sequence[str]) -> tuple[Verb, dict[str, Any]] | None:
    """Return the verb that a command line begins with, and what it asks it for, by the names that it declares.

    None where click is to look at it: help, mistakes, and what is rarely typed, such as `-nx` for `-n x`.

    Raises:
        UsageError: the verb itself refuses it.
    """
    found: Verb | Group | None = group
    place = 0
    while isinstance(found, Group):
        found = found.get(words[place]) if place < len(words) else None
        place += 1
    if found is None:
        return None
    rest = list(words[place:])
    if found.before is not None:
        rest = found.before(rest)
    asked = _asked(found, rest)
    if asked is None:
        return None
    if found.after is not None:
        found.after(rest, asked)
    return found, asked


def _asked(verb: Verb, words: list[str]) -> dict[str, Any] | None:
    options = {name: one for one in verb.params if isinstance(one, Option) for name in (*one.on, *one.off)}
    given: dict[str, list[Any]] = {}
    left: list[str] = []
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if word[:1] != "-" or word == "-":
            left.append(word)
            continue
        if word == "--":
            left += words[place:]
            break
        name, equals, value = word.partition("=")
        one = options.get(name)
        if one is None or (equals and not (one.takes_value and name.startswith("--"))):
            return None
        if not equals and one.takes_value and _is_value(words[place : place + 1]):
            value, equals = words[place], "="
            place += 1
        if equals:
            given.setdefault(one.name, []).append(value)
        elif one.flag_value is not None:
            given.setdefault(one.name, []).append(name not in one.off and one.flag_value)
        else:
            return None
    if not _place([one for one in verb.params if isinstance(one, Argument)], left, given):
        return None
    return _values(verb.params, given)


def _is_value(words: Sequence[str]) -> bool:
    """Whether the next word is there, and is not another option."""
    return bool(words) and (words[0][:1] != "-" or words[0] == "-")


def _place(arguments: Sequence[Argument], words: Sequence[str], given: dict[str, list[Any]]) -> bool:
    """Give words to arguments in their order, and return whether all have a place."""
    place = 0
    for one in arguments:
        given[one.name] = list(words[place:] if one.is_rest else words[place : place + 1])
        place += len(given[one.name])
    return place == len(words)


def _values(params: Sequence[Param], given: Mapping[str, Sequence[Any]]) -> dict[str, Any] | None:
    asked: dict[str, Any] = {}
    for one in params:
        values: list[Any] = []
        for word in given.get(one.name, ()):
            value = _value(one, word) if isinstance(word, str) else word
            if value is None:
                return None
            values.append(value)
        if one.required and not values:
            return None
        asked[one.name] = _together(one, values)
    return asked


def _together(param: Param, values: Sequence[Any]) -> Any:
    if isinstance(param, Argument):
        return tuple(values) if param.is_rest else (values[0] if values else None)
    assert isinstance(param, Option)
    if param.joined_by is not None:
        return param.joined_by.join(values) if values else None
    if param.multiple:
        return tuple(values)
    return values[-1] if values else param.default


def _value(param: Param, word: str) -> Any:
    """Return what a word is as a parameter; None where it may be none."""
    match param.type:
        case None:
            return word
        case Choice(choices=choices):
            return word if word in choices else None
        case IntRange(min=least, max=most):
            return _within(int(word), least, most) if _is_number(word) else None
        case FloatRange(min=least, max=most):
            return _within(float(word), least, most) if _is_number(word.replace(".", "", 1)) else None
        case plain if plain is int:
            return int(word) if _is_number(word) else None
        case _:
            return float(word) if _is_number(word.replace(".", "", 1)) else None


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= _LONGEST_NUMBER


def _within(value: float, least: float | None, most: float | None) -> float | None:
    return value if (least is None or value >= least) and (most is None or value <= most) else None
