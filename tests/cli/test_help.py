"""What `--help` says: short enough for a terminal, grouped, with examples that work."""

from __future__ import annotations

import shlex

import click
import pytest

from gpuq.cli.commands import COMMANDS
from gpuq.cli.examples import EXAMPLES, epilog
from gpuq.cli.group import checked, root
from gpuq_daemon.main import cli as gpuqd
from reference.commands import verbs
from tests.cli.conftest import Gpuq
from tests.support.documents import lines_of_gpuq


def test_every_verb_stands_once_in_the_help_on_one_line_of_80_columns(
    gpuq: Gpuq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    lines = gpuq("--help").out.splitlines()

    for verb, words in COMMANDS.items():
        assert [" ".join(line.split()) for line in lines if line.split()[:1] == [verb]] == [f"{verb} {words}"]
    assert all(len(line) < 80 for line in lines)
    assert [line for line in lines if line.endswith(":") and line[0].isalpha()][:3] == ["Options:", "Jobs:", "Looking:"]


@pytest.mark.parametrize("verb", EXAMPLES)
def test_every_example_is_a_line_that_gpuq_takes(verb: str) -> None:
    for line, _ in EXAMPLES[verb]:
        for words in lines_of_gpuq(line):
            assert words[1 : 1 + len(verb.split())] == verb.split()
            checked(words[1:])
    shown = (epilog(verb) or "").splitlines()
    assert all(len(line) <= 80 for line in shown)


def test_help_of_a_verb_ends_with_its_examples(gpuq: Gpuq) -> None:
    assert gpuq("cancel", "--help").out.rstrip().endswith("--dry-run  which would it be?")
    assert "gpuq admin node drain node7" in gpuq("admin", "node", "-h").out
    assert "Examples" not in gpuq("admin", "node", "drain", "-h").out


def test_verbs_that_people_use_have_an_example() -> None:
    assert set(COMMANDS) - {"dial", "admin"} <= set(EXAMPLES)
    assert shlex.split(EXAMPLES["enqueue"][0][0])[:2] == ["gpuq", "enqueue"]


def test_no_list_of_commands_has_a_sentence_that_is_cut() -> None:
    for group in (verb for program in verbs() for verb in program.all() if verb.below and verb.words != ("gpuq",)):
        command: click.Command = gpuqd if group.words[0] == "gpuqd" else root
        context = click.Context(command, terminal_width=80)
        for word in group.words[1:]:
            assert isinstance(command, click.Group)
            command = command.get_command(context, word) or command
        text = command.get_help(context).partition("Commands:")[2]
        assert "..." not in text, group.name
