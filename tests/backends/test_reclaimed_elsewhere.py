"""What is on other hosts is gone when their own servers say so, and not a moment before."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gpuq.models import Rank, RankState
from gpuq_daemon.backends.notes import Note, Notes
from gpuq_daemon.backends.standalone import StandaloneEngine
from gpuq_daemon.backends.yarn import YarnEngine
from gpuq_daemon.ingest import checked
from gpuq_daemon.partitions import StandalonePartition, YarnPartition
from tests.support.scripted_web import ScriptedWeb, scripted_web

APP = "application_1795649388987_0007"
CLUSTER = "/ws/v1/cluster"
INFO = {"clusterInfo": {"state": "STARTED", "haState": "ACTIVE"}}
CONTAINER = "container_e02_1795649388987_0007_01_000002"


def a_worker(web: ScriptedWeb, *, used: list[str], state: str = "ALIVE") -> dict[str, Any]:
    return {
        "host": "node7",
        "port": 4040,
        "webuiaddress": f"http://{web.address}/worker",
        "state": state,
        "resources": {"gpu": {"name": "gpu", "addresses": ["0", "1", "2"]}},
        "resourcesused": {"gpu": {"name": "gpu", "addresses": used}},
    }


def an_executor(name: str, *gpus: str) -> dict[str, Any]:
    return {"appid": "app-1-0", "appdesc": {"name": name}, "resources": {"gpu": {"name": "gpu", "addresses": gpus}}}


def on_standalone(web: ScriptedWeb, folder: Path) -> StandaloneEngine:
    wanted = StandalonePartition(master="spark://127.0.0.1:7077", ui=f"http://{web.address}")
    engine = StandaloneEngine(partition="p", folder=folder, wanted=wanted, python=Path(sys.executable), reclaim_s=0)
    engine.start()
    Notes(folder / "attempts").put("tok", Note(logs=folder / "logs", scratch=folder / "s"))
    (folder / "s").mkdir()
    return engine


def test_a_standalone_attempt_is_gone_when_its_worker_has_seen_the_executor_end(tmp_path: Path) -> None:
    with scripted_web() as web:
        web.pages = {
            "/json/": {"status": "ALIVE", "workers": [a_worker(web, used=["0"])], "activeapps": []},
            "/worker/json/": {"executors": [an_executor("gpuq-1-1-tok", "0")]},
        }
        engine = on_standalone(web, tmp_path)

        assert engine.reclaim("tok", "app-1-0") == 1, "the master has forgotten it, the worker still runs it"
        assert (tmp_path / "s").exists()
        web.pages.pop("/worker/json/")
        assert engine.reclaim("tok", "app-1-0") == 1, "nobody can say"
        web.pages["/worker/json/"] = {"executors": [an_executor("gpuq-1-1-other", "0")]}
        assert engine.reclaim("tok", "app-1-0") == 0
        assert not (tmp_path / "s").exists()


def test_gpus_that_others_hold_on_a_standalone_cluster_do_not_count(tmp_path: Path) -> None:
    with scripted_web() as web:
        web.pages = {
            "/json/": {
                "status": "ALIVE",
                "workers": [a_worker(web, used=["0", "1"])],
                "activeapps": [{"id": "app-2-0", "name": "their notebook"}, {"id": "app-1-0", "name": "gpuq-1-1-tok"}],
            },
            "/worker/json/": {"executors": [an_executor("gpuq-1-1-tok", "0"), an_executor("their notebook", "1")]},
        }
        engine = on_standalone(web, tmp_path)

        assert [(node.name, node.gpus, node.is_up) for node in engine.nodes()] == [("node7", 2, True)]
        assert engine.placed("tok", {0: "node7:4040", 1: "elsewhere:1"}) == {0: "node7"}


def test_a_worker_that_the_master_has_lost_is_a_node_that_is_down(tmp_path: Path) -> None:
    with scripted_web() as web:
        lost = a_worker(web, used=[], state="DEAD")
        web.pages = {"/json/": {"status": "ALIVE", "workers": [lost], "activeapps": []}}
        engine = on_standalone(web, tmp_path)

        assert [(node.name, node.is_up) for node in engine.nodes()] == [("node7", False)]
        assert engine.health() == "The Spark master at spark://127.0.0.1:7077 has no living worker."
        web.pages["/json/"]["workers"].append({**a_worker(web, used=[]), "port": 4041})
        assert engine.health() is None
        assert [(node.name, node.is_up) for node in engine.nodes()] == [("node7", True)]
        web.pages.clear()
        engine.health()
        assert [node.is_up for node in engine.nodes()] == [False]


def test_a_node_keeps_its_name_when_its_neighbour_on_the_host_is_lost(tmp_path: Path) -> None:
    with scripted_web() as web:
        both = [a_worker(web, used=[]), {**a_worker(web, used=[]), "port": 4041}]
        web.pages = {"/json/": {"status": "ALIVE", "workers": both, "activeapps": []}}
        engine = on_standalone(web, tmp_path)
        assert [(node.name, node.is_up) for node in engine.nodes()] == [("node7-4040", True), ("node7-4041", True)]

        both[0]["state"] = "DEAD"

        assert engine.health() is None
        assert [(node.name, node.is_up) for node in engine.nodes()] == [("node7-4040", False), ("node7-4041", True)]


def test_a_master_that_stands_by_is_no_master(tmp_path: Path) -> None:
    with scripted_web() as web:
        web.pages = {"/json/": {"status": "STANDBY", "workers": [], "activeapps": []}}

        assert "No active Spark master answers" in (on_standalone(web, tmp_path).health() or "")


def a_yarn_node(web: ScriptedWeb, number: int, **more: Any) -> dict[str, Any]:
    gpu = {"resourceInformation": [{"name": "memory-mb", "value": 9}, {"name": "yarn.io/gpu", "value": 4}]}
    return {
        "id": f"host{number}:8041",
        "nodeHostName": f"host{number}",
        "nodeHTTPAddress": web.address,
        "state": "RUNNING",
        "totalResource": {"resourceInformations": gpu},
        **more,
    }


def on_yarn(web: ScriptedWeb, folder: Path, **more: Any) -> YarnEngine:
    (folder / "yarn-site.xml").write_text(
        "<configuration><property><name>yarn.resourcemanager.webapp.address</name>"
        f"<value>{web.address}</value></property></configuration>"
    )
    wanted = YarnPartition(conf_dir=str(folder), queue="training", **more)
    engine = YarnEngine(
        partition="p", folder=folder, wanted=wanted, python=Path(sys.executable), reclaim_s=0, kill_after_s=0
    )
    engine.start()
    Notes(folder / "attempts").put("tok", Note(logs=folder / "logs", scratch=folder / "s"))
    (folder / "s").mkdir()
    return engine


def of_state(state: str) -> dict[str, Any]:
    return {"apps": {"app": [{"id": APP, "state": state, "diagnostics": ""}]}}


def test_yarns_nodes_are_those_with_the_label_and_lost_ones_are_down(tmp_path: Path) -> None:
    with scripted_web() as web:
        nodes = [
            a_yarn_node(web, 1, nodeLabels=["gpu"]),
            a_yarn_node(web, 2, nodeLabels=["gpu"], state="LOST", totalResource=None),
            a_yarn_node(web, 3),
        ]
        queues = {"queue": [{"queueName": "training", "state": "STOPPED"}]}
        web.pages = {
            f"{CLUSTER}/info": INFO,
            f"{CLUSTER}/nodes": {"nodes": {"node": nodes}},
            f"{CLUSTER}/scheduler": {"scheduler": {"schedulerInfo": {"queueName": "root", "queues": queues}}},
        }
        engine = on_yarn(web, tmp_path, node_label="gpu", gpus_per_node=2)

        assert [(node.name, node.gpus, node.is_up) for node in engine.nodes()] == [
            ("host1", 4, True),
            ("host2", 2, False),
        ]
        assert engine.health() == "YARN's queue training is STOPPED."
        assert engine.placed("tok", {0: "host1:8041", 1: "host3:8041"}) == {0: "host1"}


def test_an_application_that_outlives_its_driver_is_killed_and_gone_with_its_last_container(tmp_path: Path) -> None:
    with scripted_web() as web:
        running = {"containers": {"container": [{"id": CONTAINER, "state": "RUNNING"}]}}
        web.pages = {
            f"{CLUSTER}/info": INFO,
            f"{CLUSTER}/nodes": {"nodes": {"node": [a_yarn_node(web, 1)]}},
            f"{CLUSTER}/apps": of_state("RUNNING"),
            "/ws/v1/node/containers": running,
        }
        web.on_put = {f"{CLUSTER}/apps": of_state("KILLED")}
        engine = on_yarn(web, tmp_path)

        assert engine.reclaim("tok", None) == 1, "ended in YARN's books, and a container still runs"
        assert [(path.partition("?")[0], what) for path, what in web.put] == [
            (f"{CLUSTER}/apps/{APP}/state", {"state": "KILLED"})
        ]
        web.pages["/ws/v1/node/containers"] = {"containers": None}
        assert engine.reclaim("tok", None) == 0
        assert not (tmp_path / "s").exists()


def test_without_a_resource_manager_nothing_is_proven(tmp_path: Path) -> None:
    with scripted_web() as web:
        engine = on_yarn(web, tmp_path)

        assert engine.reclaim("tok", None) == 1
        assert "No active ResourceManager answers" in (engine.health() or "")


def test_a_resource_manager_that_wants_kerberos_is_refused_with_what_to_set(tmp_path: Path) -> None:
    with scripted_web() as web:
        web.scheme = "Negotiate"
        engine = on_yarn(web, tmp_path)

        assert engine.health() == (
            f"The ResourceManager at http://{web.address} answers nobody without a Kerberos ticket; gpuqd has none: "
            "let its REST be read without one (hadoop.http.authentication.type = simple)."
        )
        web.scheme = "Basic"
        assert "No active ResourceManager answers" in (engine.health() or "")


def test_what_a_rank_says_of_its_container_is_held_against_what_yarn_knows(tmp_path: Path) -> None:
    application, attempt = "application_17_42", "appattempt_17_42_000001"
    listed = f"{CLUSTER}/apps/{application}/appattempts"
    with scripted_web() as web:
        web.pages = {f"{CLUSTER}/info": INFO, f"{CLUSTER}/nodes": {"nodes": {"node": [a_yarn_node(web, 1)]}}}
        engine = on_yarn(web, tmp_path)
        assert engine.containers("tok") is None, "nobody can say"
        web.pages[f"{CLUSTER}/apps"] = {"apps": None}
        assert engine.containers("tok") == {}
        web.pages[f"{CLUSTER}/apps"] = {"apps": {"app": [{"id": application, "state": "RUNNING"}]}}
        assert engine.containers("tok") is None, "nobody can say"
        web.pages[listed] = {"appAttempts": {"appAttempt": [{"id": 1, "appAttemptId": attempt}]}}
        rows = {
            "container": [
                {"containerId": "container_17_42_01_000002", "assignedNodeId": "host1:8041"},
                {"containerId": "container_17_42_01_000003", "assignedNodeId": "elsewhere:8041"},
            ]
        }
        for nothing in ({}, {"containers": None}):
            web.pages[f"{listed}/{attempt}/containers"] = nothing
            assert engine.containers("tok") is None, "it has at least its master's"
        for answer in (rows, {"containers": rows}):
            web.pages[f"{listed}/{attempt}/containers"] = answer
            there = engine.containers("tok")
            assert there == {"container_17_42_01_000002": "host1", "container_17_42_01_000003": None}

    assert there is not None

    def said(container: str | None, node: str | None, **more: Any) -> tuple[str | None, str | None]:
        rank = Rank(rank=0, role="worker", host="h", node=node, container_id=container, **more)
        found = checked(rank, there)
        return found.node, found.disagrees

    second, third = "container_17_42_01_000002", "container_17_42_01_000003"
    assert said(second, "host1") == ("host1", None)
    assert said(second, "host2") == ("host1", "YARN has its container on host1, it says host2")
    assert said(second, None) == ("host1", "YARN has its container on host1, it says no node that there is")
    assert said(third, "host2") == ("host2", None), "a node that is no partition's says nothing"
    assert said("container_9_9_01_000002", "host2") == (
        "host2",
        "YARN has given its application no container container_9_9_01_000002",
    )
    assert said(None, "host2") == ("host2", None)
    assert said("container_9_9_01_000002", "host2", state=RankState.DONE) == ("host2", None), "it may be gone by now"
