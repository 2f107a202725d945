"""What the embedded engine has started, kept on disk so that the next gpuqd finds it again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gpuq_daemon.backends.gpus import Slots
from gpuq_daemon.processes import ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the engine was configured to be; another configuration is another engine."""

    nodes: int
    gpus_per_node: int
    gpu_mode: str
    master_port: int | None
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A Spark worker: a node of the engine."""

    name: str
    process: ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A started engine. `marker` is in the environment of its master and workers as `GPUQ_ENGINE`."""

    asked: Asked
    marker: str
    slots: Slots
    master_port: int
    ui_port: int
    master: ProcessId | None = None
    workers: tuple[Worker, ...] = ()


def read(path: Path) -> Record | None:
    """Return the record, or None if there is none that can be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write(path: Path, record: Record) -> None:
    """Replace the record, whole."""
    write_private(path, msgspec.json.encode(record))


def write_private(path: Path, data: bytes) -> None:
    """Replace a file that only its owner may read, whole."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
