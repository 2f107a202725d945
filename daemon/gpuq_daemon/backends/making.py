"""The engine of each partition, made of what its configuration says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from gpuq_daemon.backends.base import Engine, Spare
from gpuq_daemon.backends.embedded import EmbeddedEngine
from gpuq_daemon.backends.private import PrivateEngine
from gpuq_daemon.backends.standalone import StandaloneEngine
from gpuq_daemon.backends.standbys import Surroundings
from gpuq_daemon.backends.warm import WarmEngine
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
            return _embedded(name, wanted, folder, python, config)
        case StandalonePartition():
            engine = StandaloneEngine(partition=name, folder=folder, wanted=wanted, python=python)
            is_warm = _is_warm(wanted, folder)
            return _warm(engine, wanted, folder, python, config, spare=engine.spare) if is_warm else engine
        case YarnPartition():
            return YarnEngine(partition=name, folder=folder, wanted=wanted, python=python)
        case KubernetesPartition():
            from gpuq_daemon.backends import kubernetes_making  # a start without it is quicker

            return kubernetes_making.make(name, wanted, folder, jobs=config.jobs, grace_s=config.kill_wait_s)


def _embedded(name: str, wanted: EmbeddedPartition, folder: Path, python: Path, config: Config) -> Engine:
    if wanted.spark == "per-job" or (wanted.spark == "auto" and (os.geteuid() == 0 or wanted.warm)):
        private = PrivateEngine(
            partition=name,
            folder=folder,
            nodes=wanted.nodes,
            gpus_per_node=wanted.gpus_per_node,
            python=python,
            gpu_mode=wanted.gpu,
            memory_floor_mib=wanted.memory_floor_mib,
        )
        return _warm(private, wanted, folder, python, config) if _is_warm(wanted, folder) else private
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


def _is_warm(wanted: EmbeddedPartition | StandalonePartition, folder: Path) -> bool:
    """Whether applications stand by, or did for an earlier gpuqd: a job may still run on one."""
    return wanted.warm > 0 or (folder / "warm").exists()


def _warm(
    engine: Engine,
    wanted: EmbeddedPartition | StandalonePartition,
    folder: Path,
    python: Path,
    config: Config,
    spare: Callable[[], Spare] | None = None,
) -> Engine:
    return WarmEngine(
        engine,
        Surroundings(
            folder=folder / "warm",
            jobs=config.jobs,
            scratch=config.scratch,
            grace_s=config.kill_wait_s,
            limits=config.limits.by_name,
        ),
        python=python,
        most=wanted.warm,
        idle_s=wanted.warm_idle_s,
        memory_floor_mib=wanted.memory_floor_mib if isinstance(wanted, EmbeddedPartition) else 0,
        spare=spare,
    )
