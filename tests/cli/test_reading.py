"""A command line is read without click as click reads it, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.cli import declare
from gpuq.cli.commands import ROOT
from gpuq.cli.group import root
from gpuq.cli.reading import read
from gpuq.errors import UsageError


def all_verbs(group: declare.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], declare.Verb]]:
    """Yield every verb with the words that it is called by."""
    for name in group.names:
        found = group.get(name)
        assert found is not None
        if isinstance(found, declare.Group):
            yield from all_verbs(found, (*words, name))
        else:
            yield (*words, name), found


VERBS: list[tuple[tuple[str, ...], declare.Verb]] = list(all_verbs(ROOT))
WORDS = st.sampled_from(
    (
        "12",
        "12_3",
        "x",
        "a=b",
        "lr=1,2",
        "",
        "-",
        "--",
        "-5",
        "0",
        "1",
        "0.5",
        "step",
        "1e3",
        "٣",
        "1_0",
        "day",
        "json",
        "-x",
    )
)


def as_click_reads(words: list[str]) -> dict[str, Any] | str:
    """Return what click gets of a command line, or what is wrong with it."""
    command: click.Command = root
    context = click.Context(root)
    rest = words
    try:
        while isinstance(command, click.Group):
            _, found, rest = command.resolve_command(context, rest)
            assert found is not None
            command = found
        return command.make_context(command.name, rest, parent=context).params
    except (UsageError, click.ClickException) as error:
        return str(error)
    except click.exceptions.Exit:
        return "help"


def as_read(words: list[str]) -> dict[str, Any] | str | None:
    """Return what is read of a command line without click, what is wrong with it, or None."""
    try:
        found = read(ROOT, words)
    except UsageError as error:
        return str(error)
    return None if found is None else found[1]


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Return a line that begins with a verb, and goes on with its options and any words."""
    words, verb = draw(st.sampled_from(VERBS))
    options = [name for one in verb.params if isinstance(one, declare.Option) for name in (*one.on, *one.off)]
    choices = [choice for one in verb.params if isinstance(one.type, declare.Choice) for choice in one.type.choices]
    word = st.one_of(
        WORDS,
        *([st.sampled_from(options), st.builds("{}={}".format, st.sampled_from(options), WORDS)] if options else []),
        *([st.sampled_from(choices)] if choices else []),
    )
    return [*words, *draw(st.lists(word, max_size=6))]


@given(command_lines())
def test_what_is_read_without_click_is_what_click_reads(words: list[str]) -> None:
    expected, found = as_click_reads(list(words)), as_read(words)

    if found is not None:
        assert found == expected
    if isinstance(found, dict) and isinstance(expected, dict):
        assert {name: type(value) for name, value in found.items()} == {
            name: type(value) for name, value in expected.items()
        }


def a_word(param: declare.Param) -> str:
    """Return a word that a parameter takes."""
    match param.type:
        case declare.Choice(choices=choices):
            return choices[-1]
        case declare.IntRange(min=least):
            return str(max(least or 0, 1))
        case declare.FloatRange():
            return "0.5"
        case _:
            return "3"


def with_value(option: declare.Option) -> list[str]:
    """Return how an option is typed, in its first spelling."""
    return [option.on[0], *([a_word(option)] if option.takes_value else [])]


@pytest.mark.parametrize(("words", "verb"), VERBS, ids=["-".join(words) for words, _ in VERBS])
def test_every_option_of_every_verb_is_read_without_click(words: tuple[str, ...], verb: declare.Verb) -> None:
    options = [one for one in verb.params if isinstance(one, declare.Option)]
    needed = [a_word(one) for one in verb.params if isinstance(one, declare.Argument) and one.required]
    needed += [word for one in options if one.required for word in with_value(one)]

    for more in ([], *(with_value(one) for one in options if not one.required)):
        line = [*words, *needed, *more]
        found = read(ROOT, line)
        assert found is not None, line
        assert found[1] == as_click_reads(line), line


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["queue", "--help"],
        ["queue", "--nonsense"],
        ["queue", "-ume"],
        ["admin"],
        ["why"],
        ["why", "1", "2"],
    ],
)
def test_what_is_odd_is_left_to_click(words: list[str]) -> None:
    assert read(ROOT, words) is None
