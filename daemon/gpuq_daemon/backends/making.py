"""The engine of each partition, made of what its configuration says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gpuq_daemon.backends.base import Engine
from gpuq_daemon.backends.embedded import EmbeddedEngine
from gpuq_daemon.backends.private import PrivateEngine
from gpuq_daemon.backends.standalone import StandaloneEngine
from gpuq_daemon.backends.yarn import YarnEngine
from gpuq_daemon.config import Config
from gpuq_daemon.partitions import (
    EmbeddedPartition,
    KubernetesPartition,
    Partition,
    StandalonePartition,
    YarnPartition,
)


def make_engines(config: Config) -> dict[str, Engine]:
    """Return the engine of every partition; none is started."""
    folder = config.state / "engine"
    return {name: make_engine(name, wanted, folder / name, config) for name, wanted in config.partition.items()}


def make_engine(name: str, wanted: Partition, folder: Path, config: Config) -> Engine:
    """Return the engine of a partition; `folder` is its own."""
    python = Path(wanted.python or sys.executable)
    match wanted:
        case EmbeddedPartition():
            return _embedded(name, wanted, folder, python)
        case StandalonePartition():
            return StandaloneEngine(partition=name, folder=folder, wanted=wanted, python=python)
        case YarnPartition():
            return YarnEngine(partition=name, folder=folder, wanted=wanted, python=python)
        case KubernetesPartition():
            from gpuq_daemon.backends import kubernetes_making  # a start without it is quicker

            return kubernetes_making.make(name, wanted, folder, jobs=config.jobs, grace_s=config.kill_wait_s)


def _embedded(name: str, wanted: EmbeddedPartition, folder: Path, python: Path) -> Engine:
    if wanted.spark == "per-job" or (wanted.spark == "auto" and os.geteuid() == 0):
        return PrivateEngine(
            partition=name,
            folder=folder,
            nodes=wanted.nodes,
            gpus_per_node=wanted.gpus_per_node,
            python=python,
            gpu_mode=wanted.gpu,
            memory_floor_mib=wanted.memory_floor_mib,
        )
    return EmbeddedEngine(
        partition=name,
        folder=folder,
        nodes=wanted.nodes,
        gpus_per_node=wanted.gpus_per_node,
        python=python,
        gpu_mode=wanted.gpu,
        master_port=wanted.master_port,
        memory_floor_mib=wanted.memory_floor_mib,
    )
