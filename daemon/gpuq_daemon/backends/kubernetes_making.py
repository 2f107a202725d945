"""The Kubernetes engine of a partition, made of what its configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from gpuq.errors import UsageError
from gpuq_daemon.backends.kubernetes import KubernetesEngine
from gpuq_daemon.backends.kubernetes_submit import Pods, Volume
from gpuq_daemon.partitions import KubernetesPartition, VolumeTable

_LARGEST = 1024 * 1024


def make(name: str, wanted: KubernetesPartition, folder: Path, *, jobs: Path, grace_s: float) -> KubernetesEngine:
    """Return the engine, which is not started; `jobs` is where jobs' files are, here and in pods.

    Raises:
        UsageError: its volume or its pod template is not what it should be.
    """
    pods = Pods(
        namespace=wanted.namespace,
        service_account=wanted.service_account,
        image=wanted.image,
        python=wanted.python or "python3",
        volume=volume(name, wanted.volume, jobs),
        driver_memory_mib=wanted.driver_memory_mib,
        memory_mib=wanted.memory_mib,
        cpus=wanted.cpus,
        gpu_vendor=wanted.gpu_vendor,
        template={} if wanted.pod_template is None else template(Path(wanted.pod_template)),
    )
    return KubernetesEngine(
        partition=name,
        folder=folder,
        pods=pods,
        kubeconfig=None if wanted.kubeconfig is None else Path(wanted.kubeconfig),
        context=wanted.context,
        node_selector=wanted.node_selector,
        model_label=wanted.model_label,
        models=wanted.models,
        start_limit_s=wanted.start_limit_s,
        grace_s=grace_s,
    )


def volume(partition: str, wanted: VolumeTable, path: Path) -> Volume:
    """Return the volume, as Spark asks for it.

    Source: Spark, "Using Kubernetes Volumes".

    Raises:
        UsageError: it is not exactly one of the kinds.
    """
    match wanted:
        case VolumeTable(claim=str(claim), host_path=None, nfs_server=None, nfs_path=None):
            return Volume(kind="persistentVolumeClaim", options={"claimName": claim}, path=path)
        case VolumeTable(claim=None, host_path=str(host_path), nfs_server=None, nfs_path=None):
            return Volume(kind="hostPath", options={"path": host_path, "type": "Directory"}, path=path)
        case VolumeTable(claim=None, host_path=None, nfs_server=str(server), nfs_path=str(there)):
            return Volume(kind="nfs", options={"server": server, "path": there}, path=path)
        case _:
            raise UsageError(
                f"[partition.{partition}] volume must be one of {{claim}}, {{host_path}} and {{nfs_server, nfs_path}}."
            )


def template(path: Path) -> dict[str, Any]:
    """Return what an operator wants all pods to have.

    Raises:
        UsageError: the file cannot be read, or is no pod.
    """
    try:
        loaded: Any = yaml.safe_load(path.read_bytes()[:_LARGEST])
    except OSError as error:
        raise UsageError(f"Cannot read the pod template {path}: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"The pod template {path} is not YAML: {' '.join(str(error).split())}.") from error
    found = cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}
    spec = found.get("spec", {})
    if found.get("kind") != "Pod" or not isinstance(spec, dict):
        raise UsageError(f"The pod template {path} is no Pod: it has to say `kind: Pod` and what is in its `spec`.")
    return found
