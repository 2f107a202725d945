"""YARN: what its settings name, what its nodes are, and a training that really runs on it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from gpuq_daemon.backends import yarn
from gpuq_daemon.backends.base import EngineError
from gpuq_daemon.backends.resource_manager import YarnNode
from tests.support.cells import MODES, run_cell
from tests.support.daemon import Gpuqd, gpuqd_with
from tests.support.yarn import YarnCluster, a_yarn_cluster


@pytest.mark.parametrize(
    ("settings", "addresses"),
    [
        ({}, ("http://127.0.0.1:8088",)),
        ({"yarn.resourcemanager.hostname": "rm"}, ("http://rm:8088",)),
        (
            {
                "yarn.resourcemanager.hostname": "rm",
                "yarn.resourcemanager.webapp.address": "${yarn.resourcemanager.hostname}:81",
            },
            ("http://rm:81",),
        ),
        (
            {
                "yarn.resourcemanager.ha.rm-ids": "a, b",
                "yarn.resourcemanager.hostname.a": "x",
                "yarn.resourcemanager.hostname.b": "y",
                "yarn.http.policy": "HTTPS_ONLY",
            },
            ("https://x:8090", "https://y:8090"),
        ),
    ],
)
def test_hadoops_settings_tell_where_to_ask(settings: dict[str, str], addresses: tuple[str, ...]) -> None:
    assert yarn.web_addresses(settings) == addresses


def test_a_folder_without_hadoops_settings_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"There is no .*yarn-site\.xml: set conf_dir"):
        yarn.settings_in(tmp_path)


def test_nodes_on_one_host_are_told_apart_by_their_ports() -> None:
    def node(host: str, port: int, state: str = "RUNNING") -> YarnNode:
        return YarnNode(node_id=f"{host}:{port}", host=host, state=state, page="", labels=frozenset(), gpus=None)

    listed = [node("a", 1), node("b", 1), node("b", 2), node("c", 1, "LOST"), node("c", 2)]

    names = yarn.names_of(listed, yarn.shared_hosts(listed))

    assert names == {"a:1": "a", "b:1": "b-1", "b:2": "b-2", "c:1": "c", "c:2": "c"}


@pytest.fixture(scope="module")
def cluster() -> Generator[YarnCluster]:
    with a_yarn_cluster(1, 1) as started:
        yield started


@pytest.fixture(scope="module")
def gpuqd(cluster: YarnCluster) -> Generator[Gpuqd]:
    with gpuqd_with(cluster.partition) as daemon:
        yield daemon


@pytest.mark.spark
@pytest.mark.timeout(900)
def test_a_training_outlives_gpuqd_and_completes_on_two_nodes_and_nothing_is_left(gpuqd: Gpuqd) -> None:
    assert [node["gpus"] for node in gpuqd.client.cluster()["nodes"]] == [1, 1]

    job = run_cell(gpuqd, MODES["sync"], is_interrupted=True)

    assert job["application_id"].startswith("application_")
    assert {tuple(rank["gpus"]) for rank in job["ranks"]} == {("0",)}
    assert len({rank["node"] for rank in job["ranks"]}) == 2
    number = job["application_id"].removeprefix("application")
    assert all(f"{number}_01_" in rank["container_id"] and rank["disagrees"] is None for rank in job["ranks"])
    for rank in job["ranks"]:
        assert gpuqd.client.trace(rank["container_id"])["traces"][0]["rank"] == rank["rank"]


FILLS = """
import time

def main_fun(args, ctx):
    held = []
    while True:
        if len(held) < 50:
            held.append(b"x" * 64 * 1024 * 1024)
        time.sleep(0.05)
"""


@pytest.mark.matrix
@pytest.mark.spark
@pytest.mark.timeout(600)
def test_a_rank_that_yarn_ends_for_its_memory_ran_out_of_it() -> None:
    with a_yarn_cluster(1, checks_memory=True) as cluster, gpuqd_with(cluster.partition) as gpuqd:
        job = gpuqd.ended(gpuqd.enqueue(FILLS, retries=3), timeout_s=400)

    assert (job["state"], job["attempt"], job["end_reason"]) == ("FAILED", 1, "OutOfMemory"), job
