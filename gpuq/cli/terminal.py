"""What is known of the terminal, and the only place that writes to it."""

from __future__ import annotations

import errno
import os
import sys

_LONGEST_ERROR = 1000  # what was typed may be in it, and be of any length
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def prepare() -> None:
    """Make letters that the output's encoding lacks come out as escapes instead of failing."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


_held: list[str] | None = None  # what is said while it is not to be written yet


class held:
    """Keep what is said within the block, as a list of texts, instead of writing it."""

    def __enter__(self) -> list[str]:
        global _held
        _held = []
        return _held

    def __exit__(self, *_: object) -> None:
        global _held
        _held = None


def say(text: str) -> None:
    """Write clean text and a line end to stdout."""
    if _held is not None:
        _held.append(text)
        return
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
        sys.stdout.write(text + "\n")


def say_ascii(text: bytes | memoryview) -> None:
    """Write ASCII and a line end to stdout, without making letters of megabytes of bytes."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
        return
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # a stdout that only takes letters
        sys.stdout.write(bytes(text).decode("ascii") + "\n")
    else:
        buffer.write(text)
        buffer.write(b"\n")


def say_bytes(data: bytes) -> None:
    """Write the bytes of a file to stdout; on a terminal as clean text."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
        return
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or is_terminal():
        from gpuq.text import clean

        say_part(clean(data.decode("utf-8", "backslashreplace"), keep="\n\t"))
        return
    sys.stdout.flush()
    buffer.write(data)


def say_part(text: str) -> None:
    """Write clean text to stdout at once, without a line end."""
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
        sys.stdout.write(text)
        sys.stdout.flush()


def say_json(value: Any) -> None:
    """Write a JSON document as one line; ASCII only, so nothing in it can act on a terminal."""
    from gpuq.quick_json import dumps

    say(dumps(value))


def say_error(message: str) -> None:
    """Write one line for a person to stderr, whatever the message holds."""
    from gpuq.text import clean, fit

    flush()
    print(f"gpuq: {fit(clean(message), _LONGEST_ERROR)}", file=sys.stderr)


def says_yes(question: str) -> bool:
    """Ask a person, and return whether the answer is yes; whatever else is typed is no."""
    try:
        return input(f"{question} [y/N]: ").strip().lower() in ("y", "yes")
    except EOFError:
        say("")
        return False


def flush() -> None:
    """Write what is held back, so that a closed pipe or a full disk shows here."""
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
        sys.stdout.flush()


def close_output() -> None:
    """Let nothing more be written to a pipe that nobody reads, or Python complains at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def report_full(error: OSError) -> int:
    """Say that output could not be written and return the exit code; any other error is raised again."""
    if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG):
        raise error
    close_output()
    print(f"gpuq: Cannot write the output: {error.strerror}.", file=sys.stderr)
    return 1


def is_terminal() -> bool:
    """Whether a person may be looking at stdout."""
    return sys.stdout is not None and sys.stdout.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def is_conversation() -> bool:
    """Whether a person can be asked: both ends are a terminal."""
    return is_terminal() and sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def width() -> int | None:
    """Return the columns of the terminal; None where output is not to be cut: in a pipe or a file."""
    if not is_terminal():
        return None
    return size()[0]


def size() -> tuple[int, int]:
    """Return columns and rows, $COLUMNS and $LINES first, 80 x 24 where they are not known.

    As `shutil.get_terminal_size`, which costs the import of every kind of archive.
    """
    try:
        found = os.get_terminal_size(1)
    except OSError:
        found = (80, 24)
    return _named_size("COLUMNS") or found[0] or 80, _named_size("LINES") or found[1] or 24


def _named_size(variable: str) -> int:
    word = os.environ.get(variable, "")
    return int(word) if word.isascii() and word.isdigit() and len(word) < 5 else 0


def is_utf8() -> bool:
    """Whether the terminal shows UTF-8, by its locale.

    Python sets LC_CTYPE=C.UTF-8 itself where the locale is plain C (PEP 538); that says nothing of the terminal.
    """
    env = os.environ
    named = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    if named == "C.UTF-8" and not env.get("LC_ALL") and env.get("LANG", "C") in ("", "C", "POSIX"):
        return False
    return "utf8" in named.lower().replace("-", "") and "utf" in (sys.stdout.encoding or "").lower()


def has_color() -> bool:
    """Whether colour is welcome: a terminal, and NO_COLOR not set. Source: no-color.org."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
