"""The real program on a real pseudo-terminal: what it sends, and how it leaves the terminal behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = "import sys; from gpuq.client import Client; from gpuq_tui.app import run; sys.exit(run(Client(sys.argv[1])))"
LEFT_ALTERNATE_SCREEN = b"\x1b[?1049l"
COLOUR = re.compile(rb"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[\d;]*)?m")


def ended(socket: Path, end: Callable[[int, int], object], **environ: str) -> tuple[int, bytes, bool]:
    """Run the program without a gpuqd until it says so, `end(terminal, pid)` it; return status, output, echo."""
    terminal, inner = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {"PATH": os.environ["PATH"], "HOME": str(socket.parent), "TERM": "xterm", **environ}
    command = [sys.executable, "-c", PROGRAM, str(socket)]
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment) as process:
        output = b""
        while b"does not answer" not in output:
            output += os.read(terminal, 65536)
        end(terminal, process.pid)
        while LEFT_ALTERNATE_SCREEN not in output:
            output += os.read(terminal, 65536)
        status = process.wait()
    has_echo = bool(termios.tcgetattr(inner)[3] & termios.ECHO)
    os.close(inner)
    os.close(terminal)
    return status, output, has_echo


def pressed(keys: bytes) -> Callable[[int, int], object]:
    """Return what types `keys`."""
    return lambda terminal, _pid: os.write(terminal, keys)


@pytest.mark.parametrize("keys", [b"q", b"\x03"])
def test_it_leaves_the_terminal_as_it_was(tmp_path: Path, keys: bytes) -> None:
    status, _, has_echo = ended(tmp_path / "none.sock", pressed(keys), LANG="C.UTF-8")

    assert status == 0
    assert has_echo


def test_sigterm_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    status, _, has_echo = ended(tmp_path / "none.sock", lambda _, pid: os.kill(pid, signal.SIGTERM), LANG="C")

    assert status == 128 + signal.SIGTERM
    assert has_echo


def test_no_colour_and_no_letter_beyond_ascii_where_they_are_not_wanted(tmp_path: Path) -> None:
    _, output, _ = ended(tmp_path / "none.sock", pressed(b"q"), LANG="C", NO_COLOR="1")

    assert output.isascii()
    assert COLOUR.findall(output) == []


def test_the_terminal_s_own_size_counts_not_an_exported_one(tmp_path: Path) -> None:
    _, output, _ = ended(tmp_path / "none.sock", pressed(b"q"), LANG="C.UTF-8", COLUMNS="100", LINES="50")

    places = [(int(row), int(column)) for row, column in re.findall(rb"\x1b\[(\d+);(\d+)H", output)]
    assert max(row for row, _ in places) <= 24
    assert max(column for _, column in places) <= 80


def test_without_a_terminal_it_says_what_to_do_instead(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "none.sock")]

    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    assert "UsageError: gpuq top needs a terminal" in ran.stderr
