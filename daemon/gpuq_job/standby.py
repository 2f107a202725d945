"""An application that is started before there is a job for it: `spark-submit standby.py spec.json SOCKET SECONDS`.

It starts Spark and has TensorFlow imported in every executor, then listens for one attempt. It runs that one as a
driver of its own would have, and ends with it: no process is used twice, so nothing of a job can be found by the next
one. Who comes tells where the attempt's spec.json is, and is told the exit code; when it hangs up, the attempt is over.
If nobody comes in time it ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path

from pyspark import SparkContext

from gpuq_job import pod_orders, spec, tfos
from gpuq_job.driver import Driver
from gpuq_job.lead import TAKEN

_LONGEST_PATH = 4096
_WORD_S = 5.0
_CANCELLED = 143


def main(workers: int, path: str, idle_s: float) -> int:
    """Warm up, wait for an attempt, run it; return its exit code, 0 if none has come."""
    heard = pod_orders.listening()
    importing = threading.Thread(target=tfos.import_cluster, name="import", daemon=True)
    importing.start()
    context = SparkContext()
    context.parallelize(range(workers), workers).foreachPartition(_come_up)
    importing.join()
    connection, run = next_attempt(listening(path), idle_s)
    if connection is None or run is None:
        return 0
    threading.Thread(target=_end_with, args=(connection,), name="lead", daemon=True).start()
    os.chdir(run.folder)
    _print_to(Path(run.folder) / "driver.log")
    code = Driver(run, heard, context).lead()
    with contextlib.suppress(OSError):
        connection.sendall(b"%d\n" % code)
    return code


def _come_up(numbers: Iterable[int]) -> None:
    """Do nothing in an executor, whose Python then stands by."""


def listening(path: str) -> socket.socket:
    """Return a socket that can be found at the path as soon as it listens."""
    listener = socket.socket(socket.AF_UNIX)
    draft = f"{path}.draft"
    listener.bind(draft)  # in a folder that is closed to all but the owner
    listener.listen()
    os.rename(draft, path)  # who finds it there finds somebody who listens
    return listener


def next_attempt(listener: socket.socket, idle_s: float) -> tuple[socket.socket | None, spec.Run | None]:
    """Return the first attempt and who brings it; None if none comes in time, or who brought it has not waited."""
    listener.settimeout(idle_s)
    with listener:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return None, None
    connection.settimeout(_WORD_S)
    said = b""
    while not said.endswith(b"\n") and len(said) < _LONGEST_PATH:
        said += connection.recv(_LONGEST_PATH) or b"\n"
    try:
        run = spec.read(Path(os.fsdecode(said.rstrip(b"\n"))))
    except (OSError, ValueError, KeyError, TypeError):  # it begins anew, and says then what is wrong
        traceback.print_exc()
        connection.close()
        return None, None
    with contextlib.suppress(OSError):
        connection.sendall(TAKEN)
    connection.settimeout(None)
    if select.select([connection], [], [], 0)[0]:  # it says nothing more: this is its end, and it has begun anew
        connection.close()
        return None, None
    return connection, run


def _end_with(connection: socket.socket) -> None:
    """End at once, and Spark with it, when the attempt's lead is gone."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os._exit(_CANCELLED)


def _print_to(path: Path) -> None:
    """Send what the driver prints from here on to the attempt's own log."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


if __name__ == "__main__":
    code = main(spec.read(Path(sys.argv[1])).workers, sys.argv[2], float(sys.argv[3]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
