"""A carrier of a test's own, beside a rank that is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import gpuq_job
from gpuq_job.carrier import Cargo

_START = "import sys; sys.path[:] = {path!r}; from gpuq_job.carrier import run; run()"


def a_cargo(folder: Path, uri: str, **more: object) -> Cargo:
    """Return what a rank's carrier carries, with the local folders made."""
    for name in ("events/train", "checkpoints", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    fields: dict[str, object] = {
        "uri": uri,
        "rank": 0,
        "ranks": 1,
        "events": str(folder / "events"),
        "events_to": "1/events/rank-0",
        "log": str(folder / "logs" / "rank-0.log"),
        "log_to": "1/logs/rank-0.log",
        "checkpoints": str(folder / "checkpoints"),
        "is_later": False,
    }
    return Cargo(**{**fields, **more})  # type: ignore[arg-type]


def argv(cargo: Cargo, *words: str) -> list[str]:
    path = [str(Path(gpuq_job.__file__).parent.parent), *(entry for entry in sys.path if entry)]
    return [sys.executable, "-I", "-S", "-c", _START.format(path=path), *words, json.dumps(asdict(cargo))]


@contextmanager
def carrying(cargo: Cargo, **environment: str) -> Generator[subprocess.Popen[bytes]]:
    """Give a carrier that works; at the block's end its rank has ended, and it ends in its own time."""
    with subprocess.Popen(argv(cargo), stdin=subprocess.PIPE, env={**os.environ, **environment}) as carrier:
        try:
            yield carrier
            assert carrier.stdin is not None
            carrier.stdin.close()
            assert carrier.wait(120) == 0
        finally:
            carrier.kill()
