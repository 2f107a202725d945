"""`--watch` shows the newest in one place, sends only what changes, and leaves the terminal as it was."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from gpuq.cli import terminal
from gpuq.cli.watching import repeat, seconds
from gpuq.errors import UnavailableError, UsageError
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, a_cluster, as_json


class Screen(io.StringIO):
    """A terminal that keeps what it is sent."""

    def isatty(self) -> bool:
        return True


def says(*frames: str) -> Callable[[], None]:
    """Return what says one frame after the other; an empty one is a daemon that is away."""
    left = iter(frames)

    def say() -> None:
        text = next(left)
        if not text:
            raise UnavailableError("No gpuqd.")
        terminal.say(text)

    return say


def watched(out: io.StringIO, *frames: str, rows: int = 10) -> str:
    """Return what is sent until ctrl+c comes after the last frame."""
    pauses = iter(range(len(frames) - 1))

    def sleep(_: float) -> None:
        if next(pauses, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repeat(says(*frames), 2.0, out=out, size=lambda: (80, rows), sleep=sleep)
    return out.getvalue()


def test_a_screen_is_sent_what_has_changed_alone_and_is_given_back() -> None:
    sent = watched(Screen(), "head\na\nb", "head\na\nb", "head\nx\nb", "head")

    assert sent.startswith("\x1b[?1049h\x1b[?25l")
    assert sent.count("head") == 2  # once drawn, once left behind
    assert sent.count("\x1b[2;1Hx\x1b[K") == 1
    assert "\x1b[2;1H\x1b[J" in sent
    assert sent.endswith("\x1b[?25h\x1b[?1049lhead\n")


def test_what_is_longer_than_the_screen_says_how_much_is_not_seen() -> None:
    assert "... 3 more lines" in watched(Screen(), "1\n2\n3\n4\n5", rows=3)


def test_a_daemon_that_is_away_is_waited_for_and_the_last_stays() -> None:
    sent = watched(Screen(), "all", "", "well")

    assert "gpuq: No gpuqd." in sent
    assert "\x1b[1;1Hwell" in sent


def test_a_pipe_gets_one_below_the_other_and_no_codes() -> None:
    assert watched(io.StringIO(), "a", "a", "b") == "a\n\nb\n\n"


@pytest.mark.parametrize("word", ["x", "0", "-1", "9999", "1e9", "nan", "", "gpus>4", "١"])
def test_what_is_no_pause_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        seconds(word)


def test_json_is_not_watched(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    done = gpuq("nodes", "--json", "--watch")

    assert (done.code, "gpuq events --json" in done.err) == (2, True)


def test_an_interrupt_on_a_terminal_ends_it_with_130_and_the_cursor_back(daemon: FakeDaemon) -> None:
    daemon.answers |= {"GET /v1/cluster": as_json(a_cluster()), "GET /v1/drains": {"drains": []}}
    ours, theirs = pty.openpty()
    heard = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"  # ignored in background jobs
    code = f"{heard}; from gpuq.cli import main; sys.exit(main(sys.argv[1:]))"
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "nodes", "--watch", "0.5"], stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    sent = b""
    while b"NODE" not in sent:
        sent += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    try:
        while chunk := os.read(ours, 4096):
            sent += chunk
    except OSError:  # Linux' way to say that nobody is at the other end
        pass
    os.close(ours)

    assert process.wait(20) == 130
    assert b"Traceback" not in sent
    assert b"\x1b[?25h\x1b[?1049l" in sent
