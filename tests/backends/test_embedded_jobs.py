"""Real trainings on the embedded engine: they end as reported, and nothing of them is left."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from gpuq_daemon import processes
from gpuq_daemon.backends.embedded import EmbeddedEngine
from tests.support.engine import SAMPLES, Running, an_attempt, an_engine, short_folder

pytestmark = [pytest.mark.spark, pytest.mark.timeout(240)]
JOB_IDS = itertools.count(1)


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture(scope="module")
def engine(folder: Path) -> Generator[EmbeddedEngine]:
    with an_engine(folder) as started:
        yield started


def run(engine: EmbeddedEngine, folder: Path, script: str, *args: str, workers: int) -> Running:
    attempt = an_attempt(folder, SAMPLES / script, *args, job_id=next(JOB_IDS), workers=workers)
    return Running(engine, attempt)


def assert_nothing_is_left(running: Running, within_s: float = 5.0) -> None:
    began = time.monotonic()
    running.end()

    assert running.reclaim() == 0

    assert running.living() == 0
    assert time.monotonic() - began < within_s
    assert not running.attempt.scratch.exists()
    assert running.engine.health() is None


def driver_pid(running: Running) -> int:
    return running.reports("application")[0]["driver_pid"]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_training_completes_on_two_workers(engine: EmbeddedEngine, folder: Path) -> None:
    running = run(engine, folder, "digits_sync.py", "--epochs", "20", workers=2)
    outcome = running.outcome()
    assert_nothing_is_left(running, within_s=10)

    last = {report["rank"]: report for report in running.reports("rank")}
    assert outcome["exit_code"] == 0, outcome
    assert running.end()["exit_code"] == 0
    assert [(r["role"], r["state"], r["exit_code"]) for r in (last[0], last[1])] == [
        ("chief", "DONE", 0),
        ("worker", "DONE", 0),
    ]
    assert {last[0]["node"], last[1]["node"]} == {"embedded-1", "embedded-2"}
    assert len({*last[0]["gpus"], *last[1]["gpus"]}) == 2
    assert last[0]["host"] == last[1]["host"] == "127.0.0.1"
    accuracy = running.text("logs/rank-0.log").partition("test accuracy ")[2].split()[0]
    assert float(accuracy) >= 0.9
    assert list((running.attempt.folder / "events" / "rank-0").glob("events.out.tfevents.*"))
    assert (running.attempt.checkpoints / "digits-1.index").exists()


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        ((), 1, "ValueError: the labels of this worker's data are missing"),
        (("--exit", "3"), 3, "main_fun ended with sys.exit(3)"),
    ],
)
def test_the_first_rank_that_fails_decides(
    engine: EmbeddedEngine, folder: Path, args: tuple[str, ...], code: int, error: str
) -> None:
    running = run(engine, folder, "digits_fails.py", *args, workers=2)
    outcome = running.outcome()
    assert_nothing_is_left(running)

    assert (outcome["exit_code"], outcome["failed_rank"], outcome["error"]) == (code, 1, error)
    assert running.end()["exit_code"] == code
    assert outcome["tail"][0] == "worker:0 reads its data"
    assert outcome["tail"][-1] == (f"giving up with exit code {code}" if args else error)
    assert "gpuq_job" not in "".join(outcome["tail"])


EXPORTS = """
import os, pathlib, time

def main_fun(args, ctx):
    if ctx.job_name == "worker":
        return  # its part is done, only the chief exports
    folder = pathlib.Path(os.environ["GPUQ_CHECKPOINT_DIR"])
    (folder / "model.part").write_text("half of it")
    print("exporting", flush=True)
    time.sleep(600)
    (folder / "model.part").rename(folder / "model")
"""


def test_a_chief_that_is_killed_in_its_export_has_not_completed(
    engine: EmbeddedEngine, folder: Path, tmp_path: Path
) -> None:
    script = tmp_path / "exports.py"
    script.write_text(EXPORTS)
    running = Running(engine, an_attempt(folder, script, job_id=next(JOB_IDS), workers=2))
    running.until(lambda: "exporting" in running.text("logs/rank-0.log"))
    running.until(lambda: any(r["rank"] == 1 and r["state"] == "DONE" for r in running.reports("rank")))
    assert running.reports("outcome") == []
    chief = next(r for r in running.reports("rank") if r["rank"] == 0 and r["state"] == "RUNNING")
    os.kill(chief["pid"], signal.SIGKILL)
    outcome = running.outcome()
    assert_nothing_is_left(running)

    assert (outcome["exit_code"], outcome["failed_rank"], outcome["reason"]) == (137, 0, "NodeLost")
    assert running.end()["exit_code"] == 137
    assert not (running.attempt.checkpoints / "model").exists()


def test_a_killed_executor_is_known_at_once(engine: EmbeddedEngine, folder: Path) -> None:
    running = run(engine, folder, "sleeper.py", workers=2)
    rank = running.until_running()[1]
    killed_at = time.time()
    os.kill(parent(parent(rank["pid"])), signal.SIGKILL)
    outcome = running.outcome()
    assert_nothing_is_left(running)

    assert outcome["t"] - killed_at < 20, "TensorFlowOnSpark alone notices after 35 s or more"
    assert (outcome["exit_code"], outcome["failed_rank"], outcome["reason"]) == (137, 1, "NodeLost")
    assert running.end()["exit_code"] == 137


@pytest.mark.parametrize("victim", ["driver", "jvm"])
def test_a_killed_driver_takes_everything_along(engine: EmbeddedEngine, folder: Path, victim: str) -> None:
    running = run(engine, folder, "sleeper.py", workers=1)
    running.until_running()
    driver = driver_pid(running)
    os.kill(driver if victim == "driver" else parent(driver), signal.SIGKILL)
    assert_nothing_is_left(running)

    ended = running.end()
    assert running.reports("outcome") == []
    assert (ended["exit_code"], ended["signal"]) == ((137, None) if victim == "driver" else (None, 9))


def test_a_cancelled_job_is_gone_within_seconds(engine: EmbeddedEngine, folder: Path) -> None:
    running = run(engine, folder, "sleeper.py", workers=2)
    ranks = running.until_running()
    running.cancel()
    assert_nothing_is_left(running)

    assert all(processes.identify(report["pid"]) is None for report in ranks.values())
    assert running.reports("outcome") == []


def test_a_job_cancelled_before_spark_knows_it_is_gone_too(engine: EmbeddedEngine, folder: Path) -> None:
    running = run(engine, folder, "sleeper.py", workers=1)
    running.until((running.attempt.folder / "claim").exists)
    running.cancel()

    assert_nothing_is_left(running)
