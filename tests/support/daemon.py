"""A gpuqd of a test's own, in a process of its own, that can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

from gpuq.client import Client, Json
from gpuq.errors import UnavailableError
from tests.support import users

_PLAIN = """
import asyncio, sys
from pathlib import Path
from gpuq_daemon import logs, service
from gpuq_daemon.config import load
from tests.support.plain_engine import PlainEngine
logs.set_up()
set_by = Path(sys.argv[1]).with_name("clock-is-off-by-s")

class SetClock(service.WallClock):
    def now(self):
        return super().now() + (float(set_by.read_text()) if set_by.exists() else 0.0)

service.WallClock = SetClock
service.make_engines = lambda config: {"plain": PlainEngine(nodes=2, gpus_per_node=1, deaf=set_by.with_name("deaf"))}
asyncio.run(service.serve(load(Path(sys.argv[1])), file=Path(sys.argv[1])))
"""


class Gpuqd:
    """A gpuqd on a folder; `argv` starts it."""

    def __init__(self, folder: Path, config: Path, argv: list[str]) -> None:
        self.folder = folder
        self.config = config
        self.client = Client(str(folder / "gpuqd.sock"))
        self.process: subprocess.Popen[bytes] | None = None
        self._argv = argv

    def start(self, *, most_files: int | None = None) -> Gpuqd:
        """Start it and return when it answers; it may open as many files as this process, or `most_files`."""
        bound = [] if most_files is None else ["prlimit", f"--nofile={most_files}", "--"]
        with (self.folder / "gpuqd.log").open("ab") as log:
            self.process = subprocess.Popen([*bound, *self._argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers, timeout_s=90, what="an answer of gpuqd", log=self.folder / "gpuqd.log")
        return self

    def kill(self) -> None:
        """Kill it without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it in order and return its exit code."""
        return self._end(signal.SIGTERM)

    @contextlib.contextmanager
    def standing_still(self) -> Generator[None]:
        """Let it do nothing at all within the block."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def set_clock(self, off_by_s: float) -> None:
        """Make its clock jump to so many seconds from the true time."""
        draft = self.folder / "clock.draft"
        draft.write_text(str(off_by_s))
        draft.replace(self.folder / "clock-is-off-by-s")

    def enqueue(self, script: str, **spec: object) -> int:
        """Queue a script's text and return the job's id."""
        return self.client.enqueue({"script_name": "job.py", "script": script, **spec})["id"]

    def ended(self, job_id: int, *, timeout_s: float = 15) -> Json:
        """Return the job once it has ended."""
        deadline = time.monotonic() + timeout_s
        while True:
            job = self.client.wait(job_id, timeout_s=min(30.0, max(0.1, deadline - time.monotonic())))
            if job["ended_at"] is not None and job["state"] in (
                "COMPLETED",
                "FAILED",
                "CANCELLED",
                "TIMEOUT",
                "DEADLINE",
            ):
                return job
            if time.monotonic() > deadline:
                said = (self.folder / "gpuqd.log").read_text()[-4000:]
                raise AssertionError(f"job {job_id} did not end: {job}\n{said}")

    def reaches(self, job_id: int, state: str, *, timeout_s: float = 15) -> Json:
        """Return the job once it is in `state`."""
        until(
            lambda: self.client.job(job_id)["state"] == state,
            timeout_s=timeout_s,
            what=f"job {job_id} {state}",
            log=self.folder / "gpuqd.log",
        )
        return self.client.job(job_id)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "gpuqd.log").read_text()
        try:
            self.client.cluster()
        except UnavailableError:
            return False
        return True

    def _end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)


def until(holds: Callable[[], bool], *, timeout_s: float, what: str, log: Path | None = None) -> None:
    """Return when `holds` does; look often, for what other processes do comes when it comes."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            said = log.read_text()[-4000:] if log is not None and log.exists() else ""
            raise AssertionError(f"{what} did not come within {timeout_s:g} s\n{said}")
        time.sleep(0.02)


@contextlib.contextmanager
def short_folder() -> Generator[Path]:
    """Give a folder whose path is short enough for a socket, and take it away again."""
    with tempfile.TemporaryDirectory(prefix="gq", dir="/tmp") as name:
        yield Path(name)


@contextlib.contextmanager
def plain_gpuqd(
    *, owners: str = "allow_root_jobs = true", more: str = "", within: Path | None = None
) -> Generator[Gpuqd]:
    """Give a running gpuqd with two nodes of one GPU and no Spark; `more` lines, and `owners`, for its configuration.

    Its state is in a folder of its own, or in the folder `within`.
    """
    with contextlib.nullcontext(within) if within is not None else short_folder() as folder:
        config = folder / "gpuqd.toml"
        config.write_text(
            f'cluster_name = "test"\nstate_dir = "{folder}"\nscratch_dir = "{folder}/s"\n{more}\n'
            f'[owners]\n{owners}\n[partition.plain]\nengine = "embedded"\n'
        )
        with _ended(Gpuqd(folder, config, [sys.executable, "-c", _PLAIN, str(config)])) as daemon:
            yield daemon


@contextlib.contextmanager
def plain_gpuqd_of(name: str, owners: str) -> Generator[Gpuqd]:
    """Give a running gpuqd of another user of this machine, which only root can start."""
    whom = users.user(name)
    with short_folder() as folder:
        config = folder / "gpuqd.toml"
        config.write_text(
            f'cluster_name = "test"\nstate_dir = "{folder}"\nscratch_dir = "{folder}/s"\n'
            f'[owners]\n{owners}\n[partition.plain]\nengine = "embedded"\n'
        )
        os.chown(folder, whom.uid, whom.gid)
        library = [f"{name}={value}" for name, value in users.library_path().items()]
        as_whom = ["env", *library, "setpriv", f"--reuid={whom.uid}", f"--regid={whom.gid}", "--clear-groups", "--"]
        argv = [*as_whom, str(users.venv_for_all()), "-c", _PLAIN, str(config)]
        with _ended(Gpuqd(folder, config, argv)) as daemon:
            yield daemon


@contextlib.contextmanager
def embedded_gpuqd(
    *,
    nodes: int = 2,
    gpus_per_node: int = 1,
    owners: str = "allow_root_jobs = true",
    more: str = "",
    before: str = "",
) -> Generator[Gpuqd]:
    """Give a running gpuqd with the embedded engine: real Spark, TensorFlowOnSpark and TensorFlow.

    `more` are lines for its partition, `before` those at the head of its configuration.
    """
    partition = f'engine = "embedded"\nnodes = {nodes}\ngpus_per_node = {gpus_per_node}\n{more}\n'
    with gpuqd_with(partition, owners=owners, before=before) as daemon:
        yield daemon


@contextlib.contextmanager
def gpuqd_with(partition: str, *, owners: str = "allow_root_jobs = true", before: str = "") -> Generator[Gpuqd]:
    """Give a running gpuqd of one partition, of which these are the lines."""
    with short_folder() as folder:
        config = folder / "gpuqd.toml"
        config.write_text(
            f'cluster_name = "test"\nstate_dir = "{folder}"\nscratch_dir = "{folder}/s"\n{before}\n'
            f"[owners]\n{owners}\n[partition.local]\n{partition}\n"
        )
        argv = [sys.executable, "-m", "gpuq_daemon", "serve", "--config", str(config)]
        with _ended(Gpuqd(folder, config, argv)) as daemon:
            yield daemon


@contextlib.contextmanager
def _ended(daemon: Gpuqd) -> Generator[Gpuqd]:
    daemon.start()
    try:
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            _cancel_all(daemon)
            daemon.stop()


def _cancel_all(daemon: Gpuqd) -> None:
    with contextlib.suppress(UnavailableError):
        for job in daemon.client.jobs():
            daemon.client.cancel(job["id"])
        for job in daemon.client.jobs():
            daemon.ended(job["id"])


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] not in "ZX"
