"""Real trainings, one for each way to train that needs no rank without GPUs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon.backends.embedded import EmbeddedEngine
from tests.support.engine import SAMPLES, Running, an_attempt, an_engine, short_folder

pytestmark = [pytest.mark.spark, pytest.mark.timeout(480)]
# What a driver script may do besides: TFoS's other way to run a function on every node.
PARALLEL = """
    def alone(args, ctx):
        import os
        print(f"alone {ctx.executor_id} of {ctx.num_workers}, --epochs {args.epochs}, "
              f"GPU {os.environ['CUDA_VISIBLE_DEVICES']}")
    from tensorflowonspark import TFParallel
    TFParallel.run(sc, alone, args, args.cluster_size)
"""
JOB_IDS = itertools.count(1)


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture(scope="module")
def engine(folder: Path) -> Generator[EmbeddedEngine]:
    with an_engine(folder, gpus_per_node=1) as started:
        yield started


def run(engine: EmbeddedEngine, folder: Path, script: Path, *args: str, **more: Any) -> Running:
    return Running(engine, an_attempt(folder, script, *args, job_id=next(JOB_IDS), **more))


def ended(running: Running) -> dict[int, dict[str, Any]]:
    """Wait for the end of a training that completes; return the last report of every rank."""
    outcome = running.outcome()
    assert (outcome["exit_code"], outcome["error"]) == (0, None), outcome
    assert running.end()["exit_code"] == 0
    assert running.reclaim() == 0
    assert running.living() == 0
    last = {report["rank"]: report for report in running.reports("rank")}
    assert {report["state"] for report in last.values()} == {"DONE"}
    return last


def said(running: Running, pattern: str, rank: int = 0) -> str:
    """Return the one group of a pattern that the rank has printed."""
    found = re.search(pattern, running.text(f"logs/rank-{rank}.log"))
    assert found is not None, running.text(f"logs/rank-{rank}.log")[-2000:]
    return found[1]


def test_two_devices_learn_what_one_with_the_whole_batch_does(engine: EmbeddedEngine, folder: Path) -> None:
    both = [
        run(engine, folder, SAMPLES / "digits_mirrored.py", "--devices", devices, "--steps", "60")
        for devices in ("1", "2")
    ]

    for running in both:
        ended(running)

    assert [said(running, r"(\d) devices") for running in both] == ["1", "2"]
    one, two = (float(said(running, r"loss ([\d.]+) at step 60")) for running in both)
    assert one == pytest.approx(two, abs=1e-4)
    assert one < 1.5


def test_tf_keras_fits_on_two_workers(engine: EmbeddedEngine, folder: Path) -> None:
    running = run(engine, folder, SAMPLES / "digits_tf_keras.py", "--epochs", "4", workers=2)

    last = ended(running)

    assert [last[rank]["role"] for rank in (0, 1)] == ["chief", "worker"]
    assert float(said(running, r"test accuracy ([\d.]+)")) >= 0.8
    assert list((running.attempt.folder / "events" / "rank-0" / "train").glob("events.out.tfevents.*"))


def test_rows_of_an_rdd_are_fed_and_the_export_after_them_is_kept(engine: EmbeddedEngine, folder: Path) -> None:
    running = run(engine, folder, SAMPLES / "digits_fed.py", workers=2, epochs=2)

    last = ended(running)

    assert sum(last[rank]["rows"] for rank in (0, 1)) == 2 * 1500
    assert all(last[rank]["rows"] > 0 for rank in (0, 1))
    assert {said(running, "(exported)", rank) for rank in (0, 1)} == {"exported"}
    assert (running.attempt.checkpoints / "digits.keras").exists()


LEAVES_EARLY = """
def feed(sc, args):
    return sc.parallelize(range(100), 4).map(lambda number: double(number))

def double(number):
    return 2 * number

def main_fun(args, ctx):
    print("first", sorted(ctx.get_data_feed().next_batch(2)))
"""


def test_a_worker_that_leaves_before_the_last_row_holds_nobody_up(
    engine: EmbeddedEngine, folder: Path, tmp_path: Path
) -> None:
    script = tmp_path / "leaves.py"
    script.write_text(LEAVES_EARLY)
    running = run(engine, folder, script, workers=1, epochs=1000)

    last = ended(running)

    assert last[0]["rows"] == 2
    assert said(running, r"first (\[0, 2\])") == "[0, 2]"


def test_independent_workers_have_gpus_of_their_own_and_survive_each_other(
    engine: EmbeddedEngine, folder: Path
) -> None:
    running = run(engine, folder, SAMPLES / "digits_search.py", "0.01", "fast", workers=2, independent=True)

    outcome = running.outcome()

    assert (outcome["exit_code"], outcome["failed_rank"]) == (1, 1)
    assert outcome["error"] == "ValueError: could not convert string to float: 'fast'"
    assert running.end()["exit_code"] == 1
    assert running.reclaim() == 0
    last = {report["rank"]: report for report in running.reports("rank")}
    assert [(last[rank]["role"], last[rank]["state"]) for rank in (0, 1)] == [("worker", "DONE"), ("worker", "FAILED")]
    assert len({*last[0]["gpus"], *last[1]["gpus"]}) == 2
    assert last[0]["host"] == "127.0.0.1"
    assert float(said(running, r"rate 0\.01  test accuracy ([\d.]+)")) >= 0.8


def test_all_rows_of_a_data_set_are_scored_by_two_workers(engine: EmbeddedEngine, folder: Path) -> None:
    running = run(engine, folder, SAMPLES / "digits_scored.py", workers=2, driver=True)

    last = ended(running)

    found = re.search(r"scored (\d+) rows, accuracy ([\d.]+)", running.text("driver.log"))
    assert found is not None, running.text("driver.log")[-2000:]
    assert int(found[1]) == 797 == sum(last[rank]["rows"] or 0 for rank in (0, 1))
    assert float(found[2]) >= 0.85


def test_a_driver_script_of_tfos_runs_as_it_is(engine: EmbeddedEngine, folder: Path) -> None:
    script = folder / "tfos_driver.py"
    script.write_text((SAMPLES / script.name).read_text().replace("    sc.stop()\n", f"{PARALLEL}    sc.stop()\n"))
    running = run(engine, folder, script, "--epochs", "1", workers=2, driver=True)

    last = ended(running)

    (application,) = running.reports("application")
    assert application["application_id"].startswith("app-")  # of the engine's master, though the script names another
    assert [(last[rank]["role"], last[rank]["rows"]) for rank in (0, 1)] == [("chief", 320), ("worker", 320)]
    assert len({*last[0]["gpus"], *last[1]["gpus"]}) == 2
    assert float(said(running, r"weight ([\d.]+)", 1)) > 1
    assert list(running.attempt.checkpoints.glob("model*.index"))
    alone = {said(running, rf"alone {rank} of 2, --epochs 1, GPU (\S+)", rank) for rank in (0, 1)}
    assert alone == {*last[0]["gpus"], *last[1]["gpus"]}
