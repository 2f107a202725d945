"""An engine without Spark: the driver is a Python process that reports as `gpuq_job.driver` does.

The far side of the `Engine` protocol, for tests of the daemon: processes, shims and files are real, only TensorFlow
and Spark are left out, so that a job takes milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path

import gpuq_job
from gpuq.models import Node
from gpuq_daemon.backends.base import Attempt, Command
from gpuq_daemon.backends.leftovers import warn_marked
from gpuq_daemon.processes import marked, send_signal

_DRIVER = """
import importlib.util, os, pathlib, sys
folder, script, workers, args = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]

sys.path.append(os.environ["GPUQ_JOB_PATH"])
from gpuq_job.rank_log import printed_to
from gpuq_job.reports import Reports
reports = Reports(os.path.join(folder, "reports.jsonl"))

def report(**said):
    reports.add(said)

report(kind="application", application_id="plain-" + os.environ["GPUQ_ATTEMPT"], driver_pid=os.getpid())
for rank in range(workers):
    report(kind="rank", rank=rank, role="chief" if rank == 0 else "worker", host="127.0.0.1", state="RUNNING",
           pid=os.getpid(), node=f"plain-{rank % 2 + 1}", executor_id=str(rank), gpus=[str(rank)])
printed = printed_to(pathlib.Path(folder, "logs", "rank-0.log"))
printed.__enter__()
os.environ["GPUQ_LOG_DIR"] = os.path.join(folder, "events", "rank-0")
os.makedirs(os.environ["GPUQ_LOG_DIR"], exist_ok=True)
spec = importlib.util.spec_from_file_location("job", script)
module = importlib.util.module_from_spec(spec)
try:
    spec.loader.exec_module(module)
    module.main_fun([os.path.basename(script), *args], None)
except BaseException as error:
    code = error.code if isinstance(error, SystemExit) else 1
    report(kind="outcome", exit_code=code, error=repr(error), failed_rank=0, tail=["the last line"])
    sys.exit(code)
for rank in range(workers):
    report(kind="rank", rank=rank, role="chief" if rank == 0 else "worker", host="127.0.0.1", state="DONE", exit_code=0)
report(kind="outcome", exit_code=0)
"""


class PlainEngine:
    """Runs drivers as plain processes on nodes that exist in name only."""

    def __init__(self, *, partition: str = "plain", nodes: int = 2, gpus_per_node: int = 1) -> None:
        self.partition = partition
        self.problem: str | None = None
        self._shape = (nodes, gpus_per_node)

    def start(self) -> None:
        """Need nothing."""

    def stop(self) -> None:
        """Need nothing."""

    def health(self) -> str | None:
        """Return the problem that a test has set."""
        return self.problem

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes."""
        count, gpus = self._shape
        return tuple(
            Node(
                name=f"{self.partition}-{n}",
                partition=self.partition,
                host="127.0.0.1",
                gpu_kind="virtual GPU",
                gpus=gpus,
                free_gpus=gpus,
            )
            for n in range(1, count + 1)
        )

    def command(self, attempt: Attempt) -> Command:
        """Return a Python that runs the script's `main_fun` and reports."""
        words = (str(attempt.folder), str(attempt.script), str(attempt.workers), *attempt.args)
        return Command(
            argv=(sys.executable, "-I", "-S", "-c", _DRIVER, *words),
            env={
                "GPUQ_ATTEMPT": attempt.token,
                "PATH": os.environ["PATH"],
                "GPUQ_JOB_PATH": str(Path(gpuq_job.__file__).parent.parent),
            },
            cwd=Path(attempt.folder),
        )

    def warn(self, attempt_token: str, pids: Collection[int]) -> int:
        """Send SIGUSR1 to the driver, which is all of the ranks."""
        return warn_marked(attempt_token, pids)

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Kill what is left and return how much that was."""
        left = marked(attempt_token)
        for process in left:
            send_signal(process, signal.SIGKILL)
        return len(left)
