"""Real trainings as Spark applications on a real Kubernetes API, whose pods are processes of this machine."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from pathlib import Path

import pytest

from gpuq_daemon.backends.kubernetes import KubernetesEngine
from gpuq_daemon.backends.kubernetes_submit import selector
from gpuq_daemon.kubernetes.objects import pods
from gpuq_job.orders import Order
from gpuq_job.rank import STACKS_END
from tests.support.engine import SAMPLES, Running, an_attempt, short_folder
from tests.support.kube_engine import CLAIM, an_engine
from tests.support.kube_nodes import Nodes, some_nodes
from tests.support.kube_server import NAMESPACE, KubeServer

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800)]  # the first may have to build the API server
JOB_IDS = itertools.count(1)
NAMES = "train-a", "train-b"
# The sample, which begins when it is asked to stop, and takes no notice of it otherwise.
WAITING = """
import time
from gpuq_job import stopping
train = main_fun

def main_fun(args, ctx):
    while stopping.requested() != "preempted":
        time.sleep(0.05)
    train(args, ctx)
"""


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture(scope="module")
def nodes(server: KubeServer, folder: Path) -> Generator[Nodes]:
    (folder / "jobs").mkdir()
    with some_nodes(server, folder, *NAMES, claims={CLAIM: folder / "jobs"}) as started:
        yield started


@pytest.fixture(scope="module")
def engine(server: KubeServer, nodes: Nodes, folder: Path) -> KubernetesEngine:
    started = an_engine(server, folder)
    started.start()
    return started


def run(engine: KubernetesEngine, folder: Path, script: Path, *args: str, **more: object) -> Running:
    return Running(engine, an_attempt(folder, script, *args, job_id=next(JOB_IDS), **more))  # pyright: ignore


def left(server: KubeServer, running: Running) -> list[str]:
    found = pods(server.api(), NAMESPACE, labelSelector=selector(running.attempt.token))
    return [pod.metadata.name for pod in found]


def test_a_training_hears_orders_and_completes_on_two_workers(
    server: KubeServer, engine: KubernetesEngine, folder: Path
) -> None:
    given = {"gpus_by_node": dict.fromkeys(NAMES, 1)}
    script = folder / "digits_sync.py"
    script.write_text((SAMPLES / script.name).read_text() + WAITING)
    running = run(engine, folder, script, "--epochs", "20", workers=2, **given)
    assert not engine.order("t-of-nobody", 1, Order.STACKS)
    running.until_running()

    assert engine.order(running.attempt.token, 1, Order.STACKS)
    running.until(lambda: all(STACKS_END in running.text(f"logs/rank-{rank}.log") for rank in (0, 1)), timeout_s=60)
    assert engine.order(running.attempt.token, 1, Order.PREEMPTED)
    outcome = running.until(lambda: running.reports("outcome"), timeout_s=600)[0]
    ended = running.end()
    assert running.attempt.scratch.exists()
    running.until_reclaimed()
    assert not running.attempt.scratch.exists()

    last = {report["rank"]: report for report in running.reports("rank")}
    assert outcome["exit_code"] == 0, outcome
    assert ended["exit_code"] == 0
    assert [(last[r]["role"], last[r]["state"]) for r in (0, 1)] == [("chief", "DONE"), ("worker", "DONE")]
    assert {last[0]["node"], last[1]["node"]} == set(NAMES)
    assert sorted((*last[0]["gpus"], *last[1]["gpus"])) == [f"GPU-{name}-0" for name in NAMES]
    assert last[0]["host"] != last[1]["host"]  # each pod has an address of its own
    assert running.reports("application")[0]["application_id"].startswith("spark-")
    accuracy = running.text("logs/rank-0.log").partition("test accuracy ")[2].split()[0]
    assert float(accuracy) >= 0.9
    for rank in (0, 1):
        said = running.text(f"logs/rank-{rank}.log")
        assert said.count(STACKS_END) == 1
        assert "in main_fun" in said.partition(STACKS_END)[0]
        assert "gpuq: asked to stop soon (preempted)" in said
    assert list((running.attempt.folder / "events" / "rank-0").glob("events.out.tfevents.*"))
    assert (running.attempt.checkpoints / "digits-1.index").exists()
    assert left(server, running) == []
    assert running.living() == 0
