"""A Kubernetes engine on a real API, asked with the rights that docs/kubernetes.yaml gives it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gpuq_daemon.backends.kubernetes import KubernetesEngine
from gpuq_daemon.backends.kubernetes_submit import Pods, Volume
from tests.support.kube_server import NAMESPACE, KubeServer

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
