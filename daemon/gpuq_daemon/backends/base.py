"""What the daemon asks of an engine, and what it hands it for one attempt of a job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from gpuq.errors import GpuqError
from gpuq.models import EndReason, Node
from gpuq_daemon.owners import UnixUser
from gpuq_job.node_hooks import NodeHook
from gpuq_job.orders import Order


class EngineError(GpuqError):
    """The engine cannot do what was asked now; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start of a job, as an engine sees it.

    `token` is unique to this attempt; every process of it carries it as `GPUQ_ATTEMPT` in its environment,
    so that what is left of an attempt can be found and proven gone. Folders exist and are the attempt's own.
    `gpus_by_node` are the nodes that its workers were given and the GPUs on each, `ps_by_node` those of its parameter
    servers and its evaluator, which get no GPU, and how many on each; nothing if the engine may choose. `owner` is
    whom its processes run as, None for the user that gpuqd runs as. `carried_to` is the address that its event files,
    logs and checkpoints are carried to, None if they stay where they are. `is_standby`: it is no job's yet. What its
    ranks use is sampled every `sample_every_s`; 0: never. `node_hooks` are the site's programs around each rank, with
    `hook_words` as their environment.
    """

    job_id: int
    number: int
    token: str
    name: str
    workers: int
    gpus_per_worker: int
    folder: Path
    scratch: Path
    script: Path
    args: tuple[str, ...]
    checkpoints: Path
    gpus_by_node: Mapping[str, int] = field(default_factory=dict[str, int])
    ps: int = 0
    evaluator: bool = False
    ps_by_node: Mapping[str, int] = field(default_factory=dict[str, int])
    epochs: int = 0
    independent: bool = False
    driver: bool = False
    owner: UnixUser | None = None
    array_id: int | None = None
    array_index: int | None = None
    carried_to: str | None = None
    is_standby: bool = False
    sample_every_s: float = 0.0
    node_hooks: tuple[NodeHook, ...] = ()
    hook_words: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that its workers were given."""
        return tuple(self.gpus_by_node)

    @property
    def servers(self) -> int:
        """Return how many of its nodes have no GPU: parameter servers and the evaluator."""
        return self.ps + self.evaluator


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A process to start: words, whole environment, working folder. No shell reads it.

    `is_gpuqds`: it runs as the user that gpuqd runs as, whoever the job's owner is. It must hold nothing of the job's.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    is_gpuqds: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spare:
    """GPUs that no application has; `is_waited_for`: one that is a job's, or not gpuqd's, waits for what it needs."""

    gpus: int
    is_waited_for: bool


@runtime_checkable
class TellsLastWords(Protocol):
    """An engine that can say what executors said that never became a rank."""

    def last_words(self, attempt_token: str, application_id: str | None, known: Collection[str]) -> tuple[str, ...]:
        """Return their last lines, with their names; `known` are executors of ranks. To be asked before `reclaim`."""
        ...


class Engine(Protocol):
    """One place where Spark runs. Methods may block; the daemon calls them off its event loop."""

    @property
    def partition(self) -> str:
        """The partition this engine serves."""
        ...

    def start(self) -> None:
        """Make the engine ready, or find it again if it runs from before.

        Raises:
            EngineError: it cannot run here (no Java, port taken, too little memory); nothing is left running.
        """
        ...

    def stop(self) -> None:
        """End what `start` started. Safe to call twice."""
        ...

    def health(self) -> str | None:
        """Return what is wrong with the engine now, in one sentence, or None."""
        ...

    def nodes(self) -> tuple[Node, ...]:
        """Return its nodes with their capacity as of the last `health`; `free_gpus` is all of it, whoever has it.

        A node has a `gpu_type` where the engine can tell; else that of its partition counts.
        """
        ...

    def needs(self) -> tuple[Path, ...]:
        """Return the files that whoever has a job run must be able to read: interpreters, Spark, gpuq's own part."""
        ...

    def command(self, attempt: Attempt) -> Command:
        """Return the spark-submit that runs `gpuq_job.driver` for this attempt."""
        ...

    def placed(self, attempt_token: str, told: Mapping[int, str]) -> Mapping[int, str]:
        """Return the node of each rank of a started attempt, of those that are known.

        `told` is what ranks say of where they are. Only where the engine does not know better it is believed, and
        never more than that it is one of the engine's nodes.
        """
        ...

    def order(self, attempt_token: str, driver_pid: int, order: Order) -> bool:
        """Give an order to the attempt's driver, which passes it on to its ranks; return whether it was there to hear.

        `driver_pid` is as the job told it, so the process must belong to the attempt to be sent anything.
        """
        ...

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Kill what is left of an attempt outside its driver's process group; return how much still lives.

        0 is the proof that its GPUs may be handed on: no process, and Spark has released its executors.
        Temporary folders that Spark made for the application are removed. Safe to repeat.
        """
        ...


@runtime_checkable
class KnowsContainers(Protocol):
    """An engine that can be asked which containers there are."""

    def containers(self, attempt_token: str) -> Mapping[str, str | None] | None:
        """Return the live containers of an attempt with the node of each, None for what is no node of the engine's.

        None: nobody can say now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why an attempt ended, in one sentence, and whose fault that was."""

    text: str
    reason: EndReason


@runtime_checkable
class Explaining(Protocol):
    """An engine that may know why an attempt ended where the attempt itself could not tell any more."""

    def explained(self, attempt_token: str) -> Explanation | None:
        """Return why an attempt that is reclaimed ended, None if it ended by itself."""
        ...
