"""The documents of this project as values: their blocks, the lines of gpuq in them, their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("gpuq", "gpuqd")
# Walked through on real Spark; every other page on a gpuqd without it.
TUTORIAL, FIRST_DAY = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "install.md"

_FENCE = re.compile(r"^ *```(?P<language>[^\s`]*)[^`]*$")
_INLINE = re.compile(r"`(gpuqd? [^`\n]+)`")
_LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)\)")
_ENDS_A_COMMAND = frozenset(";|&()\n")


@dataclass(frozen=True)
class Block:
    """What stands between two fences: `line` is that of its first line in the file, from 1."""

    file: str
    line: int
    language: str
    text: str


def documents() -> tuple[Path, ...]:
    """Return every document that people read."""
    return (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


def blocks(file: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a document in their order.

    Raises:
        ValueError: the last one has no end.
    """
    language, start, held = "", 0, list[str]()
    is_inside = False
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and not is_inside:
            language, start, held, is_inside = fence["language"], number + 1, [], True
        elif fence:
            yield Block(file.name, start, language, "\n".join(held))
            is_inside = False
        elif is_inside:
            held.append(line)
    if is_inside:
        raise ValueError(f"{file.name}:{start}: this block has no end")


def links(file: Path) -> Iterator[tuple[int, str]]:
    """Yield where a document leads to, each with its line."""
    inside = {number for block in blocks(file) for number in range(block.line, block.line + block.text.count("\n") + 1)}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if number not in inside:
            yield from ((number, found) for found in _LINK.findall(line))


def inline_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield what looks like a line of gpuq within a document's prose, each with its line."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        yield from ((number, found) for found in _INLINE.findall(line))


def is_shell(block: Block) -> bool:
    """Whether a block holds what people type."""
    return block.language in ("sh", "console") and not is_program(block)


def is_program(block: Block) -> bool:
    """Whether a block is a whole program, as its first line says."""
    return block.text.startswith("#!")


def typed(block: Block) -> str:
    """Return what is typed: of a block with prompts what follows them, else all of it."""
    lines = block.text.splitlines()
    if not any(line.startswith("$ ") for line in lines):
        return block.text
    return "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def lines_of_gpuq(text: str) -> Iterator[list[str]]:
    """Yield the words of each gpuq and gpuqd command in a piece of shell, its own name first."""
    text = text.replace("\\\n", " ")
    words: list[str] = []
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&()<>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        is_target = False
        for token in (*lexer, "\n"):
            if set(token) <= _ENDS_A_COMMAND:
                yield from _of_gpuq(words)
                words = []
            elif set(token) <= set("<>"):
                is_target = True
            elif is_target:
                is_target = False
            else:
                words.append(token)


def _of_gpuq(words: list[str]) -> Iterator[list[str]]:
    """Yield a command if it is one of ours, without what sets its environment."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    name = words[0].rpartition("/")[2] if words else ""
    if name in PROGRAMS:
        yield [name, *words[1:]]
