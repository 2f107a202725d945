"""Applications that stand by: what is kept, who takes one, and that one serves one job of one user."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon import owners, processes
from gpuq_daemon.backends.base import Attempt, Command, Spare
from gpuq_daemon.backends.standbys import Kind, Standby, Surroundings
from gpuq_daemon.backends.warm import WarmEngine, kept
from gpuq_job import lead
from gpuq_job.lead import TAKEN
from tests.support.daemon import until
from tests.support.engine import Running, an_attempt, short_folder
from tests.support.plain_engine import PlainEngine

_STANDBY = """
import os, pathlib, socket, sys
path = sys.argv[-2]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path + ".draft")
listener.listen()
os.rename(path + ".draft", path)
connection, _ = listener.accept()
spec = pathlib.Path(connection.recv(4096).decode().strip())
connection.sendall(b"taken\\n")
print("runs", spec, flush=True)
(spec.parent / "ran-by").write_text(os.environ["GPUQ_ATTEMPT"])
if (spec.parent / "hold").exists():
    connection.recv(1)
    sys.exit(143)
connection.sendall(b"7\\n")
sys.exit(7)
"""
JOB = "def main_fun(args, ctx):\n    raise SystemExit(3)\n"


class StandingPlainEngine(PlainEngine):
    """A PlainEngine that can start what stands by, too."""

    def command(self, attempt: Attempt) -> Command:
        """Return a Python that waits for a spec, where the attempt is no job's."""
        command = super().command(attempt)
        return replace(command, argv=(sys.executable, "-c", _STANDBY)) if attempt.is_standby else command

    def last_words(self, attempt_token: str, application_id: str | None, known: Collection[str]) -> tuple[str, ...]:
        """Return nothing: there are no executors."""
        return ()


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return its time."""
        return self.now


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(folder: Path, clock: Clock) -> Generator[WarmEngine]:
    made = an_engine(folder, clock)
    made.start()
    yield made
    made.stop()
    assert standing(folder) == []


def an_engine(folder: Path, clock: Clock, most: int = 2, spare: Callable[[], Spare] | None = None) -> WarmEngine:
    around = Surroundings(
        folder=folder / "engine", jobs=folder / "jobs", scratch=folder / "s", grace_s=1.0, limits={"core": 0}
    )
    return WarmEngine(
        StandingPlainEngine(),
        around,
        python=Path(sys.executable),
        most=most,
        idle_s=60,
        memory_floor_mib=0,
        clock=clock,
        coming_s=10,
        quiet_s=5,
        spare=spare,
    )


def a_job(folder: Path, job_id: int, **more: object) -> Attempt:
    script = folder / "job.py"
    script.write_text(JOB)
    return replace(an_attempt(folder, script, job_id=job_id), **more)  # type: ignore[arg-type]


def standing(folder: Path) -> list[Path]:
    return sorted((folder / "engine" / "standing").glob("*.json"))


def warmed_up(engine: WarmEngine, folder: Path, clock: Clock) -> Path:
    """Let time pass until one stands by; return its socket."""
    clock.now += 11
    assert engine.health() is None
    until(lambda: any((folder / "s").glob("*/standby")), timeout_s=20, what="a standby")
    return next((folder / "s").glob("*/standby"))


def test_what_is_kept_is_what_the_latest_jobs_were_as_far_as_there_is_room() -> None:
    one, two, three = (Kind(owner=None, workers=count) for count in (1, 2, 3))

    assert kept([two, three, one, one], most=4) == [two, one, one]
    assert kept([three, two], most=4) == [three]
    assert kept([two], most=1) == []
    assert kept([], most=4) == []


def test_a_job_is_run_by_who_stood_by_and_nothing_of_both_is_left(
    engine: WarmEngine, folder: Path, clock: Clock
) -> None:
    first = Running(engine, a_job(folder, 1))
    assert first.end()["exit_code"] == 3
    assert engine.reclaim(first.attempt.token, None) == 0
    warmed_up(engine, folder, clock)

    second = Running(engine, a_job(folder, 2))

    assert second.end()["exit_code"] == 7
    token = second.text("ran-by")
    assert token not in ("", second.attempt.token)
    assert "runs" in second.text("driver.log")
    second.until_reclaimed()
    assert processes.marked(token) == ()
    assert list((folder / "jobs" / ".warm").iterdir()) == []
    assert list((folder / "s").glob("*/standby")) == []
    assert list((folder / "engine" / "taken").iterdir()) == []
    third = Running(engine, a_job(folder, 3))
    assert third.end()["exit_code"] == 3, "nothing serves two jobs"


def test_nobody_is_served_by_what_stands_by_for_others(engine: WarmEngine, folder: Path, clock: Clock) -> None:
    engine.command(a_job(folder, 1))
    warmed_up(engine, folder, clock)
    me = owners.lookup(os.geteuid())
    assert me is not None
    others = replace(me, uid=me.uid + 1)

    for job in (
        a_job(folder, 2, owner=others),
        a_job(folder, 3, workers=2),
        a_job(folder, 4, ps=1),
        a_job(folder, 5, driver=True),
        a_job(folder, 6, independent=True),
    ):
        assert "lead.py" not in " ".join(engine.command(job).argv)
    assert len(standing(folder)) == 1


def test_one_that_is_taken_is_no_others_also_when_it_is_asked_for_again(
    engine: WarmEngine, folder: Path, clock: Clock
) -> None:
    engine.command(a_job(folder, 1))
    path = warmed_up(engine, folder, clock)
    job = a_job(folder, 2)

    words = [engine.command(job).argv for _ in range(2)]

    assert words[0] == words[1]
    assert str(path) in words[0]
    assert str(path) not in engine.command(a_job(folder, 3)).argv
    assert engine.reclaim(job.token, None) == 0


def test_what_nobody_takes_is_given_back(engine: WarmEngine, folder: Path, clock: Clock) -> None:
    engine.command(a_job(folder, 1))
    path = warmed_up(engine, folder, clock)

    clock.now += 40
    engine.health()
    assert path.exists()
    clock.now += 40
    until(lambda: engine.health() is None and standing(folder) == [], timeout_s=20, what="its end")

    assert not path.exists()


def test_nothing_is_started_while_a_job_is_just_coming_up(engine: WarmEngine, folder: Path, clock: Clock) -> None:
    job = a_job(folder, 1)
    engine.command(job)
    clock.now += 2
    engine.health()
    assert standing(folder) == []
    engine.placed(job.token, {0: "plain-1"})
    clock.now += 4
    engine.health()
    assert standing(folder) == []
    engine.placed(job.token, {0: "plain-1", 1: "plain-2"})  # what it says later does not matter
    clock.now += 2
    engine.health()

    assert len(standing(folder)) == 1


def test_when_a_job_has_ended_the_next_is_prepared_for(engine: WarmEngine, folder: Path, clock: Clock) -> None:
    job = a_job(folder, 1)
    engine.command(job)
    assert engine.reclaim(job.token, None) == 0

    engine.health()

    assert len(standing(folder)) == 1


def test_one_that_has_died_is_not_waited_for(engine: WarmEngine, folder: Path, clock: Clock) -> None:
    engine.command(a_job(folder, 1))
    warmed_up(engine, folder, clock)
    (token,) = (path.stem for path in standing(folder))
    for process in processes.marked(token):
        processes.send_signal(process, signal.SIGKILL)
    until(lambda: not processes.marked(token), timeout_s=20, what="its end")

    job = Running(engine, a_job(folder, 2))

    assert job.end()["exit_code"] == 3


def test_a_cancelled_job_takes_who_stood_by_along(engine: WarmEngine, folder: Path, clock: Clock) -> None:
    engine.command(a_job(folder, 1))
    warmed_up(engine, folder, clock)
    attempt = a_job(folder, 2)
    (attempt.folder / "hold").touch()
    job = Running(engine, attempt)
    token = job.until(lambda: job.text("ran-by"))

    job.cancel()

    job.end()
    until(lambda: processes.marked(token) == (), timeout_s=20, what="the end of who stood by")
    job.until_reclaimed()


def test_a_later_gpuqd_ends_what_stands_by_and_leaves_what_is_taken(
    engine: WarmEngine, folder: Path, clock: Clock
) -> None:
    engine.command(a_job(folder, 1))
    warmed_up(engine, folder, clock)
    attempt = a_job(folder, 2)
    (attempt.folder / "hold").touch()
    job = Running(engine, attempt)
    taken = job.until(lambda: job.text("ran-by"))
    clock.now += 11
    engine.health()
    (idle,) = (path.stem for path in standing(folder))

    later = an_engine(folder, clock)
    later.start()

    assert standing(folder) == []
    until(lambda: processes.marked(idle) == (), timeout_s=20, what="the end of who stood by")
    assert processes.marked(taken)
    until(lambda: later.reclaim(attempt.token, None) == 0, timeout_s=20, what="the end of who is taken")
    assert processes.marked(taken) == ()
    job.end()


def test_without_any_to_be_kept_what_is_taken_is_looked_after_and_nothing_is_started(
    engine: WarmEngine, folder: Path, clock: Clock
) -> None:
    engine.command(a_job(folder, 1))
    warmed_up(engine, folder, clock)
    attempt = a_job(folder, 2)
    engine.command(attempt)
    (token,) = (path.parent.name for path in (folder / "s").glob("*/standby"))

    later = an_engine(folder, clock, most=0)
    later.start()
    clock.now += 11
    later.health()

    assert standing(folder) == []
    until(lambda: later.reclaim(attempt.token, None) == 0, timeout_s=20, what="the end of who is taken")
    assert processes.marked(token) == ()


def test_a_log_that_its_owner_has_made_a_link_is_not_taken_over(engine: WarmEngine, folder: Path, clock: Clock) -> None:
    engine.command(a_job(folder, 1))
    warmed_up(engine, folder, clock)
    (log,) = (folder / "jobs" / ".warm").glob("*/1/driver.log")
    log.unlink()
    log.symlink_to(folder / "precious")
    job = a_job(folder, 2)

    engine.command(job)

    assert not os.path.lexists(job.folder / "driver.log")
    assert engine.reclaim(job.token, None) == 0


@pytest.fixture
def spare() -> dict[str, Any]:
    return {"gpus": 1, "is_waited_for": False}


@pytest.fixture
def holding(folder: Path, clock: Clock, spare: dict[str, Any]) -> Generator[WarmEngine]:
    made = an_engine(folder, clock, spare=lambda: Spare(**spare))
    made.start()
    yield made
    made.stop()


def test_what_holds_gpus_serves_jobs_of_the_same_gpus_only(holding: WarmEngine, folder: Path, clock: Clock) -> None:
    holding.command(a_job(folder, 1, gpus_by_node={"n1": 1}))
    path = warmed_up(holding, folder, clock)
    job = a_job(folder, 2, gpus_by_node={"n1": 1})

    assert str(path) in holding.command(job).argv

    assert holding.reclaim(job.token, None) == 0


@pytest.mark.parametrize("other", [{"gpus_by_node": {"n2": 1}}, {"gpus_per_worker": 2}, {"driver": True}])
def test_what_holds_gpus_yields_to_every_job_that_it_is_not_for(
    holding: WarmEngine, folder: Path, clock: Clock, other: dict[str, Any]
) -> None:
    holding.command(a_job(folder, 1, gpus_by_node={"n1": 1}))
    path = warmed_up(holding, folder, clock)

    words = holding.command(a_job(folder, 2, **{"gpus_by_node": {"n1": 1}, **other})).argv

    assert str(path) not in words
    assert not path.exists()
    assert standing(folder) == []


def test_what_holds_gpus_yields_to_others_who_wait_and_comes_back_when_there_are_some(
    holding: WarmEngine, folder: Path, clock: Clock, spare: dict[str, Any]
) -> None:
    holding.command(a_job(folder, 1))
    path = warmed_up(holding, folder, clock)

    spare.update(gpus=0, is_waited_for=True)
    holding.health()
    assert not path.exists()
    spare.update(is_waited_for=False)
    holding.health()
    assert standing(folder) == []
    spare.update(gpus=1)
    holding.health()

    assert len(standing(folder)) == 1


def led(path: Path, *cold: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-I", "-S", lead.__file__, str(path), "/the/spec.json", *cold]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL)


def listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


@pytest.mark.parametrize(("said", "code"), [(b"0\n", 0), (b"5\n", 5), (b"", 137), (b"what\n", 137)])
def test_a_lead_ends_with_the_code_that_it_is_told(folder: Path, said: bytes, code: int) -> None:
    with listening(folder / "s") as listener, led(folder / "s", "/bin/false") as process:
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(100) == b"/the/spec.json\n"
            connection.sendall(TAKEN)
            connection.sendall(said)

        assert process.wait(20) == code


@pytest.mark.parametrize("answer", [b"", b"no"])
def test_a_lead_whose_spec_nobody_takes_becomes_the_cold_command(folder: Path, answer: bytes) -> None:
    with listening(folder / "s") as listener, led(folder / "s", "/bin/sh", "-c", "exit 9") as process:
        connection, _ = listener.accept()
        connection.recv(100)
        connection.sendall(answer)
        connection.close()

        assert process.wait(20) == 9


def test_a_lead_without_anybody_becomes_the_cold_command_at_once(folder: Path) -> None:
    listening(folder / "s").close()
    began = time.monotonic()

    for path in (folder / "s", folder / "gone" / "s"):
        with led(path, "/bin/sh", "-c", "exit 9") as process:
            assert process.wait(20) == 9

    assert time.monotonic() - began < 10


def test_a_standby_names_its_files_by_its_own_folders(tmp_path: Path) -> None:
    one = Standby(token="t", key=(1, 2, 0, ()), started_at=0, job=f"{tmp_path}", scratch="/s", control="/c")

    assert (one.folder, one.socket) == (tmp_path / "1", Path("/s/standby"))
