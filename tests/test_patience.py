"""What takes longer than a second says so, in a real terminal, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Gpuqd, plain_gpuqd, short_folder, until
from tests.support.tmux import TMUX, Terminal

GPUQ = str(Path(sys.executable).with_name("gpuq"))
_SCRIPT = "def main_fun(args, ctx):\n    pass\n"

pytestmark = [
    pytest.mark.skipif(TMUX is None, reason="tmux is not installed"),
    pytest.mark.skipif(not os.path.exists(GPUQ), reason="the command gpuq is not installed"),
]


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


@pytest.fixture
def home() -> Iterator[Path]:
    with short_folder() as folder:
        (folder / "train.py").write_text(_SCRIPT)
        (folder / "beside").mkdir()
        for number in range(900):
            (folder / "beside" / f"{number}.py").write_text("x = 1\n" * 100)
        yield folder


def typed(home: Path, gpuqd: Gpuqd, *words: str) -> Terminal:
    """Return a terminal in which a line of gpuq is typed."""
    environment = {"GPUQ_SOCKET": gpuqd.client.path, "HOME": str(home), "XDG_CONFIG_HOME": "", "GPUQ_HOST": ""}
    line = f'{shlex.join([GPUQ, *words])}; echo "ended with $?"; read _'
    return Terminal(home, ["sh", "-c", f"trap : INT; {line}"], env=environment)


@pytest.mark.parametrize("more", [(), ("--files", "beside")])
def test_a_job_that_takes_long_to_be_queued_says_what_goes_on(
    gpuqd: Gpuqd, home: Path, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    with contextlib.ExitStack() as stillness:
        stillness.enter_context(gpuqd.standing_still())
        with typed(home, gpuqd, "enqueue", "--hold", *more, "train.py") as terminal:
            terminal.shows("Waiting for gpuqd")
            stillness.close()
            screen = terminal.shows("ended with 0")
    assert "Waiting" not in screen
    assert "(train): 1 worker x 1 GPU" in screen


def test_ctrl_c_while_it_waits_ends_it_at_once_and_clears_the_line(
    gpuqd: Gpuqd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    with gpuqd.standing_still(), typed(home, gpuqd, "queue", "--json") as terminal:
        terminal.shows("Waiting for gpuqd")
        terminal.type("C-c")
        screen = terminal.shows("ended with 130")
    assert "Waiting" not in screen
    assert "Traceback" not in screen


def test_ctrl_c_while_a_file_is_written_leaves_none_of_it(
    gpuqd: Gpuqd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    job = gpuqd.enqueue(_SCRIPT)
    gpuqd.ended(job)
    with gpuqd.standing_still(), typed(home, gpuqd, "report", str(job), "--html", "page.html") as terminal:
        terminal.shows("Waiting for gpuqd")
        terminal.type("C-c")
        terminal.shows("ended with 130")
    with gpuqd.standing_still(), typed(home, gpuqd, "usage", "--parquet", "usage.parquet") as terminal:
        until(lambda: bool(list(home.glob("usage.parquet.*.part"))), timeout_s=60, what="a file that is begun")
        terminal.shows("Writing usage.parquet")
        terminal.type("C-c")
        terminal.shows("ended with 130")

    assert not [name for name in os.listdir(home) if name.startswith(("page", "usage"))]
