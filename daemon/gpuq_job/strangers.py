"""Whose the processes on a GPU are, as far as it can be told from here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gpuq_job import process_tree
from gpuq_job.gpu_readings import GpuReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A process on a GPU that is of no attempt: who has it, and what it is called."""

    pid: int
    user: str
    command: str
    memory_mib: float | None = None


def strangers(reading: GpuReading, ours: Collection[int] = ()) -> list[Stranger]:
    """Return the processes on a GPU that neither are `ours` nor carry the mark of an attempt.

    Of one that this machine's /proc does not show nothing is said: in a container the numbers are others.
    """
    found: list[Stranger] = []
    for process in reading.processes:
        if process.pid in ours or process_tree.attempt_of(process.pid) is not None:
            continue
        user, command = process_tree.user_of(process.pid), process_tree.command_of(process.pid)
        if user is not None and command is not None:
            found.append(Stranger(pid=process.pid, user=user, command=command, memory_mib=process.memory_mib))
    return found
