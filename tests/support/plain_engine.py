"""An engine without Spark: the driver is a Python process that reports as `gpuq_job.driver` does.

The far side of the `Engine` protocol, for tests of the daemon: processes, shims and files are real, only TensorFlow
and Spark are left out, so that a job takes milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import gpuq_job
from gpuq.models import Node
from gpuq_daemon.backends import submit
from gpuq_daemon.backends.base import Attempt, Command
from gpuq_daemon.backends.leftovers import signal_marked
from gpuq_daemon.processes import marked, send_signal
from gpuq_job.orders import Order
from tests.support import users

_DRIVER = """
import atexit, importlib.util, os, pathlib, signal, sys
folder, script, roles, args = sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[5:]
nodes = sys.argv[4].split(",")

sys.path.append(os.environ["GPUQ_JOB_PATH"])
from gpuq_job import blame, orders, process_tree, stopping
from gpuq_job.rank import note_request, obey
from gpuq_job.rank_log import printed_to
from gpuq_job.reports import Reports
from gpuq_job.samples import Samples
from gpuq_job.sampling import sampled
samples = Samples(pathlib.Path(folder, "samples.jsonl"))
reports = Reports(os.path.join(folder, "reports.jsonl"))
os.environ["GPUQ_STOP_FILE"] = os.path.join(folder, "stop")
signal.signal(signal.SIGUSR1, note_request)
orders.listen(lambda order: obey(order.word))

def report(**said):
    reports.add(said)

report(kind="application", application_id="plain-" + os.environ["GPUQ_ATTEMPT"], driver_pid=os.getpid())
if args == ["--never-begins"]:
    report(kind="rank", rank=0, role="chief", host="127.0.0.1", state="RESERVED", node=nodes[0])
    signal.pause()
for rank, role in enumerate(roles):
    report(kind="rank", rank=rank, role=role, host="127.0.0.1", state="RUNNING", pid=os.getpid(),
           start_time=process_tree.start_time(os.getpid()), boot_id=process_tree.boot_id(),
           node=nodes[rank], executor_id=str(rank), gpus=[str(rank)] if role in ("chief", "worker") else [])
printed = printed_to(pathlib.Path(folder, "logs", "rank-0.log"))
printed.__enter__()
atexit.register(printed.__exit__, None, None, None)
os.environ["GPUQ_LOG_DIR"] = os.path.join(folder, "events", "rank-0")
os.makedirs(os.environ["GPUQ_LOG_DIR"], exist_ok=True)
spec = importlib.util.spec_from_file_location("job", script)
module = importlib.util.module_from_spec(spec)
try:
    spec.loader.exec_module(module)
    with sampled(float(os.environ["GPUQ_SAMPLE_EVERY_S"]), lambda sample: samples.add(0, sample)):
        module.main_fun([os.path.basename(script), *args], None)
except BaseException as error:
    code = error.code if isinstance(error, SystemExit) else 1
    if code or not isinstance(error, stopping.Stopped):
        report(kind="outcome", exit_code=code, error=repr(error), failed_rank=0, tail=["the last line"],
               reason=blame.of_error(error))
        sys.exit(code)
for rank, role in enumerate(roles):
    report(kind="rank", rank=rank, role=role, host="127.0.0.1", state="DONE", exit_code=0)
report(kind="outcome", exit_code=0, stopped=stopping.heeded())
"""


class PlainEngine:
    """Runs drivers as plain processes on nodes that exist in name only. While the file `deaf` is there they are it."""

    def __init__(
        self, *, partition: str = "plain", nodes: int = 2, gpus_per_node: int = 1, deaf: Path = Path("/nowhere/deaf")
    ) -> None:
        self.partition = partition
        self.problem: str | None = None
        self._deaf = deaf
        self._shape = (nodes, gpus_per_node)
        self._uids: dict[str, int] = {}

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
        roles = ["chief", *["worker"] * (attempt.workers - 1), *["ps"] * attempt.ps, *["evaluator"] * attempt.evaluator]
        nodes = self._nodes_of(attempt, len(roles))
        words = (str(attempt.folder), str(attempt.script), ",".join(roles), ",".join(nodes), *attempt.args)
        owner = attempt.owner if attempt.owner is not None and attempt.owner.uid != 0 else None
        self._uids[attempt.token] = os.geteuid() if owner is None else owner.uid
        python = sys.executable if owner is None else str(users.any_python())
        return Command(
            argv=(python, "-I", "-S", "-c", _DRIVER, *words),
            env={
                "GPUQ_ATTEMPT": attempt.token,
                "GPUQ_ATTEMPT_NUMBER": str(attempt.number),
                "GPUQ_SAMPLE_EVERY_S": str(attempt.sample_every_s),
                "PATH": os.environ["PATH"],
                **submit.libraries(os.environ),
                "GPUQ_JOB_PATH": str(Path(gpuq_job.__file__).parent.parent),
                **({} if owner is None else owner.words),
            },
            cwd=Path(attempt.folder),
        )

    def needs(self) -> tuple[Path, ...]:
        """Return nothing: any Python will do."""
        return ()

    def placed(self, attempt_token: str, told: Mapping[int, str]) -> Mapping[int, str]:
        """Return what the driver tells."""
        names = {node.name for node in self.nodes()}
        return {rank: node for rank, node in told.items() if node in names}

    def order(self, attempt_token: str, driver_pid: int, order: Order) -> bool:
        """Send the order's signal to the driver, which is all of the ranks."""
        owners = self._owners(attempt_token)
        return not self._deaf.exists() and any(
            signal_marked(attempt_token, driver_pid, order.signal, uid=uid) for uid in owners
        )

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Kill what is left and return how much that was."""
        left = [process for uid in self._owners(attempt_token) for process in marked(attempt_token, uid=uid)]
        for process in left:
            send_signal(process, signal.SIGKILL)
        return len(left)

    def _nodes_of(self, attempt: Attempt, ranks: int) -> list[str]:
        """Return the node of each rank: workers are where they were planned, the others take turns."""
        planned = [
            n for n, gpus in attempt.gpus_by_node.items() for _ in range(gpus // max(1, attempt.gpus_per_worker))
        ]
        names = [node.name for node in self.nodes()]
        return planned + [names[rank % len(names)] for rank in range(len(planned), ranks)]

    def _owners(self, token: str) -> tuple[int, ...]:
        """Return whom the attempt runs as; anybody, if an earlier engine started it."""
        return (self._uids[token],) if token in self._uids else users.uids()
