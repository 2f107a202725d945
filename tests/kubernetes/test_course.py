"""A gpuqd with a partition on Kubernetes: its nodes, why a job's pods wait, and that a cancel takes them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon.kubernetes.labels import JOB
from gpuq_daemon.kubernetes.objects import pods
from tests.support.daemon import gpuqd_with, until
from tests.support.kube_engine import CLAIM, IMAGE
from tests.support.kube_nodes import some_nodes
from tests.support.kube_server import NAMESPACE, KubeServer

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800)]  # the first may have to build the API server
SCRIPT = "def main_fun(args, ctx):\n    pass\n"


def pods_of(server: KubeServer, job_id: int) -> list[str]:
    return [pod.metadata.name for pod in pods(server.api(), NAMESPACE, labelSelector=f"{JOB}={job_id}")]


def soon(claim: Callable[[], Any], what: str) -> None:
    until(lambda: bool(claim()), timeout_s=120, what=what)


def test_a_job_whose_image_cannot_be_pulled_says_so_and_is_taken_back(
    server: KubeServer, folder: Path, names: tuple[str, str]
) -> None:
    kubeconfig = server.kubeconfig_of(server.token_of("gpuqd"), "gpuqd")
    lines = f'engine = "kubernetes"\nkubeconfig = "{kubeconfig}"\nimage = "{IMAGE}"\nvolume = {{claim = "{CLAIM}"}}\n'
    with some_nodes(server, folder, *names, gpus=2, waits_for_image={IMAGE}), gpuqd_with(lines) as daemon:
        nodes = {node["name"]: node for node in daemon.client.cluster()["nodes"]}
        assert {name: nodes[name]["gpus"] for name in names} == dict.fromkeys(names, 2)

        job_id = daemon.enqueue(SCRIPT)
        soon(lambda: "ImagePullBackOff" in daemon.client.why(job_id)["text"], "the reason")
        (driver,) = pods_of(server, job_id)
        assert f" Pod {driver} waits: ImagePullBackOff: cannot pull its image" in daemon.client.why(job_id)["text"]

        daemon.kill()
        daemon.start()
        assert daemon.client.job(job_id)["state"] == "CONFIGURING"
        assert pods_of(server, job_id) == [driver]

        daemon.client.cancel(job_id)
        assert daemon.ended(job_id, timeout_s=60)["state"] == "CANCELLED"
        assert pods_of(server, job_id) == []
