"""Spark's Python daemon (`spark.python.daemon.module`) for gpuq's executors; it forks the rank processes.

In an application that stands by it has imported TensorFlow before: TFoS's nodes import it before the user's function
anyway, so no script finds other surroundings than in an application of its own.

Source: pyspark/daemon.py; prctl(2) PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal

from pyspark.daemon import manager  # pyright: ignore[reportUnknownVariableType]  # pyspark ships no full types

from gpuq_job import executor, ports, tfos
from gpuq_job.spec import WARM

_PR_SET_PDEATHSIG = 1


def look_after_forks(daemon: int) -> None:
    """Make each process that this daemon forks, and only those, die with it; each gets a port of its own.

    An executor that is killed takes its daemon along (by the end of its standard input), and so its rank.
    """
    prctl = ctypes.CDLL(None).prctl

    def in_child() -> None:
        if os.getppid() == daemon:  # a fork by a rank itself may outlive the thread that made it
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.environ["TENSORFLOW_PORT"] = str(ports.quiet(random.SystemRandom()))

    os.register_at_fork(after_in_child=in_child)


if __name__ == "__main__":
    os.environ.update(executor.told(executor.command_line(os.getppid()), os.environ))
    executor.use_own_temporary_folder()
    host = os.environ.get("GPUQ_HOST")
    if host:
        tfos.use_address(host)
        tfos.serve_managers_on(host)
    tfos.shorten_reservation()
    if os.environ.pop(WARM, None) is not None:
        tfos.import_node()
    look_after_forks(os.getpid())
    manager()
