"""What a script is told before it ends, each case in a process of its own, as in a job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gpuq_job

_ROOT = Path(gpuq_job.__file__).parent.parent


def run(text: str, tmp_path: Path) -> tuple[int, list[str]]:
    """Run Python that has gpuq_job and nothing else; return its exit code and what it printed."""
    begin = "import signal, threading\nfrom gpuq_job import stopping\n"
    done = subprocess.run(
        [sys.executable, "-S", "-c", begin + text],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(_ROOT), "GPUQ_STOP_FILE": str(tmp_path / "stop")},
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def test_who_is_not_asked_goes_on(tmp_path: Path) -> None:
    assert run("stopping.stop_if_requested(print)\nprint(stopping.requested())", tmp_path) == (0, ["None"])


def test_who_is_asked_hears_it_by_call_signal_and_file_and_stops_after_saving(tmp_path: Path) -> None:
    text = """
signal.signal(signal.SIGUSR1, lambda *_: print("signal"))
called = threading.Event()
stopping.on_request(lambda reason: (print("callback", reason), called.set()))
stopping.ask("preempted")
stopping.ask("time limit")
called.wait(30)
print(open(stopping.os.environ["GPUQ_STOP_FILE"]).read())
try:
    stopping.stop_if_requested(lambda: print("saved"))
finally:
    print(stopping.heeded())
"""

    code, said = run(text, tmp_path)

    assert code == 0
    assert sorted(said[:2]) == ["callback preempted", "signal"]
    assert said[2:] == ["preempted", "saved", "gpuq: stopped (preempted)", "preempted"]


def test_who_asks_late_is_told_at_once(tmp_path: Path) -> None:
    text = """
signal.signal(signal.SIGUSR1, lambda *_: None)
stopping.ask("cancelled")
called = threading.Event()
stopping.on_request(lambda reason: (print(reason), called.set()))
called.wait(30)
"""

    assert run(text, tmp_path) == (0, ["cancelled"])


def test_a_child_process_is_told_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "stop").write_text("deadline")

    assert run("print(stopping.requested())", tmp_path) == (0, ["deadline"])


@pytest.mark.parametrize("more", ["", "stopping.ask('requeued')\n"])
def test_a_peer_that_stops_takes_the_others_along(tmp_path: Path, more: str) -> None:
    text = f"signal.signal(signal.SIGUSR1, lambda *_: None)\n{more}"

    _, said = run(text + "try:\n    stopping.stop()\nfinally:\n    print(stopping.heeded())", tmp_path)

    assert said[-1] == ("requeued" if more else "a peer stops")
