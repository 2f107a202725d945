"""Every line of gpuq in every document is one that the command line takes, and every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from gpuq.cli.group import checked, root
from gpuq.errors import UsageError
from gpuq_daemon.main import cli as gpuqd
from reference.pages import pages
from tests.support.documents import (
    ROOT,
    blocks,
    documents,
    inline_lines,
    is_shell,
    lines_of_gpuq,
    links,
    typed,
)

_ELLIPSIS = ("...", "…")


def looked_at(words: list[str]) -> None:
    """Parse a whole command line, as if it were to be run.

    Raises:
        UsageError, click.ClickException: it would be refused.
    """
    program, *rest = words
    if program == "gpuqd":
        _resolved(gpuqd, rest)
        return
    if rest[:1] == ["--host"]:
        rest = rest[2:]
    if rest and not {"-h", "--help", "--version"} & set(rest):
        checked(rest)


def mentioned(words: list[str]) -> None:
    """Look whether the verbs and the options of a line exist; arguments may be missing, as in prose.

    Raises:
        AssertionError: one does not.
    """
    program, *rest = words
    command: click.Command = gpuqd if program == "gpuqd" else root
    context = click.Context(command)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-") and rest[0] != "VERB":
        found = command.get_command(context, rest[0])
        assert found is not None, f"there is no {rest[0]!r}"
        command, rest = found, rest[1:]
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    own = rest[: rest.index("--")] if "--" in rest else rest
    for word in own:
        name = word.partition("=")[0]
        if re.fullmatch(r"--[a-z][a-z-]*", name):
            assert name in options | {"--help", "--host", "--version"}, f"{command.name} has no option {name}"


def _resolved(group: click.Group, words: list[str]) -> None:
    context = click.Context(group)
    _, command, rest = group.resolve_command(context, words)
    assert command is not None
    command.make_context(words[0], rest, parent=context)


@pytest.mark.parametrize("file", documents(), ids=lambda file: file.name)
def test_every_line_of_gpuq_in_a_block_is_one_that_it_takes(file: Path) -> None:
    wrong: list[str] = []
    for block in blocks(file):
        for words in lines_of_gpuq(typed(block)) if is_shell(block) else ():
            if any(word in _ELLIPSIS for word in words):
                continue
            try:
                looked_at(words)
            except click.BadParameter as error:  # a file that the reader has
                if not isinstance(error.param and error.param.type, click.Path):
                    wrong.append(f"{block.file}:{block.line}: {' '.join(words)}: {error}")
            except (UsageError, click.ClickException) as error:
                wrong.append(f"{block.file}:{block.line}: {' '.join(words)}: {error}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", documents(), ids=lambda file: file.name)
def test_every_verb_and_option_that_prose_names_exists(file: Path) -> None:
    wrong: list[str] = []
    for number, text in inline_lines(file):
        for words in lines_of_gpuq(text.replace("\\|", "|")):
            try:
                mentioned(words)
            except AssertionError as error:
                wrong.append(f"{file.name}:{number}: {text}: {error}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", documents(), ids=lambda file: file.name)
def test_every_block_for_a_shell_is_one_that_bash_can_read(file: Path) -> None:
    for block in blocks(file):
        if block.language in ("sh", "console"):
            done = subprocess.run(["bash", "-n"], input=typed(block), capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{block.file}:{block.line}: {done.stderr}"


@pytest.mark.parametrize("file", documents(), ids=lambda file: file.name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(file: Path) -> None:
    wrong: list[str] = []
    for number, link in links(file):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (file.parent / path).resolve() if path else file
        made = pages().get(path) if file.parent == ROOT / "docs" else None
        is_there = made is not None or (target.is_relative_to(ROOT) and target.exists())
        if not is_there or (anchor and anchor not in headings(made or target.read_text(encoding="utf-8"))):
            wrong.append(f"{file.name}:{number}: {link}")

    assert not wrong, "\n".join(wrong)


def headings(text: str) -> set[str]:
    """Return what a document's headings can be linked to by."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def test_lines_are_found_wherever_they_stand_in_a_shell() -> None:
    text = "X=1 gpuq queue | wc -l; /opt/gpuq/bin/gpuqd check --config f > out && gpuq why 2  # gpuq nonsense\n"
    text += "gpuq enqueue a.py \\\n  -w 2 -- '--lr 1;2'\n"

    assert list(lines_of_gpuq(text)) == [
        ["gpuq", "queue"],
        ["gpuqd", "check", "--config", "f"],
        ["gpuq", "why", "2"],
        ["gpuq", "enqueue", "a.py", "-w", "2", "--", "--lr 1;2"],
    ]


@pytest.mark.parametrize("line", ["gpuq frobnicate", "gpuq queue --colour", "gpuq admin node explode", "gpuqd serv"])
def test_a_line_that_is_none_is_found(line: str) -> None:
    with pytest.raises((UsageError, click.ClickException)):
        looked_at(line.split())
    with pytest.raises(AssertionError):
        mentioned(line.split())
