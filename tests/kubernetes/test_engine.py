"""The Kubernetes engine on a real API, with pods that are processes of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpuq.models import EndReason
from gpuq_daemon.backends.base import EngineError, Explanation
from gpuq_daemon.backends.kubernetes import KubernetesEngine
from gpuq_daemon.kubernetes.api import ApiError
from gpuq_daemon.kubernetes.fate import waits_for
from gpuq_daemon.kubernetes.labels import OURS, TOKEN
from gpuq_daemon.kubernetes.objects import Pod, one_pod
from gpuq_daemon.kubernetes.quota import exceeded
from tests.support.kube_engine import an_engine
from tests.support.kube_nodes import a_pod, some_nodes
from tests.support.kube_server import NAMESPACE, KubeServer, create

pytestmark = pytest.mark.timeout(1800)  # the first test may have to build the API server


def until(claim: Callable[[], Any], timeout_s: float = 120) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := claim()):
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.05)
    return value


def started(server: KubeServer, folder: Path, **more: Any) -> KubernetesEngine:
    engine = an_engine(server, folder, **more)
    engine.start()
    return engine


def run(server: KubeServer, manifest: Any, namespace: str = "default") -> str:
    manifest["metadata"]["namespace"] = namespace
    create(server.api(), manifest)
    return str(manifest["metadata"]["name"])


def phase(server: KubeServer, name: str, namespace: str = "default") -> str:
    pod = one_pod(server.api(), namespace, name)
    return "" if pod is None else pod.status.phase


def the_pod(server: KubeServer, name: str, namespace: str = NAMESPACE) -> Pod:
    pod = one_pod(server.api(), namespace, name)
    assert pod is not None
    return pod


def test_capacity_is_what_nodes_have_less_what_others_hold(
    server: KubeServer, folder: Path, names: tuple[str, str]
) -> None:
    first, second = names
    models = {first: {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}}
    with some_nodes(server, folder, first, second, gpus=4, labels=models):
        others = run(server, a_pod(f"theirs-{first}", "sleep", "60", gpus=3))
        until(lambda: phase(server, others) == "Running")
        engine = started(server, folder, models={"NVIDIA-A100-SXM4-80GB": "a100"})
        assert engine.health() is None
        seen = {node.name: node for node in engine.nodes()}
        holder = the_pod(server, others, "default").spec.node_name

        assert seen[holder].gpus == 1
        assert seen[second if holder == first else first].gpus == 4
        assert (seen[first].gpu_type, seen[second].gpu_type) == ("a100", None)

        server.api().ask("PATCH", f"/api/v1/nodes/{first}", {"spec": {"unschedulable": True}})
        engine.health()

        assert [node.is_up for node in engine.nodes() if node.name in names] == [False, True]
        server.api().ask("DELETE", f"/api/v1/namespaces/default/pods/{others}")
        until(lambda: phase(server, others) == "")


def test_rights_that_are_missing_are_named_with_what_gives_them(server: KubeServer, folder: Path) -> None:
    with pytest.raises(EngineError) as raised:
        started(server, folder, account="default")

    assert "it may not create pods; it may not list pods" in str(raised.value)
    assert "docs/kubernetes.yaml" in str(raised.value)


def test_an_api_that_is_away_is_said_so(server: KubeServer, folder: Path) -> None:
    engine = started(server, folder)
    server.stop("apiserver")
    try:
        wrong = engine.health()
    finally:
        server.start()

    assert wrong is not None
    assert "does not answer" in wrong
    assert "does not answer" not in (engine.health() or "")


def ours(name: str, token: str, *command: str) -> Any:
    labels = {TOKEN: token, OURS: "x", "spark-role": "executor", "spark-exec-id": "2"}
    return a_pod(name, *command, labels=labels)


def test_a_reclaim_takes_back_the_pods_of_an_attempt_and_no_others(
    server: KubeServer, folder: Path, names: tuple[str, str]
) -> None:
    first, second = f"mine-{names[0]}", f"mine-{names[1]}"
    with some_nodes(server, folder, *names) as nodes:
        engine = started(server, folder, grace_s=1)
        # It takes no notice of a wish to end, and its name begins as that of the other.
        run(server, ours(first, names[0], "sh", "-c", "trap '' TERM; sleep 60 & wait; wait; wait"), NAMESPACE)
        run(server, ours(second, names[1], "sleep", "60"), NAMESPACE)
        until(lambda: nodes.is_running(first) and nodes.is_running(second))
        process = next(
            s.container.process for s in nodes.seats.values() if s.container.pod["metadata"]["name"] == first
        )

        until(lambda: engine.reclaim(names[0], None) == 0)

        assert process.poll() is not None
        assert one_pod(server.api(), NAMESPACE, first) is None
        assert nodes.is_running(second)
        assert engine.reclaim(names[0], None) == 0  # and again
        until(lambda: engine.reclaim(names[1], None) == 0)


def test_what_kubernetes_knows_of_an_end_is_told(server: KubeServer, folder: Path, names: tuple[str, str]) -> None:
    name = f"big-{names[0]}"
    with some_nodes(server, folder, *names) as nodes:
        engine = started(server, folder)
        run(server, ours(name, names[0], "sleep", "60"), NAMESPACE)
        until(lambda: phase(server, name, NAMESPACE) == "Running")
        on = the_pod(server, name).spec.node_name
        nodes.fail(name, "OOMKilled")
        until(lambda: phase(server, name, NAMESPACE) == "Failed")
        until(lambda: engine.reclaim(names[0], None) == 0)

    assert engine.explained(names[0]) == Explanation(
        text=f"executor 2's pod {name} on {on} ran out of the memory that it may use (OOMKilled)",
        reason=EndReason.OUT_OF_MEMORY,
    )
    assert engine.explained(names[1]) is None


def test_a_pod_that_waits_says_for_what(server: KubeServer, folder: Path, names: tuple[str, str]) -> None:
    large, strange = f"large-{names[0]}", f"strange-{names[0]}"
    with some_nodes(server, folder, *names, waits_for_image={"registry.example/none"}):
        run(server, a_pod(large, "true", gpus=2))
        manifest = a_pod(strange, "true")
        manifest["spec"]["containers"][0]["image"] = "registry.example/none"
        run(server, manifest)

        words = until(lambda: waits_for(the_pod(server, large, "default")))
        assert words == "Unschedulable: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
        words = until(lambda: waits_for(the_pod(server, strange, "default")))
        assert words.startswith("ImagePullBackOff: cannot pull its image (Back-off")
        for name in (large, strange):
            server.api().ask("DELETE", f"/api/v1/namespaces/default/pods/{name}")
        until(lambda: not phase(server, large) and not phase(server, strange))


def test_a_quota_is_named_as_the_api_itself_says_it(server: KubeServer) -> None:
    named = {"metadata": {"name": "few", "namespace": "tight"}}
    few = {"pods": "1"}
    create(server.api(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tight"}})
    account = {"metadata": {"name": "default", "namespace": "tight"}}
    create(server.api(), {"apiVersion": "v1", "kind": "ServiceAccount", **account})
    create(server.api(), {"apiVersion": "v1", "kind": "ResourceQuota", **named, "spec": {"hard": few}})
    path = "/api/v1/namespaces/tight/resourcequotas/few"  # no controller here counts what is there
    known = server.api().json("GET", path)
    server.api().json("PUT", f"{path}/status", {**known, "status": {"hard": few, "used": {"pods": "1"}}})
    pod = a_pod("late", "true")
    pod["metadata"]["namespace"] = "tight"

    with pytest.raises(ApiError) as refused:
        create(server.api(), pod)

    said = "The namespace's quota few lets no further pod be made: it allows pods=1; used pods=1, wanted pods=1."
    assert exceeded(str(refused.value)) == said
