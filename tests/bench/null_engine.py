"""An engine whose jobs have ended as soon as they start: everything of gpuqd but processes and files of jobs."""

from __future__ import annotations

import gc
import json
import sys
import time
from functools import cached_property
from pathlib import Path

import uvloop

from gpuq.models import Code, Node
from gpuq_daemon import logs, service
from gpuq_daemon.backends.base import Engine
from gpuq_daemon.config import Config, load
from gpuq_daemon.dispatch import Dispatcher
from gpuq_daemon.places import Place
from gpuq_daemon.policy.lifecycle import DriverEnd
from gpuq_daemon.processes import ProcessId
from gpuq_daemon.store.attempts import ActiveAttempt
from tests.support.plain_engine import PlainEngine


class NullEngine(PlainEngine):
    """Has nodes, always the same, and nothing to clear away."""

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes."""
        return self._nodes

    @cached_property
    def _nodes(self) -> tuple[Node, ...]:
        return super().nodes()

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Return 0: nothing was started."""
        return 0


class NullDispatcher(Dispatcher):
    """Finds every attempt ended, with one file of reports for all of them."""

    folder: Path

    def ensure_started(self, attempt: ActiveAttempt, code: Code | None = None) -> ProcessId | None:
        """Return None: it has been, and is gone."""
        return None

    def driver_end(self, attempt: ActiveAttempt) -> DriverEnd:
        """Return that all went well, just now."""
        return DriverEnd(exit_code=0, ended_at=time.time(), ran_s=0.0)

    def place(self, attempt: ActiveAttempt) -> Place:
        """Return the one place of all."""
        return Place(job=self.folder, folder=self.folder, scratch=self.folder, control=self.folder)


def serve(file: Path, nodes: int, gpus: int) -> None:
    """Be a gpuqd with this engine."""
    config: Config = load(file)
    folder = NullDispatcher.folder = config.state / "null"
    folder.mkdir(exist_ok=True)
    rank = {"kind": "rank", "rank": 0, "role": "chief", "host": "127.0.0.1", "state": "RUNNING", "node": "plain-1"}
    said = ({"kind": "application", "application_id": "null"}, rank, {"kind": "outcome", "exit_code": 0})
    text = "".join(json.dumps({**line, "t": time.time()}) + "\n" for line in said)
    (folder / "reports.jsonl").write_text(text)

    def engines(config: Config) -> dict[str, Engine]:
        return {"plain": NullEngine(nodes=nodes, gpus_per_node=gpus)}

    service.make_engines = engines
    service.Dispatcher = NullDispatcher
    logs.set_up()
    logs.set_level("warning")
    uvloop.run(service.serve(config, file=file))


if __name__ == "__main__":
    gc.disable()  # until it serves, as the product
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
