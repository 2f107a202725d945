"""The spark-submit of one attempt on Kubernetes: its settings, and the templates of its pods. Pure.

In cluster mode the driver is a pod too. The attempt's files are on a volume that every pod sees where gpuqd sees it.
Source: Spark, "Running Spark on Kubernetes"; Kubernetes, "Assign Pods to Nodes", "Downward API".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpuq_daemon.backends import submit
from gpuq_daemon.backends.base import Attempt
from gpuq_daemon.backends.java import small_jvm
from gpuq_daemon.kubernetes.labels import JOB, NUMBER, OURS, TOKEN
from gpuq_job.pod_orders import ACCOUNT
from gpuq_job.spec import Executor

_CONTAINER = "spark"
_DRIVER_OVERHEAD_MIB = 1024

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The volume that holds jobs' files. `kind` is Spark's word for it, `options` go with it; `path` is where it is."""

    kind: str
    options: Mapping[str, str]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """What all pods of a partition have in common; memory is of a whole pod, of which Spark's heap is a part."""

    namespace: str
    service_account: str
    image: str
    python: str
    volume: Volume
    driver_memory_mib: int
    memory_mib: int
    cpus: float
    gpu_vendor: str = "nvidia.com"
    template: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whom an attempt's pods belong to: the gpuqd, and the user that their processes run as."""

    gpuqd: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def labels(attempt: Attempt, whose: Whose) -> dict[str, str]:
    """Return the labels of every pod of an attempt."""
    return {
        OURS: whose.gpuqd,
        TOKEN: attempt.token,
        JOB: str(attempt.job_id),
        NUMBER: str(attempt.number),
    }


def selector(token: str) -> str:
    """Return what selects the pods of an attempt, and no others."""
    return f"{TOKEN}={token}"


def pod_prefix(attempt: Attempt) -> str:
    """Return how the names of an attempt's pods begin; a second driver of the same attempt is refused by its name."""
    return f"gpuq-{attempt.job_id}-{attempt.number}-{attempt.token[:16]}".lower()


def configuration(
    attempt: Attempt, pods: Pods, whose: Whose, *, code: Path, driver_template: Path, executor_template: Path
) -> dict[str, str]:
    """Return the settings of an attempt's application; `code` is the folder, on the volume, of gpuq's own part."""
    marks = {**submit.marks(attempt), "PYTHONPATH": str(code)}
    java = submit.quoted(*small_jvm(), f"-Dlog4j2.configurationFile={code / submit.log_settings().name}")
    heap = submit.EXECUTOR_HEAP_MIB
    return {
        **submit.shared(attempt),
        "spark.authenticate": "true",  # with a secret that Spark makes for each application
        "spark.driver.memoryOverhead": f"{max(pods.driver_memory_mib - submit.DRIVER_HEAP_MIB, _DRIVER_OVERHEAD_MIB)}m",
        "spark.driver.extraJavaOptions": java,
        "spark.executor.extraJavaOptions": java,
        "spark.executor.instances": str(attempt.workers),
        "spark.executor.memoryOverhead": f"{max(pods.memory_mib - heap, heap)}m",
        "spark.pyspark.python": pods.python,
        "spark.pyspark.driver.python": pods.python,
        "spark.kubernetes.namespace": pods.namespace,
        "spark.kubernetes.container.image": pods.image,
        "spark.kubernetes.authenticate.driver.serviceAccountName": pods.service_account,
        "spark.kubernetes.submission.waitAppCompletion": "false",
        "spark.kubernetes.driver.pod.name": f"{pod_prefix(attempt)}-driver",
        "spark.kubernetes.executor.podNamePrefix": pod_prefix(attempt),
        "spark.kubernetes.driver.podTemplateFile": str(driver_template),
        "spark.kubernetes.executor.podTemplateFile": str(executor_template),
        "spark.kubernetes.driver.podTemplateContainerName": _CONTAINER,
        "spark.kubernetes.executor.podTemplateContainerName": _CONTAINER,
        "spark.kubernetes.executor.request.cores": f"{pods.cpus:g}",
        # gpuqd removes the pods, once it has read how they ended.
        "spark.kubernetes.executor.deleteOnTermination": "false",
        "spark.kubernetes.allocation.batch.size": str(max(attempt.workers + attempt.servers, 5)),
        **(
            {"spark.dynamicAllocation.maxExecutors": str(max(attempt.workers, attempt.servers))}
            if attempt.servers
            else {}
        ),
        **_gpus(attempt, pods, code),
        **_volume(pods.volume),
        **{f"spark.kubernetes.driver.label.{name}": value for name, value in labels(attempt, whose).items()},
        **{f"spark.kubernetes.executor.label.{name}": value for name, value in labels(attempt, whose).items()},
        **{f"spark.kubernetes.driverEnv.{name}": value for name, value in {**marks, **_OF_DRIVER}.items()},
        **{f"spark.executorEnv.{name}": value for name, value in marks.items()},
    }


# An image may show all of a node's GPUs to a pod that asked for none.
_OF_DRIVER = {
    "CUDA_VISIBLE_DEVICES": "",
    "NVIDIA_VISIBLE_DEVICES": "void",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
    ACCOUNT: "/var/run/secrets/kubernetes.io/serviceaccount",
}


def server_executor(attempt: Attempt, pods: Pods) -> Executor | None:
    """Return what an executor of a node without GPUs gets."""
    if not attempt.servers:
        return None
    heap = submit.EXECUTOR_HEAP_MIB
    return Executor(cores=1, memory_mib=heap, resources={}, overhead_mib=max(pods.memory_mib - heap, heap))


def driver_template(pods: Pods, whose: Whose) -> Json:
    """Return the template of the driver's pod."""
    return _template(pods, whose, ())


def executor_template(attempt: Attempt, pods: Pods, whose: Whose) -> Json:
    """Return the template of executors, which are confined to the nodes that the attempt was given."""
    return _template(pods, whose, sorted({*attempt.gpus_by_node, *attempt.ps_by_node}))


def _template(pods: Pods, whose: Whose, nodes: tuple[str, ...] | list[str]) -> Json:
    """Return the operator's template with what an attempt needs in it.

    Pods run as the user whom the attempt's files belong to: on a shared volume these are closed to all others.
    """
    given: Json = pods.template
    spec: Json = dict(given.get("spec") or {})
    containers: list[Json] = list(spec.get("containers") or [{}])
    first = {**containers[0], "name": _CONTAINER}
    first["env"] = [*(first.get("env") or []), *(_from_pod(name, path) for name, path in _TOLD_BY_POD.items())]
    security: Json = {
        **(spec.get("securityContext") or {}),
        "runAsUser": whose.uid,
        "runAsGroup": whose.gid,
        "supplementalGroups": list(whose.groups),
    }
    spec |= {"containers": [first, *containers[1:]], "securityContext": security}
    if nodes:
        spec["affinity"] = _confined(spec.get("affinity") or {}, list(nodes))
    return {**given, "apiVersion": "v1", "kind": "Pod", "spec": spec}


_TOLD_BY_POD = {"GPUQ_NODE": "spec.nodeName", "GPUQ_POD": "metadata.name", "GPUQ_POD_UID": "metadata.uid"}


def _from_pod(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _confined(affinity: Json, nodes: list[str]) -> Json:
    """Return an affinity with the nodes in each of its terms: of terms one has to hold, of a term everything."""
    of_nodes: Json = dict(affinity.get("nodeAffinity") or {})
    required: Json = dict(of_nodes.get(_REQUIRED) or {})
    by_name = {"key": "metadata.name", "operator": "In", "values": nodes}
    terms: list[Json] = list(required.get("nodeSelectorTerms") or [{}])
    # A field may be matched with one name only, so every node is a term of its own.
    with_names: list[Json] = [
        {**term, "matchFields": [*(term.get("matchFields") or []), {**by_name, "values": [node]}]}
        for term in terms
        for node in nodes
    ]
    return {**affinity, "nodeAffinity": {**of_nodes, _REQUIRED: {"nodeSelectorTerms": with_names}}}


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def _gpus(attempt: Attempt, pods: Pods, code: Path) -> dict[str, str]:
    if attempt.gpus_per_worker == 0:
        return {}
    return {
        "spark.executor.resource.gpu.vendor": pods.gpu_vendor,
        "spark.executor.resource.gpu.discoveryScript": str(code / "gpus.sh"),
    }


def _volume(volume: Volume) -> dict[str, str]:
    found: dict[str, str] = {}
    for role in ("driver", "executor"):
        at = f"spark.kubernetes.{role}.volumes.{volume.kind}.gpuq-jobs"
        found[f"{at}.mount.path"] = str(volume.path)
        found |= {f"{at}.options.{name}": value for name, value in volume.options.items()}
    return found
