"""A Spark master that somebody else runs: what it says of nodes and GPUs, a training on it, and what is lost."""

from __future__ import annotations

import random
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from gpuq_daemon.backends import pins, standalone
from gpuq_daemon.backends.master_page import WorkerLine
from gpuq_daemon.backends.standalone import StandaloneEngine
from gpuq_daemon.partitions import StandalonePartition
from tests.support.cells import MODES, run_cell
from tests.support.cycles import cycle, left_on
from tests.support.daemon import Gpuqd, gpuqd_with, until
from tests.support.standalone import StandaloneCluster, a_standalone_cluster


def a_line(host: str, port: int, *, is_alive: bool = True) -> WorkerLine:
    return WorkerLine(host=host, port=port, page="", is_alive=is_alive, resources={}, used={})


def test_a_node_is_called_by_its_host_and_told_apart_where_a_host_has_several() -> None:
    lines = [a_line("a", 1), a_line("b", 1), a_line("b", 2), a_line("c", 1, is_alive=False), a_line("c", 2)]

    names = standalone.names_of(lines, standalone.shared_hosts(lines))

    assert names == {"a:1": "a", "b:1": "b-1", "b:2": "b-2", "c:1": "c", "c:2": "c"}


@pytest.mark.parametrize(
    ("ui", "expected"),
    [
        (None, ("http://a:8080", "http://b:8080")),
        ("http://a:81/, https://b", ("http://a:81", "https://b")),
    ],
)
def test_every_master_has_a_page(ui: str | None, expected: tuple[str, ...]) -> None:
    assert standalone.pages(StandalonePartition(master="spark://a:7077,b:7078", ui=ui)) == expected


def test_the_smallest_set_of_nodes_with_a_resource_of_its_own_confines() -> None:
    offered = {"a": {"fast", "on_a"}, "b": {"fast"}, "c": {"slow"}, "d": set[str]()}

    assert pins.confining(["a"], offered, "abcd") == "on_a"
    assert pins.confining(["a", "b"], offered, "abcd") == "fast"
    assert pins.confining(["b"], offered, "ab") == "fast"
    assert pins.confining(["b"], offered, "b") is None, "the resource would let it onto another model"
    assert pins.confining(["d"], offered, "abcd") is None


def test_a_master_that_is_gone_is_said_and_its_nodes_are_down(tmp_path: Path) -> None:
    wanted = StandalonePartition(master="spark://127.0.0.1:1", ui="http://127.0.0.1:1")
    engine = StandaloneEngine(partition="p", folder=tmp_path, wanted=wanted, python=Path(sys.executable))

    engine.start()

    assert engine.health() == "No active Spark master answers at http://127.0.0.1:1."
    assert engine.nodes() == ()


@pytest.fixture(scope="module")
def cluster() -> Generator[StandaloneCluster]:
    with a_standalone_cluster(("0", "1"), ("2",)) as started:
        yield started


@pytest.fixture(scope="module")
def gpuqd(cluster: StandaloneCluster) -> Generator[Gpuqd]:
    with gpuqd_with(cluster.partition) as daemon:
        yield daemon


@pytest.mark.spark
@pytest.mark.timeout(600)
def test_gpus_and_nodes_are_those_that_the_master_tells(gpuqd: Gpuqd) -> None:
    nodes = gpuqd.client.cluster()["nodes"]

    assert sorted(node["gpus"] for node in nodes) == [1, 2]
    assert all(node["is_up"] and node["name"].startswith("127.0.0.1-") for node in nodes)


@pytest.mark.spark
@pytest.mark.timeout(600)
def test_a_training_outlives_gpuqd_and_completes_and_nothing_is_left(gpuqd: Gpuqd) -> None:
    run_cell(gpuqd, MODES["parameter servers"], is_interrupted=True)


@pytest.mark.spark
@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["executor", "whole group"])
def test_whatever_is_killed_whenever_nothing_is_left(gpuqd: Gpuqd, cluster: StandaloneCluster, victim: str) -> None:
    found = cycle(gpuqd, cluster, victim, random.Random(victim))

    assert found.job["state"] == "FAILED" or victim == "executor"  # which Spark starts again before it is a rank's


@pytest.mark.spark
@pytest.mark.timeout(600)
def test_the_next_job_is_run_by_what_stands_by_with_its_gpus(cluster: StandaloneCluster) -> None:
    job = {"script_name": "quick.py", "script": "def main_fun(args, ctx):\n    print('here')\n", "workers": 2}
    with gpuqd_with(f"{cluster.partition}warm = 2\n") as gpuqd:
        ended = [gpuqd.ended(gpuqd.client.enqueue(job)["id"], timeout_s=200)]
        until(lambda: any(gpuqd.folder.glob("s/*/standby")), timeout_s=200, what="one that stands by")
        ended.append(gpuqd.ended(gpuqd.client.enqueue(job)["id"], timeout_s=200))

        assert [one["state"] for one in ended] == ["COMPLETED"] * 2, ended
        assert "an application that stood by is taken" in (gpuqd.folder / "gpuqd.log").read_text()
        assert len({gpu for rank in ended[1]["ranks"] for gpu in rank["gpus"]}) == 2
    until(lambda: left_on(cluster) == {}, timeout_s=60, what="the end of all of it")


@pytest.mark.matrix
@pytest.mark.spark
@pytest.mark.timeout(600)
def test_a_worker_that_is_lost_is_a_node_that_is_down(gpuqd: Gpuqd, cluster: StandaloneCluster) -> None:
    cluster.workers[1].kill()
    cluster.workers[1].wait()

    def are_up() -> list[bool]:
        return sorted(node["is_up"] for node in gpuqd.client.cluster()["nodes"])

    until(lambda: are_up() == [False, True], timeout_s=60, what="the loss of a node")
