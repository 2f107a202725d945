"""What gpuq talks about: jobs, attempts, ranks, nodes, series. Values only, no behaviour beyond arithmetic.

Every field is part of the JSON of the API and of `--json`: names are stable, times are Unix seconds,
`None` means "not known" or "does not apply", never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """Where a job is in its life; the names are Slurm's."""

    PENDING = "PENDING"
    CONFIGURING = "CONFIGURING"
    RUNNING = "RUNNING"
    COMPLETING = "COMPLETING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended and everything of it is proven gone."""
        return self in FINAL_STATES

    @property
    def holds_gpus(self) -> bool:
        """Whether GPUs are taken: from the decision to start until the processes are proven gone."""
        return self in (JobState.CONFIGURING, JobState.RUNNING, JobState.COMPLETING)


FINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT})


class Reason(StrEnum):
    """Why a pending job does not start; Slurm's words."""

    RESOURCES = "Resources"
    PRIORITY = "Priority"
    ENGINE_DOWN = "EngineDown"


class RankState(StrEnum):
    """Where one TFoS node is: reserved in the cluster, in the user's function, or out of it.

    LOST ended without a word; KILLED was ended by gpuq with its job.
    """

    RESERVED = "RESERVED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    LOST = "LOST"
    KILLED = "KILLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a user asks for. `script` is the text itself, frozen at submit.

    `args` are the words after `--`; the job's `main_fun(args, ctx)` gets `[script_name, *args]`, as TFoS
    hands on `sys.argv`. `time_limit_s` None means no limit.
    """

    script_name: str
    script: str
    args: tuple[str, ...] = ()
    name: str | None = None
    workers: int = 1
    gpus_per_worker: int = 1
    time_limit_s: int | None = None
    partition: str | None = None

    @property
    def gpus(self) -> int:
        """GPUs of the whole gang."""
        return self.workers * self.gpus_per_worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """One TFoS node of an attempt: where it runs and how it is."""

    rank: int
    role: str
    host: str
    node: str | None = None
    pid: int | None = None
    executor_id: str | None = None
    gpus: tuple[str, ...] = ()
    state: RankState = RankState.RESERVED
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The newest point of the scalar that stands for the job: its loss, else its first tag."""

    tag: str
    step: int
    value: float
    wall_time: float
    previous: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as everybody sees it.

    `exit_code` is 0 for COMPLETED, the failed rank's own for FAILED (128 + N for a signal N), 143 for
    CANCELLED, 124 for TIMEOUT. `error` is one sentence; `error_tail` the last lines of the rank that failed
    first. `gpu_kind` says what a slot is ("virtual GPU" where there is none).
    `log_uri` is the folder of the attempt's logs and event files, `checkpoint_uri` the job's over all attempts.
    `charged_gpu_s` is GPU-seconds held, from start to proven end, running jobs included.
    """

    id: int
    name: str
    user: str
    partition: str
    state: JobState
    reason: Reason | None = None
    workers: int
    gpus_per_worker: int
    gpus: int
    gpu_kind: str
    script_name: str
    script_sha256: str
    args: tuple[str, ...] = ()
    time_limit_s: int | None = None
    submitted_at: float
    started_at: float | None = None
    running_at: float | None = None
    ended_at: float | None = None
    attempt: int = 0
    application_id: str | None = None
    driver_pid: int | None = None
    nodes: tuple[str, ...] = ()
    ranks: tuple[Rank, ...] = ()
    exit_code: int | None = None
    error: str | None = None
    error_tail: tuple[str, ...] = ()
    failed_rank: int | None = None
    charged_gpu_s: float = 0.0
    log_uri: str | None = None
    checkpoint_uri: str | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A job that has GPUs which another one waits for. `until` is its time limit's end, if it has one."""

    job_id: int
    user: str
    gpus: int
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a job is where it is: one reason with its arithmetic, and the sentence made from them."""

    job_id: int
    state: JobState
    reason: Reason | None
    text: str
    needs_gpus: int
    free_gpus: int
    total_gpus: int
    jobs_ahead: int = 0
    gpus_ahead: int = 0
    held_by: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine (or one worker of the embedded engine) and its GPU slots."""

    name: str
    partition: str
    host: str
    gpu_kind: str
    gpus: int
    free_gpus: int
    is_up: bool = True
    job_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The daemon and its nodes, as the first lines of every view show them."""

    name: str
    version: str
    engine_ok: bool
    pid: int | None = None
    engine_message: str | None = None
    nodes: tuple[Node, ...] = ()


class SeriesKind(StrEnum):
    """What the points of a tag are."""

    SCALAR = "scalar"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One tag of one run of one rank. `run` is the folder below the rank's log folder, "." for none."""

    job_id: int
    attempt: int
    rank: int
    run: str
    tag: str
    kind: SeriesKind
    count: int
    first_step: int
    last_step: int
    last_wall_time: float
    last_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The points of a series, thinned to a width: per column the smallest and largest value.

    All tuples have one entry a column that has points, ordered by `steps`. A column of NaN only has NaN in
    both (null in JSON). `nan_count` counts NaN and infinities over the whole curve, `count` all points.
    """

    series: Series
    steps: tuple[float, ...] = ()
    wall_times: tuple[float, ...] = ()
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    last: tuple[float | None, ...] = ()
    count: int = 0
    nan_count: int = 0
