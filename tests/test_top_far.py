"""`gpuq top` as people use it: in a tmux, over a real SSH, on lines that are slow and that break."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuq.client_admin import AdminClient
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.support.slow_line import SlowLine
from tests.support.sshd import SSHD, Sshd
from tests.support.tls import a_free_port
from tests.support.tmux import TMUX, Terminal

pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="there is no OpenSSH server here (Debian's openssh-server)"),
    pytest.mark.skipif(TMUX is None, reason="there is no tmux here"),
]
ME = pwd.getpwuid(os.geteuid()).pw_name
SLEEPS = "import time\ndef main_fun(args, ctx):\n    while True:\n        time.sleep(0.1)\n"
DELAY_S = 0.1  # each way: 200 ms from a key to what it does


class Far:
    """A gpuqd on a host that is reached by SSH alone, over a line that is slow and can be cut."""

    def __init__(self, gpuqd: Gpuqd, sshd: Sshd, line: SlowLine) -> None:
        self.gpuqd, self.sshd, self.line = gpuqd, sshd, line

    def streams(self) -> int:
        """Return how many listen to gpuqd."""
        return int(AdminClient(self.gpuqd.client.path).diag()["streaming"])

    def there(self, folder: Path) -> Terminal:
        """Return a terminal with `gpuq top` run on the far host."""
        far = f"env GPUQ_SOCKET={self.gpuqd.client.path} XDG_CONFIG_HOME={folder}/far LANG=C.UTF-8 gpuq top"
        return Terminal(folder, [self.sshd.ssh, "-tt", "-p", str(self.line.port), f"{ME}@127.0.0.1", far])

    def here(self, folder: Path) -> Terminal:
        """Return a terminal with `gpuq top` run here, which asks the far host over SSH."""
        host = f"ssh://{ME}@127.0.0.1:{self.line.port}{self.gpuqd.client.path}"
        path = f"{Path(self.sshd.ssh).parent}:{os.environ['PATH']}"
        gpuq = shutil.which("gpuq", path=path)
        assert gpuq is not None
        env = {"PATH": path, "XDG_CONFIG_HOME": f"{folder}/here", "LANG": "C.UTF-8"}
        return Terminal(folder, [gpuq, "--host", host, "top"], env=env)


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    port = a_free_port()
    with plain_gpuqd() as gpuqd, Sshd(gpuqd.folder, port) as sshd, SlowLine(port, delay_s=DELAY_S) as line:
        sshd.know_as(line.port)
        gpuqd.enqueue(SLEEPS, name="first-job", hold=True)
        yield Far(gpuqd, sshd, line)


def test_over_ssh_with_200_ms_of_delay_keys_typed_ahead_do_what_they_say(far: Far, tmp_path: Path) -> None:
    with far.there(tmp_path) as terminal:
        terminal.shows("first-job", "live, <")
        terminal.type("Enter", "T", "q", "q", "?")
        terminal.shows("Keys (esc closes)")
        terminal.type("q", ":", *"show 1", "Enter")
        terminal.shows("gpuq show 1", "job.py")
        terminal.type("q")
        terminal.shows("[1 Queue]")
        terminal.paste("xc\nyq")  # a paste is no key
        terminal.resize(120, 40)
        text = terminal.shows("Jobs 1 of 1")
        assert far.gpuqd.client.job(1)["state"] == "PENDING"
        assert max(map(len, text.splitlines())) <= 120
        terminal.type("q")
        assert terminal.ended() == 0


def test_a_broken_line_leaves_no_top_behind_on_the_far_host(far: Far, tmp_path: Path) -> None:
    with far.there(tmp_path) as terminal:
        terminal.shows("first-job", "live, <")
        until(lambda: far.streams() == 1, timeout_s=30, what="one who listens")

        with far.line.cut():
            assert terminal.ended() == 255
            until(lambda: far.streams() == 0, timeout_s=60, what="the end of who listened")


def test_a_line_that_comes_back_is_taken_up_again_and_says_so_meanwhile(far: Far, tmp_path: Path) -> None:
    with far.here(tmp_path) as terminal:
        terminal.shows("first-job", "live, <")

        with far.line.cut():
            terminal.shows("gpuqd does not answer", "reconnecting", "first-job")
            job_id = far.gpuqd.enqueue(SLEEPS, name="meanwhile", hold=True)
            assert "meanwhile" not in terminal.text()

        terminal.shows("meanwhile", "live, <")
        far.gpuqd.client.cancel(job_id)
        terminal.shows_no_more("meanwhile")


@pytest.mark.parametrize("term", ["screen", "xterm", "xterm-256color"])
def test_a_plain_terminal_in_the_c_locale_gets_ascii_alone(far: Far, tmp_path: Path, term: str) -> None:
    gpuq = shutil.which("gpuq", path=f"{far.gpuqd.folder}/bin")
    assert gpuq is not None
    env = {"GPUQ_SOCKET": far.gpuqd.client.path, "XDG_CONFIG_HOME": str(tmp_path), "LANG": "C", "NO_COLOR": "1"}
    with Terminal(tmp_path, ["env", "-u", "LC_ALL", gpuq, "top"], term=term, env=env) as terminal:
        text = terminal.shows("first-job", "live, <")
        assert text.isascii()
        terminal.type("q")
        assert terminal.ended() == 0
