"""Real trainings with parameter servers or an evaluator: these have no GPU, and the training's end is theirs."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon import processes
from gpuq_daemon.backends.embedded import EmbeddedEngine
from tests.support.engine import SAMPLES, Running, an_attempt, an_engine, short_folder

pytestmark = [pytest.mark.spark, pytest.mark.timeout(480)]
JOB_IDS = itertools.count(1)


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture(scope="module")
def engine(folder: Path) -> Generator[EmbeddedEngine]:
    with an_engine(folder, gpus_per_node=1) as started:
        yield started


def run(engine: EmbeddedEngine, folder: Path, script: Path, *args: str, **roles: Any) -> Running:
    return Running(engine, an_attempt(folder, script, *args, job_id=next(JOB_IDS), **roles))


def ended(running: Running) -> dict[int, dict[str, Any]]:
    """Wait for the end of a training that completes; return the last report of every rank."""
    outcome = running.outcome()
    assert (outcome["exit_code"], outcome["error"]) == (0, None), outcome
    assert running.end()["exit_code"] == 0
    assert time.time() - outcome["t"] < 20
    assert running.reclaim() == 0
    assert running.living() == 0
    assert running.engine.health() is None
    return {report["rank"]: report for report in running.reports("rank")}


def accuracy(running: Running) -> float:
    return float(running.text("logs/rank-0.log").partition("test accuracy ")[2].split()[0])


@pytest.mark.parametrize("script", ["digits_ps.py", "digits_async.py"])
def test_a_training_on_a_parameter_server_ends_by_itself(engine: EmbeddedEngine, folder: Path, script: str) -> None:
    running = run(engine, folder, SAMPLES / script, "--steps", "300", workers=2, ps=1)

    last = ended(running)

    assert [(r["role"], r["state"], r["exit_code"]) for r in (last[0], last[1], last[2])] == [
        ("chief", "DONE", 0),
        ("worker", "DONE", 0),
        ("ps", "DONE", 0),
    ]
    assert len({*last[0]["gpus"], *last[1]["gpus"]}) == 2
    assert last[2]["gpus"] == []
    assert accuracy(running) >= 0.9
    assert "ps:0 serves" in running.text("logs/rank-2.log")
    assert list((running.attempt.folder / "events" / "rank-0").glob("events.out.tfevents.*"))
    assert any(running.attempt.checkpoints.iterdir())


SEES = """
import os, time

def main_fun(args, ctx):
    print("sees", repr(os.environ["CUDA_VISIBLE_DEVICES"]))
    if ctx.job_name == args[1]:
        print("giving up")
        raise ValueError("no such table")
    time.sleep(3600)
"""


def test_a_parameter_server_sees_no_gpu_and_its_failure_is_the_jobs(
    engine: EmbeddedEngine, folder: Path, tmp_path: Path
) -> None:
    script = tmp_path / "sees.py"
    script.write_text(SEES)
    running = run(engine, folder, script, "ps", workers=1, ps=1)

    outcome = running.outcome()

    assert (outcome["exit_code"], outcome["failed_rank"]) == (1, 1)
    assert outcome["error"] == "ValueError: no such table"
    assert "giving up" in outcome["tail"]
    assert running.end()["exit_code"] == 1
    assert running.reclaim() == 0
    assert running.text("logs/rank-1.log").startswith("sees ''\n")
    assert running.text("logs/rank-0.log").startswith("sees 'virtual")


def test_a_killed_evaluator_is_known_at_once(engine: EmbeddedEngine, folder: Path) -> None:
    running = run(engine, folder, SAMPLES / "sleeper.py", workers=1, evaluator=True)
    ranks = running.until_running()
    assert [ranks[rank]["role"] for rank in (0, 1)] == ["chief", "evaluator"]

    killed_at = time.time()
    os.kill(ranks[1]["pid"], signal.SIGKILL)
    outcome = running.outcome()

    assert outcome["t"] - killed_at < 10
    assert (outcome["exit_code"], outcome["failed_rank"]) == (137, 1)
    running.end()
    assert running.reclaim() == 0
    assert all(processes.identify(report["pid"]) is None for report in ranks.values())


ENDLESS_HELPERS = """
import time

def main_fun(args, ctx):
    if ctx.job_name in ("ps", "evaluator"):
        time.sleep(3600)
"""


def test_those_that_never_end_are_ended_with_the_training(engine: EmbeddedEngine, folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS_HELPERS)
    running = run(engine, folder, script, workers=1, ps=1, evaluator=True)

    last = ended(running)

    assert [last[rank]["state"] for rank in (0, 1, 2)] == ["DONE", "KILLED", "KILLED"]


def test_an_evaluator_scores_checkpoints_to_the_last(engine: EmbeddedEngine, folder: Path) -> None:
    running = run(engine, folder, SAMPLES / "digits_evaluated.py", "--epochs", "3", workers=1, evaluator=True)

    last = ended(running)

    assert [(last[rank]["role"], last[rank]["state"]) for rank in (0, 1)] == [("chief", "DONE"), ("evaluator", "DONE")]
    assert "epoch 3  test accuracy 0." in running.text("logs/rank-1.log")
    assert list((running.attempt.folder / "events" / "rank-1").glob("events.out.tfevents.*"))
