"""The cluster as it is now: its nodes with what is free and who holds the rest, its GPUs, and what is down."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from gpuq import __version__
from gpuq.gpus import Gpu
from gpuq.models import Cluster
from gpuq_daemon.backends.gpus import VIRTUAL
from gpuq_daemon.config import Config
from gpuq_daemon.engines import Engines
from gpuq_daemon.host_gpus import HostGpus
from gpuq_daemon.partitions import EmbeddedPartition
from gpuq_daemon.policy.gpu_map import gpu_map
from gpuq_daemon.sampled import Sampled
from gpuq_daemon.space import shortage
from gpuq_daemon.store.jobs import JobStore


class ClusterNow:
    """Puts together what engines, jobs and samples say of nodes and GPUs at this moment."""

    def __init__(
        self, config: Config, *, engines: Engines, jobs: JobStore, sampled: Sampled, host_gpus: HostGpus
    ) -> None:
        self._config = config
        self._engines = engines
        self._jobs = jobs
        self._sampled = sampled
        self._host_gpus = host_gpus

    def down(self) -> Mapping[str, str]:
        """Return the partitions that start nothing now, with the reason: a dead engine, or no room on the disk."""
        short = shortage(self._config.state, self._config.min_free_mib)
        return self._engines.down() if short is None else dict.fromkeys(self._config.partition, short)

    def cluster(self) -> Cluster:
        """Return the nodes, each with its free GPUs and the jobs on it, and whether all engines work."""
        active = self._jobs.active()
        taken = Counter[str]()
        for job in active:
            taken.update(job.gpus_by_node)
        down = self.down()
        nodes = tuple(
            replace(
                node,
                free_gpus=max(0, node.gpus - taken[node.name]) if node.is_up else 0,
                job_ids=tuple(job.job_id for job in active if node.name in job.gpus_by_node),
            )
            for node in self._engines.nodes()
        )
        return Cluster(
            name=self._config.cluster_name,
            version=__version__,
            pid=os.getpid(),
            engine_ok=not down,
            engine_message="; ".join(f"{name}: {wrong}" for name, wrong in down.items()) or None,
            nodes=nodes,
        )

    def gpus(self) -> tuple[Gpu, ...]:
        """Return each GPU with whose it is and how much it is used, as far as something measures that."""
        return gpu_map(
            self.cluster().nodes,
            self._jobs.active_jobs(),
            {job.job_id: job.gpus_by_node for job in self._jobs.active()},
            self._sampled.newest(),
            idle_after_s=self._config.idle_after_s,
            here=self._host_gpus.newest,
            nodes_here=self.nodes_here(),
        )

    def nodes_here(self) -> set[str]:
        """Return the nodes whose GPUs are this machine's own."""
        embedded = {n for n, partition in self._config.partition.items() if isinstance(partition, EmbeddedPartition)}
        return {n.name for n in self._engines.nodes() if n.partition in embedded and n.gpu_kind != VIRTUAL}
