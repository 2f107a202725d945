"""What takes long says so: in place on a terminal, a line at times elsewhere, and never where the result goes."""

from __future__ import annotations

import io

from gpuq.progress import Progress


class Screen(io.StringIO):
    """A terminal that keeps what it is sent."""

    def isatty(self) -> bool:
        return True


class Closed(Screen):
    """A terminal that has gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def told(out: io.StringIO, *times: float) -> list[str]:
    """Return what is said at these moments after the beginning."""
    clock = iter((0.0, *times))
    progress = Progress("Writing x", out=out, clock=lambda: next(clock))
    progress._began = next(clock)  # pyright: ignore[reportPrivateUsage] - without its thread
    seen: list[str] = []
    for _ in times:
        before = len(out.getvalue())
        progress.done = "3.0 MiB"
        progress.tell()
        seen.append(out.getvalue()[before:])
    return seen


def test_a_terminal_is_told_after_a_second_and_in_one_place() -> None:
    first, second, third, fourth = told(Screen(), 0.6, 1.1, 1.2, 2.0)

    assert (first, third) == ("", "")
    assert second == "\rWriting x, 3.0 MiB, 1 s ...\x1b[K"
    assert fourth.startswith("\r")


def test_a_pipe_gets_a_plain_line_now_and_then() -> None:
    assert told(io.StringIO(), 2.0, 16.0, 17.0, 32.0) == [
        "", "gpuq: Writing x, 3.0 MiB, 16 s ...\n", "", "gpuq: Writing x, 3.0 MiB, 32 s ...\n",
    ]  # fmt: skip


def test_what_is_quick_says_nothing_and_a_terminal_that_has_gone_harms_nothing() -> None:
    out = Screen()
    with Progress("x", out=out):
        pass
    assert out.getvalue() == ""

    clock = iter((0.0, 5.0))
    with Progress("x", out=Closed(), clock=lambda: next(clock)) as progress:
        progress.tell()
