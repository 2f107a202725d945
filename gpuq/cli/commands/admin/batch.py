"""`gpuq admin batch`."""

from __future__ import annotations

import shlex
import sys

from gpuq.cli import declare, run, terminal
from gpuq.cli.commands import ROOT
from gpuq.cli.reading import read
from gpuq.errors import GpuqError, UsageError
from gpuq.progress import Progress
from gpuq.text import clean, fit

_LONGEST = 1024 * 1024
_MOST_LINES = 10_000


@declare.command("batch", short_help="Run lines of gpuq from a file.")
@declare.argument("file", metavar="FILE|-")
@declare.option("--dry-run", is_flag=True, help="Look at every line, run none.")
@declare.option("--keep-going", "-k", is_flag=True, help="Go on behind a line that fails.")
def command(file: str, dry_run: bool, keep_going: bool) -> int:
    """Run lines of gpuq from FILE (`-`: from stdin), as in `admin account add vision --shares 3`.

    Empty lines and what follows a # are left out, and a leading `gpuq` may stand there. All lines are looked at before
    the first is run: where one is no line of gpuq, none is run. It stops at the first that fails, with its exit code.
    """
    lines = _lines(_text(file), file)
    if dry_run:
        for number, words in lines:
            terminal.say(clean(f"line {number}: gpuq {shlex.join(words)}"))
        return 0
    if terminal.is_terminal():  # what each line says is told there
        return _run(lines, keep_going)
    with Progress(f"Running lines of {fit(clean(file), 60)}") as progress:
        return _run(lines, keep_going, progress)


def _run(lines: list[tuple[int, list[str]]], keep_going: bool, progress: Progress | None = None) -> int:
    """Run the lines, and return the exit code of the first that failed; `progress` is told how far that is."""
    code = 0
    for place, (number, words) in enumerate(lines):
        if progress is not None:
            progress.done, progress.part = f"{place} of {len(lines)}", place / len(lines)
        try:
            failed = run(words)
        except GpuqError as error:
            terminal.say_error(f"line {number}: {error}")
            failed = error.exit_code
        code = code or failed
        if failed and not keep_going:
            left = sum(after > number for after, _ in lines)
            if left:
                terminal.say_error(f"Stopped at line {number}: {left} more were not run; --keep-going runs them too.")
            break
    return code


def _text(file: str) -> str:
    try:
        if file == "-":
            content = sys.stdin.buffer.read(_LONGEST + 1)
        else:
            with open(file, "rb") as stream:
                content = stream.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise UsageError(f"{clean(file)} is larger than 1 MiB: make several of it.")
        return content.decode()
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise UsageError(f"{clean(file)} is not UTF-8 text.") from error
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"Cannot read {clean(file)}: {why}.") from error


def _check(words: list[str]) -> None:
    """Look at a line without running it.

    Raises:
        UsageError: it is none.
    """
    if read(ROOT, words) is None:
        from gpuq.cli.group import checked

        checked(words)


def _lines(text: str, file: str) -> list[tuple[int, list[str]]]:
    """Return the number and the words of each line that says something.

    Raises:
        UsageError: one is no line of gpuq.
    """
    found: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
            words = words[1:] if words[:1] == ["gpuq"] else words
            if words[:2] == ["admin", "batch"] or {"--help", "-h", "--version", "-V"} & set(words):
                raise UsageError(f"`{shlex.join(words[:3])}` does not belong into a batch.")
            if words:
                _check(words)
                found.append((number, words))
        except (ValueError, UsageError) as error:
            why = "a quotation mark is not closed." if isinstance(error, ValueError) else str(error)
            raise UsageError(f"{fit(clean(file), 200)} line {number}: {why}") from error
    if len(found) > _MOST_LINES:
        raise UsageError(f"{clean(file)} has {len(found)} lines to run; at most {_MOST_LINES} are run at once.")
    return found
