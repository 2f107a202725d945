"""What one attempt runs: written by the daemon as spec.json, read by the driver."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt of a job, as the driver and its ranks see it.

    `args` is what `main_fun` gets: the script's name, then the user's words. `host` is the address that the
    driver listens on for its ranks; `key` (hex) proves to it that a connection comes from one of them.
    """

    job_id: int
    attempt: int
    workers: int
    gpus_per_worker: int
    script: str
    args: tuple[str, ...]
    folder: str
    checkpoints: str
    host: str
    key: str

    @property
    def reports(self) -> Path:
        """Return where the driver says what happens."""
        return Path(self.folder) / "reports.jsonl"

    def log(self, rank: int) -> Path:
        """Return the file that holds what a rank prints."""
        return Path(self.folder) / "logs" / f"rank-{rank}.log"

    def events(self, rank: int) -> Path:
        """Return the folder of a rank's event files."""
        return Path(self.folder) / "events" / f"rank-{rank}"


def write(path: Path, run: Run) -> None:
    """Write spec.json, readable by its owner only: it holds the key."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogatepass") as stream:
        json.dump(asdict(run), stream)


def read(path: Path) -> Run:
    """Read spec.json."""
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    fields["args"] = tuple(fields["args"])
    return Run(**fields)
