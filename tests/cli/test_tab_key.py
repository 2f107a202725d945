"""The tab key, pressed in real shells where they are installed, with what `gpuq completions` prints."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Gpuqd, plain_gpuqd, short_folder
from tests.support.tmux import TMUX, Terminal

# How each begins, without the settings of whoever runs the tests, and what is typed into it first.
_SHELLS = {
    "bash": (["bash", "--norc", "--noprofile"], "source <(gpuq completions bash)"),
    "zsh": (
        ["zsh", "-f"],
        "mkdir ~/f && gpuq completions zsh > ~/f/_gpuq && fpath=(~/f $fpath) && autoload -Uz compinit && compinit -u",
    ),
    "fish": (["fish", "--no-config"], "gpuq completions fish | source"),
}
pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        daemon.enqueue("def main_fun(args, ctx):\n    pass\n", hold=True)
        yield daemon


@pytest.mark.parametrize("shell", _SHELLS)
def test_the_tab_key_completes_verbs_options_and_jobs(gpuqd: Gpuqd, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    argv, first = _SHELLS[shell]
    with short_folder() as home:
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        environment = {"HOME": str(home), "PATH": path, "GPUQ_SOCKET": gpuqd.client.path, "PS1": "> ", "GPUQ_HOST": ""}
        with Terminal(home, argv, size=(160, 24), env={**environment, "XDG_CONFIG_HOME": str(home)}) as terminal:
            terminal.type(first, "Enter")
            terminal.type("echo rea''dy", "Enter")
            terminal.shows("\nready")
            for typed, completed in (
                ("gpuq relea", "gpuq release"),
                ("gpuq queue --no-h", "gpuq queue --no-header"),
                ("gpuq cancel ", "gpuq cancel 1"),
            ):
                terminal.type(typed, "Tab")
                terminal.shows(completed)
                terminal.type("C-u")
                terminal.shows_no_more(completed)
            assert "rror" not in terminal.text()
