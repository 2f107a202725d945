"""What one attempt runs: written by the daemon as spec.json, read by the driver."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpuq_job.node_hooks import NodeHook

WARM = "GPUQ_WARM"  # in the environment of executors that stand by for a job


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """What a Spark executor of a node without GPUs gets: cores, heap, and further resources by name.

    `overhead_mib` is memory beside the heap, where TensorFlow is; None where the engine does not limit it.
    """

    cores: int
    memory_mib: int
    resources: Mapping[str, int]
    overhead_mib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt of a job, as the driver and its ranks see it.

    The ranks are the workers, the chief first, then `ps` parameter servers, then the evaluator. What comes after the
    workers has no GPU: it runs on executors of its own kind, `server_executor`.
    `args` is what `main_fun` gets: the script's name, then the user's words. `host` is the address that the
    driver listens on for its ranks, "" that of its own pod; `key` (hex) proves to it that a connection comes from one
    of them.
    `seats` are node and GPUs of each rank where gpuqd has chosen them; empty where Spark does.
    `epochs`, `independent` and `driver` are the job's. `carried_to` is the address that files are carried to, None if
    they stay where they are. `words` are what the environment of its script has beside those of every job. What a rank
    uses is looked at every `sample_every_s`; 0: never. `node_hooks` are the site's programs around each rank, with
    `hook_words` as their environment.
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
    seats: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ps: int = 0
    evaluator: bool = False
    epochs: int = 0
    independent: bool = False
    driver: bool = False
    server_executor: Executor | None = None
    carried_to: str | None = None
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    sample_every_s: float = 0.0
    node_hooks: tuple[NodeHook, ...] = ()
    hook_words: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def servers(self) -> int:
        """Return how many ranks have no GPU: the parameter servers and the evaluator."""
        return self.ps + self.evaluator

    @property
    def ranks(self) -> int:
        """Return how many ranks there are."""
        return self.workers + self.servers

    @property
    def reports(self) -> Path:
        """Return where the driver says what happens."""
        return Path(self.folder) / "reports.jsonl"

    def script_text(self) -> str | None:
        """Return the script for hosts that lack the job's folder; None where files stay there, and all must have it."""
        return None if self.carried_to is None else Path(self.script).read_text(encoding="utf-8")

    @property
    def samples(self) -> Path:
        """Return where the driver says what its ranks use."""
        return Path(self.folder) / "samples.jsonl"

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
    fields["seats"] = tuple((node, tuple(gpus)) for node, gpus in fields.get("seats", ()))
    fields["node_hooks"] = tuple(NodeHook(**one) for one in fields.get("node_hooks", ()))
    if fields["server_executor"] is not None:
        fields["server_executor"] = Executor(**fields["server_executor"])
    return Run(**fields)
