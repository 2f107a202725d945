"""The commands as values: each verb with its usage, its help and its options, taken from click."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import click

from gpuq.cli.examples import EXAMPLES
from gpuq.cli.group import root
from gpuq_daemon.main import cli as daemon


@dataclass(frozen=True)
class Paragraph:
    """Part of a help text; one that is verbatim keeps its lines."""

    text: str
    is_verbatim: bool


@dataclass(frozen=True)
class Verb:
    """A command: its words ("gpuq", "admin", "node", "drain"), and what `--help` says of it."""

    words: tuple[str, ...]
    usage: str
    paragraphs: tuple[Paragraph, ...]
    options: tuple[tuple[str, str], ...]
    below: tuple[Verb, ...]
    examples: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The words as one."""
        return " ".join(self.words)

    @property
    def short(self) -> str:
        """The first sentence."""
        return (
            re.split(r"(?<=[.;:])\s", self.paragraphs[0].text, maxsplit=1)[0].rstrip(".;:") if self.paragraphs else ""
        )

    def all(self) -> Iterator[Verb]:
        """Yield this one, and all that are below it."""
        yield self
        for one in self.below:
            yield from one.all()


@cache
def verbs() -> tuple[Verb, Verb]:
    """Return the commands `gpuq` and `gpuqd`, with all that is below them."""
    return _verb(root, ("gpuq",), None), _verb(daemon, ("gpuqd",), None)


def _verb(command: click.Command, words: tuple[str, ...], parent: click.Context | None) -> Verb:
    settings: dict[str, Any] = {**command.context_settings, "terminal_width": 78, "max_content_width": 78}
    context = click.Context(command, info_name=words[-1], parent=parent, **settings)
    pieces = " ".join(command.collect_usage_pieces(context))
    records = [p.get_help_record(context) for p in command.get_params(context) if isinstance(p, click.Option)]
    below: tuple[Verb, ...] = ()
    if isinstance(command, click.Group):
        names = command.list_commands(context)
        found = [(name, command.get_command(context, name)) for name in names]
        below = tuple(_verb(one, (*words, name), context) for name, one in found if one is not None)
    return Verb(
        words=words,
        usage=f"{' '.join(words)} {pieces}",
        paragraphs=tuple(_paragraphs("\n\n".join(text for text in (command.help, command.epilog) if text))),
        options=tuple(record for record in records if record is not None),
        below=below,
        examples=EXAMPLES.get(" ".join(words[1:]), ()) if words[0] == "gpuq" else (),
    )


def _paragraphs(text: str) -> Iterator[Paragraph]:
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        is_verbatim = part.startswith("\b\n")
        if part.strip("\b\n "):
            yield Paragraph(part.removeprefix("\b\n") if is_verbatim else " ".join(part.split()), is_verbatim)
