"""A Kubernetes engine on a real API, asked with the rights that docs/kubernetes.yaml gives it."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpuq_daemon.backends.kubernetes import KubernetesEngine
from gpuq_daemon.backends.kubernetes_submit import Pods, Volume
from tests.support.daemon import Gpuqd, gpuqd_with, short_folder
from tests.support.kube_nodes import some_nodes
from tests.support.kube_server import NAMESPACE, KubeServer, a_kube_server

CLAIM = "gpuq-jobs"
IMAGE = "registry.example/spark-tfos:4.3.0"


def an_engine(server: KubeServer, folder: Path, *, account: str = "gpuqd", **more: Any) -> KubernetesEngine:
    """Return an engine that is not started, with jobs' files in `folder`/jobs."""
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    volume = Volume(kind="persistentVolumeClaim", options={"claimName": CLAIM}, path=folder / "jobs")
    pods = Pods(
        namespace=NAMESPACE,
        service_account="spark",
        image=IMAGE,
        python=sys.executable,
        volume=volume,
        driver_memory_mib=2048,
        memory_mib=4096,
        cpus=0.5,
        template={"metadata": {"labels": {"team": "vision"}}, "spec": {"enableServiceLinks": False}},
    )
    token = server.token_of(account)
    return KubernetesEngine(
        partition="k8s",
        folder=folder / "engine",
        pods=pods,
        kubeconfig=server.kubeconfig_of(token, account),
        **more,
    )


@contextmanager
def a_kubernetes_gpuqd(*names: str) -> Generator[Gpuqd]:
    """Give a running gpuqd whose jobs are pods on a Kubernetes of its own, with nodes of one GPU each."""
    claims: dict[str, Path] = {}
    with short_folder() as folder, a_kube_server(folder) as server, some_nodes(server, folder, *names, claims=claims):
        kubeconfig = server.kubeconfig_of(server.token_of("gpuqd"), "gpuqd")
        partition = (
            f'engine = "kubernetes"\nkubeconfig = "{kubeconfig}"\nimage = "{IMAGE}"\npython = "{sys.executable}"\n'
            f'memory_mib = 4096\ncpus = 0.5\nvolume = {{claim = "{CLAIM}"}}\n'
        )
        with gpuqd_with(partition) as daemon:
            claims[CLAIM] = daemon.folder / "jobs"
            yield daemon
