"""`[partition.NAME]`: a part of the cluster with an engine of its own. One class an engine, told apart by `engine`.

A new engine is a class here and in `Partition`, a module in `backends/`, and a case in `backends.making`.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct


class PartitionTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="engine"):
    """What a partition of every engine has.

    `python` is the interpreter that jobs run in, None for gpuqd's own; `priority` counts for all of its jobs;
    `gpu_type` is the model of its GPUs, as jobs ask for it; `log_uri` is where its jobs' files are carried to, None for
    where the whole configuration says.
    """

    python: str | None = None
    priority: Annotated[int, Meta(ge=0)] = 0
    gpu_type: str | None = None
    log_uri: str | None = None


class EmbeddedPartition(PartitionTable, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="embedded"):
    """Spark on loopback that gpuqd starts and stops itself.

    `spark` is "one" cluster that stands by and runs all jobs as the user that gpuqd is, or one "per-job", run as the
    job's owner; "auto" is the latter for root. `master_port` is that of the one. `warm` is for how many workers
    applications stand by, each for one user's short jobs, and is given back after `warm_idle_s` without such a job;
    it needs a Spark per job.
    """

    nodes: Annotated[int, Meta(ge=1, le=64)] = 2
    gpus_per_node: Annotated[int, Meta(ge=1, le=64)] = 1
    gpu: Literal["auto", "virtual", "real"] = "auto"
    spark: Literal["auto", "one", "per-job"] = "auto"
    master_port: Annotated[int, Meta(ge=1024, le=65535)] | None = None
    memory_floor_mib: Annotated[int, Meta(ge=0)] = 4096
    warm: Annotated[int, Meta(ge=0, le=64)] = 0
    warm_idle_s: Annotated[float, Meta(ge=1)] = 600.0


class StandalonePartition(PartitionTable, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="standalone"):
    """An existing Spark Standalone cluster.

    `master` is as Spark has it, several that stand by for each other with commas; `ui` is the address of the master's
    page, of each with commas, None for port 8080. `host` is this host's address as workers reach it, None for that of
    the way to the master. `gpu_types` are models by node or host. `properties` is a file of Spark settings for all
    jobs, as the cluster's secret. `worker_pages`: workers' own pages can be reached, and prove that executors ended.
    `warm` and `warm_idle_s` are as for an embedded one; what stands by holds GPUs until another asks for any.
    """

    master: Annotated[str, Meta(pattern=r"^spark://[^\s,:/]+(:[0-9]+)?(,[^\s,:/]+(:[0-9]+)?)*$")]
    ui: Annotated[str, Meta(pattern=r"^https?://")] | None = None
    host: str | None = None
    gpu_types: dict[str, str] = {}
    properties: str | None = None
    worker_pages: bool = True
    warm: Annotated[int, Meta(ge=0, le=64)] = 0
    warm_idle_s: Annotated[float, Meta(ge=1)] = 600.0


class YarnPartition(PartitionTable, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="yarn"):
    """A queue of a Hadoop cluster's YARN.

    `conf_dir` has Hadoop's settings, None for YARN_CONF_DIR or HADOOP_CONF_DIR of gpuqd's environment. `node_label`
    confines executors to the nodes that have it. `memory_mib` is that of each container. `gpus_per_node` are slots of
    nodes of which the ResourceManager knows no GPUs; where it does, `discovery_script` names those of a container.
    `jars`, `java_home` and `python` are where they are on the nodes, None for the same places as here. `staging_dir` is
    where Spark puts what a job brings along. `host` and `properties` are as for a Standalone cluster. `node_pages`:
    the NodeManagers' REST can be reached, and proves that containers ended.
    """

    conf_dir: str | None = None
    queue: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$")] = "default"
    node_label: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    memory_mib: Annotated[int, Meta(ge=1024)] = 4096
    gpus_per_node: Annotated[int, Meta(ge=0, le=64)] = 0
    discovery_script: str | None = None
    jars: str | None = None
    java_home: str | None = None
    staging_dir: str | None = None
    host: str | None = None
    properties: str | None = None
    node_pages: bool = True


class VolumeTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The volume with jobs' files, mounted in every pod where `jobs_dir` is: one of claim, host path and NFS.

    A host path has to be a file system that all nodes share.
    """

    claim: str | None = None
    host_path: str | None = None
    nfs_server: str | None = None
    nfs_path: str | None = None


class KubernetesPartition(PartitionTable, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="kubernetes"):
    """A namespace of a Kubernetes cluster. `python` is a path in `image`, None for `python3` on its path.

    The API is that of the `kubeconfig` and its `context`, else of the cluster that gpuqd is itself a pod of.
    `pod_template` is a file with what all pods are to have. `node_selector` chooses nodes by their labels, and
    `model_label` tells the model of their GPUs, which `models` may give another name. `memory_mib` and `cpus` are what
    each worker's pod asks for, `start_limit_s` is how long a driver's pod may wait for its node and its image.
    """

    image: str
    volume: VolumeTable
    namespace: str = "gpuq"
    service_account: str = "spark"
    kubeconfig: str | None = None
    context: str | None = None
    pod_template: str | None = None
    node_selector: str | None = None
    gpu_vendor: str = "nvidia.com"
    model_label: str = "nvidia.com/gpu.product"
    models: dict[str, str] = {}
    memory_mib: Annotated[int, Meta(ge=1024)] = 8192
    cpus: Annotated[float, Meta(gt=0)] = 1.0
    driver_memory_mib: Annotated[int, Meta(ge=1024)] = 2048
    start_limit_s: Annotated[float, Meta(ge=1)] = 600.0


Partition = EmbeddedPartition | StandalonePartition | YarnPartition | KubernetesPartition


def engine_names() -> tuple[str, ...]:
    """Return what `engine` may be."""
    kinds: tuple[type[PartitionTable], ...] = get_args(Partition)
    return tuple(str(kind.__struct_config__.tag) for kind in kinds)
