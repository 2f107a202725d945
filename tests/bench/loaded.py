"""A gpuqd to measure: uvloop as the product has, nodes that exist in name only, and a queue filled beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import pwd
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path

from gpuq.models import JobSpec
from gpuq_daemon.processes import ProcessId, send_signal
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore, Owner, Request
from tests.support.daemon import Gpuqd, short_folder, until

SCRIPT = "def main_fun(args, ctx):\n    import time\n    while True: time.sleep(1)\n"

_SERVE = """
import gc, sys
gc.disable()
from pathlib import Path
import uvloop
from gpuq_daemon import logs, service
from gpuq_daemon.config import load
from tests.support.plain_engine import PlainEngine
logs.set_up()
nodes, gpus = int(sys.argv[2]), int(sys.argv[3])
service.make_engines = lambda config: {"plain": PlainEngine(nodes=nodes, gpus_per_node=gpus)}
uvloop.run(service.serve(load(Path(sys.argv[1]))))
"""


@contextlib.contextmanager
def folder_of_a_daemon() -> Generator[Path]:
    """Give a folder with a gpuqd.toml in it."""
    with short_folder() as folder:
        (folder / "gpuqd.toml").write_text(
            f'cluster_name = "bench"\nstate_dir = "{folder}"\nscratch_dir = "{folder}/s"\nmax_pending_jobs = 1000000\n'
            '[owners]\nallow_root_jobs = true\n[partition.plain]\nengine = "embedded"\n'
        )
        yield folder


@contextlib.contextmanager
def serving(folder: Path, *, nodes: int = 2, gpus_per_node: int = 1) -> Generator[Gpuqd]:
    """Give a running gpuqd on the folder; it is killed at the end, with what it has started."""
    config = folder / "gpuqd.toml"
    argv = [sys.executable, "-c", _SERVE, str(config), str(nodes), str(gpus_per_node)]
    daemon = Gpuqd(folder, config, argv)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.process is not None
        if daemon.process.poll() is None:
            daemon.stop()
        _end_jobs(folder)  # only now: the end of one would start the next


def _end_jobs(folder: Path) -> None:
    """End what a gpuqd that is gone has left running; return when it has."""
    claims = list(folder.glob("attempts/*/*/claim"))
    for claim in claims:
        pid, start_time, boot = claim.read_text().split()
        with contextlib.suppress(ProcessLookupError):
            send_signal(ProcessId(pid=int(pid), start_time=int(start_time), boot_id=boot), signal.SIGTERM)
    ends = [claim.with_name("exit.json") for claim in claims]
    until(lambda: all(end.exists() for end in ends), timeout_s=60, what="the end of what ran")


def fill(folder: Path, pending: int, *, hold: bool = False) -> None:
    """Queue so many jobs in the state of a gpuqd that does not run."""
    user = Owner(user=pwd.getpwuid(os.geteuid()).pw_name, uid=os.geteuid())
    spec = JobSpec(script_name="train.py", script=SCRIPT, workers=2, name="fill", hold=hold)
    request = Request(
        spec=spec,
        owner=user,
        name="fill",
        partition="plain",
        account="root",
        qos="normal",
        sha256=hashlib.sha256(SCRIPT.encode()).hexdigest(),
    )
    database = Database(folder / "state.db", "state")
    jobs = JobStore(database)

    async def add() -> None:
        await asyncio.gather(*(jobs.add_all(request, now=1_700_000_000.0 + i) for i in range(pending)))

    asyncio.run(add())
    database.close()


class Wire:
    """A keep-alive connection that sends bytes and reads answers, as cheaply as Python can."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)

    def ask(self, request: bytes) -> bytes:
        """Send a request and return its whole answer."""
        self.socket.sendall(request)
        return self.answer()

    def answer(self) -> bytes:
        """Read one answer, head and body.

        Raises:
            ConnectionError: the daemon has closed the connection.
        """
        data = self.socket.recv(262_144)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        at = data.lower().find(b"content-length:", 0, end)
        length = int(data[at + 15 : data.find(b"\r", at)]) if at >= 0 else 0
        while len(data) < end + 4 + length:
            data += self._more()
        return data

    def close(self) -> None:
        """Close it."""
        self.socket.close()

    def _more(self) -> bytes:
        data = self.socket.recv(1_048_576)
        if not data:
            raise ConnectionError("the daemon closed the connection")
        return data


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: gpuq\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
