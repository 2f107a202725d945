"""`--watch`: the same command again and again in one place, until ctrl+c, without flicker."""

from __future__ import annotations

import sys
import time

from gpuq.cli import declare, terminal
from gpuq.errors import UnavailableError, UsageError
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO, TypeVar

    F = TypeVar("F", bound=Callable[..., object])

_USUAL_S = "2"
_SHORTEST_S, _LONGEST_S = 0.5, 3600.0
# Source: xterm, "Alternate Screen Buffer" and "DECTCEM".
_BEGIN, _END = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J", "\x1b[?25h\x1b[?1049l"


def watchable(command: F) -> F:
    """Give a command that prints for people the option `--watch [S]`."""

    @declare.option(
        "--watch",
        "every",
        is_flag=False,
        flag_value=_USUAL_S,
        metavar="[S]",
        help="Again every S seconds, until ctrl+c. [2]",
    )
    def watched(*args: object, every: str | None, **asked: object) -> object:
        if every is None:
            return command(*args, **asked)
        if asked.get("as_json") or asked.get("as_csv"):
            raise UsageError(
                "--watch is for people: leave out --json and --csv; `gpuq events --json` tells of changes."
            )
        repeat(lambda: command(*args, **asked), seconds(every))
        return None

    return declare.in_place_of(command, watched)  # pyright: ignore[reportReturnType] - it takes one thing more


def seconds(word: str) -> float:
    """Return a pause in seconds.

    Raises:
        UsageError: it is none, or too short or too long a one.
    """
    if word.replace(".", "", 1).isascii() and word.replace(".", "", 1).isdigit() and len(word) < 8:
        if _SHORTEST_S <= float(word) <= _LONGEST_S:
            return float(word)
        raise UsageError(f"--watch takes {_SHORTEST_S:g} to {_LONGEST_S:g} seconds.")
    raise UsageError(
        f"'{fit(clean(word), 60)}' is no number of seconds: put --watch behind all other words, or write --watch=2."
    )


def repeat(
    print_once: Callable[[], object],
    every_s: float,
    *,
    out: TextIO | None = None,
    size: Callable[[], tuple[int, int]] = terminal.size,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Print again and again: on a terminal in one place, else one below the other. Ends by an interrupt alone.

    A gpuqd that is away is waited for; what was seen last stays meanwhile.
    """
    stream = sys.stdout if out is None else out
    is_screen = stream.isatty()
    shown: list[str] | None = None
    try:
        for lines in _frames(print_once):
            if lines != shown:
                text = _drawn(lines, shown, size()[1]) if is_screen else "\n".join((*lines, "", ""))
                shown = lines  # before it is written: an interrupt may come right behind that
                stream.write(text)
                stream.flush()
            sleep(every_s)
    finally:
        if is_screen and shown is not None:
            stream.write(_END + "\n".join(shown) + "\n")
            stream.flush()


def _frames(print_once: Callable[[], object]) -> Iterator[list[str]]:
    lines: list[str] = []
    while True:
        try:
            with terminal.held() as said:
                print_once()
            lines = "\n".join(said).split("\n")
            yield lines
        except UnavailableError as error:
            yield [*lines, "", f"gpuq: {clean(str(error))}"]


def _drawn(lines: list[str], shown: list[str] | None, rows: int) -> str:
    """Return what makes a screen show `lines`, given what it shows: lines that stay as they are, are not sent."""
    before = [] if shown is None else shown[:rows]
    now = lines[:rows]
    if len(lines) > rows:
        now[-1] = f"... {len(lines) - rows + 1} more lines"
    parts = [_BEGIN] if shown is None else []
    for row, line in enumerate(now, 1):
        if row > len(before) or before[row - 1] != line:
            parts.append(f"\x1b[{row};1H{line}\x1b[K")
    if len(now) < len(before):
        parts.append(f"\x1b[{len(now) + 1};1H\x1b[J")
    return "".join(parts)
