"""Walk through a document as a reader does: every block that is typed, in order, in one shell."""

from __future__ import annotations

import os
import re
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.support.documents import Block, blocks, is_shell
from tests.support.unrun import reason_not_to_run

_ELLIPSIS = "..."
# Of several commands the shell tells the last one's end only; here none may fail.
_EACH = "failed=0; trap 'failed=$?; echo \"(ended with $failed) $BASH_COMMAND\"' ERR"
# What differs from one run to the next: times of the day, spans, fractions, process ids, and the user.
_PASSING = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|\d+\.\d+|pid \d+")
# What changes nothing is typed again, as a reader would, until what takes a moment has come.
_LOOKS = re.compile(r"(?:gpuq (?:queue|why|when|plot|show|nodes|prio|share)|curl)\b")
_COMES_WITHIN_S = 60


@dataclass(frozen=True)
class Step:
    """One thing that is typed, and what the document says that the screen then says (all of it in order)."""

    where: str
    typed: str
    said: tuple[str, ...]


def steps(file: Path, instead: Mapping[str, str]) -> Iterator[Step]:
    """Yield what a document has its reader type: `sh` blocks whole, `console` blocks by their prompts.

    `instead` are words that the test has others for, as of folders that are the whole machine's.
    """
    for block in blocks(file):
        if not is_shell(block) or reason_not_to_run(block) is not None:
            continue
        for text, replacement in instead.items():
            block = replace(block, text=re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", replacement, block.text))
        if block.language == "sh":
            yield Step(f"{block.file}:{block.line}", f"{_EACH}\n{block.text}\ntrap - ERR; (exit $failed)", ())
        else:
            yield from _prompts(block)


def _prompts(block: Block) -> Iterator[Step]:
    typed, said, at = "", list[str](), block.line
    for number, line in enumerate([*block.text.splitlines(), "$ "], block.line):
        if not line.startswith("$ "):
            said.append(line)
            continue
        if typed:
            yield Step(f"{block.file}:{at}", typed, tuple(said))
        typed, said, at = line.removeprefix("$ "), [], number


def differs(said: tuple[str, ...], screen: str) -> str | None:
    """Return the first line that a document names and the screen lacks after the one before; None if all are there.

    Spaces count as one, what passes (times, fractions) as any; three dots stand for anything.
    """
    shown = iter(_plain(line) for line in screen.splitlines())
    for line in said:
        if line.strip() in ("", _ELLIPSIS):
            continue
        wanted = re.compile(".*".join(re.escape(part.strip()) for part in _plain(line).split(_ELLIPSIS)))
        if not any(wanted.fullmatch(one) for one in shown):
            return line
    return None


def _plain(line: str) -> str:
    return " ".join(_PASSING.sub("#", line).split())


class Reader:
    """A shell that a document's reader types into, in a home of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._mark = f"--{secrets.token_hex(8)}--"
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **environment},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the shell, and what runs in front of it."""
        if self._shell.poll() is None:
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        for pipe in (self._shell.stdin, self._shell.stdout):
            if pipe is not None:
                pipe.close()

    def type(self, text: str, *, timeout_s: float = 240) -> tuple[str, int]:
        """Type something and return what the screen says, and the exit code.

        Raises:
            AssertionError: it does not end in time, or the shell has ended.
        """
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        line = f"{{ {text}\n}} </dev/null\nprintf '%s %s\\n' '{self._mark}' $?\n"
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()
        screen, deadline = b"", time.monotonic() + timeout_s
        ending = re.compile(rf"(.*){self._mark} (\d+)\n$".encode(), re.DOTALL)
        while not (ended := ending.match(screen)):
            ready, _, _ = select.select([self._shell.stdout], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._shell.stdout.fileno(), 65_536) if ready else b""
            assert piece, f"no end of `{text}` after {timeout_s:g} s:\n{screen.decode(errors='replace')}"
            screen += piece
        return ended[1].decode(errors="replace"), int(ended[2])


def walk(file: Path, reader: Reader, instead: Mapping[str, str]) -> None:
    """Type all that a document has its reader type.

    Raises:
        AssertionError: a command fails, or the screen does not say what the document says.
    """
    found = list(steps(file, instead))
    assert found, f"{file.name} has nothing to type"
    for step in found:
        screen, code = reader.type(step.typed)
        assert code == 0, f"{step.where}: `{step.typed}` ended with {code}:\n{screen}"
        deadline = time.monotonic() + _COMES_WITHIN_S
        while (missing := differs(step.said, screen)) is not None and _LOOKS.match(step.typed):
            assert time.monotonic() < deadline, f"{step.where}: `{step.typed}` does not say `{missing}`, but:\n{screen}"
            screen, code = reader.type(step.typed)
        assert missing is None, f"{step.where}: `{step.typed}` does not say `{missing}`, but:\n{screen}"
