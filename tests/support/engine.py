"""A real embedded engine, and attempts on it run as the daemon runs them: by the shim, without the daemon."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpuq_daemon import processes, shim
from gpuq_daemon.backends.base import Attempt, Engine, EngineError
from gpuq_daemon.backends.embedded import EmbeddedEngine

SAMPLES = Path(__file__).resolve().parents[2] / "sample_jobs"
Report = dict[str, Any]


@contextmanager
def short_folder() -> Generator[Path]:
    """Give a folder with a path short enough for Unix sockets; pytest's own are too long."""
    folder = Path(tempfile.mkdtemp(prefix="gq", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def an_engine(folder: Path, **more: Any) -> Generator[EmbeddedEngine]:
    """Give a started engine of two nodes with two virtual GPUs each."""
    settings: dict[str, Any] = {"nodes": 2, "gpus_per_node": 2, "gpu_mode": "virtual", "memory_floor_mib": 2048}
    engine = EmbeddedEngine(
        partition="embedded", folder=folder / "engine", python=Path(sys.executable), **{**settings, **more}
    )
    try:
        engine.start()
    except EngineError as error:
        for log in sorted((folder / "engine" / "logs").glob("*")):
            error.add_note(f"{log.name}: {log.read_text(errors='replace')[-2000:]}")
        raise
    try:
        yield engine
    finally:
        engine.stop()


def an_attempt(
    folder: Path, script: Path, *args: str, job_id: int = 1, number: int = 1, workers: int = 1, **more: Any
) -> Attempt:
    """Make the folders of an attempt, with its script frozen in them."""
    token = f"t{os.getpid()}x{job_id}x{time.monotonic_ns()}"
    home = folder / "jobs" / str(job_id) / str(number)
    scratch = folder / "s" / f"{job_id}-{number}"
    for path in (home / "logs", scratch):
        path.mkdir(parents=True)
    return Attempt(
        job_id=job_id,
        number=number,
        token=token,
        name=script.stem,
        workers=workers,
        gpus_per_worker=1,
        folder=home,
        scratch=scratch,
        script=Path(shutil.copy(script, home)),
        args=args,
        checkpoints=folder / "jobs" / str(job_id) / "checkpoints",
        **more,
    )


class Running:
    """An attempt under its shim."""

    def __init__(self, engine: Engine, attempt: Attempt) -> None:
        self.engine = engine
        self.attempt = attempt
        command = engine.command(attempt)
        launch = {"argv": command.argv, "env": command.env, "cwd": str(command.cwd)}
        path = attempt.folder / "launch.json"
        path.write_text(json.dumps(launch))
        self.started_at = time.time()
        self.shim = subprocess.Popen([sys.executable, "-I", "-S", shim.__file__, str(path)], start_new_session=True)

    def reports(self, kind: str | None = None) -> list[Report]:
        """Return what the driver has reported so far."""
        path = self.attempt.folder / "reports.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [report for report in map(json.loads, lines) if kind is None or report["kind"] == kind]

    def until(self, claim: Callable[[], Any], timeout_s: float = 180) -> Any:
        """Wait for something to become true, and return it."""
        deadline = time.monotonic() + timeout_s
        while not (value := claim()):
            if time.monotonic() > deadline or (self.shim.poll() is not None and not claim()):
                raise AssertionError(f"did not happen: {self.text('driver.log')[-4000:]}\n{self.reports()}")
            time.sleep(0.02)
        return value

    def until_running(self) -> dict[int, Report]:
        """Wait for all ranks to be in the user's function; return the report of each."""

        def running() -> dict[int, Report]:
            found = {r["rank"]: r for r in self.reports("rank") if r["state"] == "RUNNING"}
            return found if len(found) == self.attempt.workers + self.attempt.servers else {}

        return self.until(running)

    def outcome(self) -> Report:
        """Wait for the outcome."""
        return self.until(lambda: self.reports("outcome"))[0]

    def end(self) -> Report:
        """Wait for the shim, and return exit.json."""
        self.shim.wait(timeout=60)
        return json.loads(self.text("exit.json"))

    def cancel(self) -> None:
        """Ask the shim to end the attempt."""
        self.shim.send_signal(signal.SIGTERM)

    def reclaim(self) -> int:
        """Let the engine take back what is left."""
        known = [report["application_id"] for report in self.reports("application")]
        return self.engine.reclaim(self.attempt.token, known[0] if known else None)

    def until_reclaimed(self) -> None:
        """Let the engine take back what is left, as often as it takes."""
        deadline = time.monotonic() + 60
        while self.reclaim():
            assert time.monotonic() < deadline, "not gone yet"
            time.sleep(0.1)

    def living(self) -> int:
        """Return how many processes of the attempt there are."""
        return len(processes.marked(self.attempt.token))

    def text(self, name: str) -> str:
        """Return a file of the attempt's folder."""
        path = self.attempt.folder / name
        return path.read_text(errors="replace") if path.exists() else ""
