"""Spark's Python daemon (`spark.python.daemon.module`) for gpuq's executors; it forks the rank processes.

Source: pyspark/daemon.py; prctl(2) PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal

from pyspark.daemon import manager  # pyright: ignore[reportUnknownVariableType]  # pyspark ships no full types

from gpuq_job import executor, ports, tfos

_PR_SET_PDEATHSIG = 1


def die_with(daemon: int) -> None:
    """Make each process that this daemon forks, and only those, die with it.

    An executor that is killed takes its daemon along (by the end of its standard input), and so its rank.
    """
    prctl = ctypes.CDLL(None).prctl

    def in_child() -> None:
        if os.getppid() == daemon:  # a fork by a rank itself may outlive the thread that made it
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    os.register_at_fork(after_in_child=in_child)


if __name__ == "__main__":
    os.environ.update(executor.told(executor.command_line(os.getppid()), os.environ))
    executor.use_own_temporary_folder()
    host = os.environ.get("GPUQ_HOST")
    if host:
        tfos.use_address(host)
        tfos.serve_managers_on(host)
    tfos.shorten_reservation()
    os.environ["TENSORFLOW_PORT"] = str(ports.quiet(random.SystemRandom()))
    die_with(os.getpid())
    manager()
