"""The shim starts a command once, ends all that descends from it, and says how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon import processes, shim

# Each stands for a stubborn part of a job: it ignores SIGTERM and has left its parent's group and session.
STUBBORN = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
ORPHAN = STUBBORN + "os.setsid(); os.fork() and os._exit(0); open('orphan', 'w').write('x'); signal.pause()"


class Shimmed:
    """An attempt's folder, with Python code as its command."""

    def __init__(self, folder: Path, code: str, *, grace_s: float = 0.2) -> None:
        self.folder = folder
        self.token = f"t{os.getpid()}x{folder.name}"
        launch: dict[str, Any] = {
            "argv": [sys.executable, "-I", "-S", "-c", code],
            "env": {"GPUQ_ATTEMPT": self.token},
            "cwd": str(folder),
            "output": "driver.log",
            "grace_s": grace_s,
        }
        self.path = folder / "launch.json"
        self.path.write_text(json.dumps(launch))

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-I", "-S", shim.__file__, str(self.path)], start_new_session=True)

    def run(self) -> int:
        with self.start() as process:
            return process.wait(timeout=20)

    def exit(self) -> tuple[int | None, int | None]:
        ended = json.loads((self.folder / "exit.json").read_text())
        assert ended["ended_at"] > 0
        return ended["exit_code"], ended["signal"]

    def log(self) -> str:
        return (self.folder / "driver.log").read_text()

    def living(self) -> list[int]:
        return [process.pid for process in processes.marked(self.token)]

    def until(self, claim: Callable[[], object]) -> None:
        for _ in range(1_000_000):
            if claim():
                return
        raise AssertionError(f"did not happen: {os.listdir(self.folder)}")


def test_the_exit_code_and_the_output_are_kept(tmp_path: Path) -> None:
    shimmed = Shimmed(tmp_path, "import os; print('hello', os.getcwd()); raise SystemExit(7)")

    assert shimmed.run() == 0

    assert shimmed.exit() == (7, None)
    assert shimmed.log() == f"hello {tmp_path}\n"


def test_a_signal_is_told_as_such(tmp_path: Path) -> None:
    shimmed = Shimmed(tmp_path, "import os; os.kill(os.getpid(), 9)")

    shimmed.run()

    assert shimmed.exit() == (None, 9)


def test_what_cannot_be_started_ends_with_127_and_says_why(tmp_path: Path) -> None:
    shimmed = Shimmed(tmp_path, "")
    shimmed.path.write_text(json.dumps({"argv": ["/no/such"], "env": {}, "cwd": "/"}))

    shimmed.run()

    assert shimmed.exit() == (127, None)
    assert shimmed.log() == "Cannot start /no/such: No such file or directory.\n"


def test_the_claim_names_the_shim(tmp_path: Path) -> None:
    shimmed = Shimmed(tmp_path, "input()")
    with shimmed.start() as process:
        shimmed.until((tmp_path / "claim").exists)
        identity = processes.identify(process.pid)

        assert identity is not None
        assert (tmp_path / "claim").read_text() == f"{process.pid} {identity.start_time} {identity.boot_id}\n"


def test_a_claimed_attempt_is_not_started_again(tmp_path: Path) -> None:
    shimmed = Shimmed(tmp_path, "print('started')")
    (tmp_path / "claim").write_text("none")

    assert shimmed.run() == shim.ALREADY_CLAIMED

    assert (tmp_path / "claim").read_text() == "none"
    assert sorted(os.listdir(tmp_path)) == ["claim", "launch.json"]


def test_of_many_shims_one_starts(tmp_path: Path) -> None:
    shimmed = Shimmed(tmp_path, "print('started')")
    racing = [shimmed.start() for _ in range(8)]

    codes = sorted(process.wait(timeout=20) for process in racing)

    assert codes == [0, *[shim.ALREADY_CLAIMED] * 7]
    assert shimmed.log() == "started\n"
    assert sorted(os.listdir(tmp_path)) == ["claim", "driver.log", "exit.json", "launch.json"]


def test_sigterm_reaches_the_command_and_it_may_finish(tmp_path: Path) -> None:
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(5)); open('up', 'w'); signal.pause()"
    shimmed = Shimmed(tmp_path, code, grace_s=20)
    with shimmed.start() as process:
        shimmed.until((tmp_path / "up").exists)
        process.terminate()
        process.wait(timeout=20)

    assert shimmed.exit() == (5, None)


def test_after_the_grace_everything_is_killed(tmp_path: Path) -> None:
    code = f"import os\nif os.fork() == 0:\n {ORPHAN}\n{STUBBORN}signal.pause()"
    shimmed = Shimmed(tmp_path, code)
    with shimmed.start() as process:
        shimmed.until((tmp_path / "orphan").exists)
        assert len(shimmed.living()) >= 2
        process.terminate()
        process.wait(timeout=20)

    assert shimmed.exit() == (None, signal.SIGKILL)
    assert shimmed.living() == []


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "os.kill(os.getpid(), 9)"])
def test_orphans_do_not_outlive_the_command(tmp_path: Path, end: str) -> None:
    code = f"import os\nif os.fork() == 0:\n {ORPHAN}\nwhile not os.path.exists('orphan'): pass\n{end}"
    shimmed = Shimmed(tmp_path, code)

    shimmed.run()

    assert shimmed.exit() == ((0, None) if "Exit" in end else (None, 9))
    assert shimmed.living() == []


def test_a_second_sigterm_does_not_prolong_the_grace(tmp_path: Path) -> None:
    shimmed = Shimmed(tmp_path, f"{STUBBORN}open('up', 'w'); signal.pause()")
    with shimmed.start() as process:
        shimmed.until((tmp_path / "up").exists)
        while process.poll() is None:
            process.terminate()

    assert shimmed.exit() == (None, signal.SIGKILL)
