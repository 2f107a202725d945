"""A rank that is killed cannot say why: the process beside it does, and the driver believes it, or Spark."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from gpuq_job import spec
from gpuq_job.driver_end import DriverEnd
from gpuq_job.hearing import Hearing
from gpuq_job.link import RankEnd, witness_of
from gpuq_job.outcome import Ranks

KEY = "00" * 32
RANK = """
import sys
from gpuq_job.link import RankEnd
from gpuq_job.witnessed import Witness
address = ("127.0.0.1", int(sys.argv[1]))
end = RankEnd(address, bytes(32), 0)
witness = Witness(address, "00" * 32, 0)
end.tell("RUNNING", executor_id="7")
sys.stdin.readline()
witness.dismiss()
end.tell("DONE", exit_code=0)
"""
# What runs beside a rank whose machine has {killed} processes ended for memory when it looks, and 3 when it began.
WITNESS = """
import sys
from gpuq_job import witness
counts = iter((3, {killed}))
witness.watch(0, count=counts.__next__)
"""


@pytest.fixture
def driver() -> Generator[DriverEnd]:
    end = DriverEnd("127.0.0.1", bytes.fromhex(KEY))
    yield end
    end.close()


class Course:
    """What a driver reports of one rank; `removal` is what Spark says of its executor."""

    def __init__(self, driver: DriverEnd, folder: Path, removal: Callable[[str], str | None]) -> None:
        run = spec.Run(
            job_id=1,
            attempt=1,
            workers=2,
            gpus_per_worker=0,
            script="",
            args=(),
            folder=str(folder),
            checkpoints="",
            host="127.0.0.1",
            key=KEY,
        )
        self.driver = driver
        self.ranks = Ranks(workers=2)
        self.heard: list[dict[str, Any]] = []
        self.hearing = Hearing(run, driver, self.ranks, removal)

    def until(self, claim: Callable[[], Any]) -> None:
        """Hear until something is so."""
        deadline = time.monotonic() + 60
        while not claim():
            assert time.monotonic() < deadline, self.heard
            for message in self.driver.messages(0.1):
                self.heard.append(message)
                self.hearing.reports(message)

    def until_seen(self) -> None:
        """Hear until the rank runs and its witness watches."""
        wanted = {(0, "RUNNING"), (witness_of(0), "WATCHES")}
        self.until(lambda: wanted <= {(message["rank"], message["state"]) for message in self.heard})


def nothing(executor_id: str) -> str | None:
    return None


def a_rank(driver: DriverEnd) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", RANK, str(driver.address[1])]
    return subprocess.Popen(words, stdin=subprocess.PIPE, cwd=Path(__file__).resolve().parents[2])


def test_a_rank_that_is_killed_has_a_witness_and_one_that_is_done_needs_none(driver: DriverEnd, tmp_path: Path) -> None:
    done = Course(driver, tmp_path, nothing)
    with a_rank(driver) as rank:
        done.until_seen()
        assert rank.stdin is not None
        rank.stdin.close()
        done.until(lambda: all({"rank": rank, "state": None} in done.heard for rank in (0, witness_of(0))))
    assert "SAW" not in {message["state"] for message in done.heard}
    assert done.ranks.known[0]["state"] == "DONE"

    killed = Course(driver, tmp_path, nothing)
    with a_rank(driver) as rank:
        killed.until_seen()
        rank.kill()
        killed.until(lambda: killed.ranks.outcome)
    assert killed.ranks.outcome is not None
    assert killed.ranks.outcome["reason"] == "NodeLost"


@pytest.mark.parametrize(("killed", "reason"), [(3, "NodeLost"), (4, "OutOfMemory")])
def test_a_kill_for_memory_is_told_by_the_count_of_the_ranks_own_machine(
    driver: DriverEnd, tmp_path: Path, killed: int, reason: str
) -> None:
    course = Course(driver, tmp_path, nothing)
    with subprocess.Popen(["sleep", "1000"]) as process:
        words = [sys.executable, "-c", WITNESS.format(killed=killed)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, cwd=Path(__file__).resolve().parents[2]) as witness:
            assert witness.stdin is not None
            told = f'{{"address": ["127.0.0.1", {driver.address[1]}], "key": "{KEY}", "rank": 0, "pid": {process.pid}}}'
            witness.stdin.write(told.encode() + b"\n")
            witness.stdin.flush()
            course.ranks.heard({"rank": 0, "state": "RUNNING", "executor_id": "7"})
            course.until(lambda: {"rank": witness_of(0), "state": "WATCHES"} in course.heard)
            process.kill()
            course.hearing.reports({"rank": 0, "state": None})

    assert course.ranks.outcome is not None
    assert course.ranks.outcome["reason"] == reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Container killed by YARN for exceeding physical memory limits.", "OutOfMemory"),
        ("Command exited with code 137", "NodeLost"),
    ],
)
def test_where_the_witness_is_gone_too_spark_is_believed(
    driver: DriverEnd, tmp_path: Path, said: str, reason: str
) -> None:
    asked: list[str] = []

    def removal(executor_id: str) -> str | None:
        asked.append(executor_id)
        return said if len(asked) > 2 else None

    course = Course(driver, tmp_path, removal)
    course.ranks.heard({"rank": 0, "state": "RUNNING", "executor_id": "7"})
    course.hearing.reports({"rank": witness_of(0), "state": "WATCHES"})
    course.hearing.reports({"rank": witness_of(0), "state": None})
    course.hearing.reports({"rank": 0, "state": None})

    assert course.ranks.outcome is not None
    assert course.ranks.outcome["reason"] == reason
    assert asked == ["7"] * 3


def test_what_a_peer_says_meanwhile_comes_after_the_loss_that_it_follows(driver: DriverEnd, tmp_path: Path) -> None:
    course = Course(driver, tmp_path, lambda executor_id: None)
    course.ranks.heard({"rank": 0, "state": "RUNNING", "executor_id": "7"})
    course.hearing.reports({"rank": witness_of(0), "state": "WATCHES"})
    if (child := os.fork()) == 0:
        peer, witness = (RankEnd(driver.address, bytes.fromhex(KEY), rank) for rank in (1, witness_of(0)))
        peer.tell("FAILED", exit_code=1, error="UnavailableError: my peer is gone", tail=[])
        witness.tell("SAW", was_killed_for_memory=True)
        os._exit(0)
    course.hearing.reports({"rank": 0, "state": None})
    os.waitpid(child, 0)

    assert course.ranks.outcome is not None
    assert (course.ranks.outcome["failed_rank"], course.ranks.outcome["reason"]) == (0, "OutOfMemory")
