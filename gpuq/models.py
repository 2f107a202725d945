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
    DEADLINE = "DEADLINE"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended and everything of it is proven gone."""
        return self in FINAL_STATES

    @property
    def holds_gpus(self) -> bool:
        """Whether GPUs are taken: from the decision to start until the processes are proven gone."""
        return self in (JobState.CONFIGURING, JobState.RUNNING, JobState.COMPLETING)


FINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT, JobState.DEADLINE})


class Reason(StrEnum):
    """Why a pending job does not start; Slurm's words where it has one."""

    RESOURCES = "Resources"
    PRIORITY = "Priority"
    ENGINE_DOWN = "EngineDown"
    HELD_BY_USER = "JobHeldUser"
    HELD_BY_ADMIN = "JobHeldAdmin"
    DEPENDENCY = "Dependency"
    DEPENDENCY_NEVER = "DependencyNeverSatisfied"
    BEGIN_TIME = "BeginTime"
    DEADLINE = "DeadLine"
    RESERVATION = "Reservation"
    NODES_UNAVAILABLE = "ReqNodeNotAvail"
    ARRAY_THROTTLE = "JobArrayTaskLimit"
    ASSOC_GPUS = "AssocGrpGRES"
    ASSOC_JOBS = "AssocGrpJobsLimit"
    ASSOC_GPU_TIME = "AssocGrpGRESMinutes"
    QOS_GPUS = "QOSGrpGRES"
    QOS_JOBS = "QOSGrpJobsLimit"
    QOS_GPU_TIME = "QOSGrpGRESMinutes"
    QOS_USER_GPUS = "QOSMaxGRESPerUser"
    QOS_USER_JOBS = "QOSMaxJobsPerUserLimit"
    QOS_USER_GPU_TIME = "QOSMaxGRESMinutesPerUser"


class EndReason(StrEnum):
    """Why an attempt ended other than by completing.

    `USER_ERROR` is the script's own; `OUT_OF_MEMORY` of a host or a GPU; `NODE_LOST` a process or its machine that
    vanished; `RESERVATION_TIMEOUT` nodes that did not come up in time; `ENGINE_FAILED` Spark itself; `NOT_STARTED` an
    attempt that could not be begun at all.
    """

    USER_ERROR = "UserError"
    OUT_OF_MEMORY = "OutOfMemory"
    NODE_LOST = "NodeLost"
    GPU_LOST = "GpuLost"
    RESERVATION_TIMEOUT = "ReservationTimeout"
    ENGINE_FAILED = "EngineFailed"
    NOT_STARTED = "NotStarted"
    TIME_LIMIT = "TimeLimit"
    DEADLINE = "Deadline"
    CANCELLED = "Cancelled"
    PREEMPTED = "Preempted"
    REQUEUED = "Requeued"


class RankState(StrEnum):
    """Where one TFoS node is: reserved in the cluster, in the user's function, or out of it.

    LOST ended without a word; KILLED was ended by gpuq with its job, or when the training was over.
    """

    RESERVED = "RESERVED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    LOST = "LOST"
    KILLED = "KILLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A text that goes with a script: `path` is its place beside it, below its folder."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What goes with a script, frozen with it: files, and the git commit it comes from (`-dirty`: not as committed).

    What was not committed is the file `.gpuq/uncommitted.diff`.
    """

    commit: str | None = None
    files: tuple[SourceFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a user asks for. `script` is the text itself, frozen at submit.

    `args` are the words after `--`; the job's `main_fun(args, ctx)` gets `[script_name, *args]`, as TFoS
    hands on `sys.argv`. `time_limit_s` None means no limit. `account`, `qos` and `partition` None mean the user's or
    the cluster's default. `nodes` is the exact number of nodes; `exclusive` takes whole ones; `layout` is "pack" or
    "spread". `nice` is taken off the priority. `begin_at` is the earliest start, `deadline` the latest end: a
    job that cannot meet it is dropped, one that runs then is ended.
    `dependency` is as `afterok:12:13,singleton`; `array` as `0-99%4`. `signal_s`: the script is asked to stop so many
    seconds before its time limit or its deadline, or before a cancel ends it. `retries` is how often it runs again
    where a node, a GPU or the engine failed it. `ps` parameter servers and an `evaluator` come on top of the workers
    and get no GPU; `cpus_per_ps` and `memory_mib_per_ps` are for each of them. `epochs` is how often the rows
    that the script's `feed` gives are fed to its workers; 0: it reads its data itself. `independent` workers know
    nothing of each other; a `driver` script starts Spark and TFoS itself. `stop_on` names the signals
    (`SignalKind`) that end it, as `nan,exploded`. `code` is what lies beside the script. With a `sweep` (see
    `gpuq.sweep`) it is an array with a task for each combination, whose words come behind `args`. `notify` are the
    events (`gpuq.notices`) that its owner is told of, `notify_to` the ways, as `mail,https://HOST/PATH`; None is mail.
    """

    script_name: str
    script: str
    args: tuple[str, ...] = ()
    name: str | None = None
    workers: int = 1
    gpus_per_worker: int = 1
    time_limit_s: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gpu_type: str | None = None
    nodes: int | None = None
    exclusive: bool = False
    layout: str = "pack"
    cpus_per_worker: int = 0
    memory_mib_per_worker: int = 0
    nice: int = 0
    hold: bool = False
    begin_at: float | None = None
    deadline: float | None = None
    dependency: str | None = None
    array: str | None = None
    reservation: str | None = None
    signal_s: int | None = None
    ps: int = 0
    evaluator: bool = False
    cpus_per_ps: int = 1
    memory_mib_per_ps: int = 0
    epochs: int = 0
    independent: bool = False
    driver: bool = False
    stop_on: str | None = None
    retries: int = 0
    code: Code | None = None
    sweep: str | None = None
    notify: str | None = None
    notify_to: str | None = None

    @property
    def gpus(self) -> int:
        """GPUs of the whole gang."""
        return self.workers * self.gpus_per_worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """One TFoS node of an attempt: where it runs and how it is. `role` is chief, worker, ps or evaluator.

    Rank 0 is the chief; then come the workers, then the parameter servers, then the evaluator. `rows` is how many rows
    it has taken of those fed to it, None where none are. `start_time`, in clock ticks since the boot `boot_id` of its
    host, tells its process from a later one with the same pid. `container_id` is YARN's, by the rank's own word;
    `disagrees` is what YARN itself says of it if that is otherwise.
    """

    rank: int
    role: str
    host: str
    node: str | None = None
    pid: int | None = None
    executor_id: str | None = None
    gpus: tuple[str, ...] = ()
    state: RankState = RankState.RESERVED
    exit_code: int | None = None
    rows: int | None = None
    start_time: int | None = None
    boot_id: str | None = None
    container_id: str | None = None
    disagrees: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The newest point of the scalar that stands for the job: its loss, else its first tag."""

    tag: str
    step: int
    value: float
    wall_time: float
    previous: float | None = None


class SignalKind(StrEnum):
    """What a training's points, and what its ranks use, say of it; each word may stand in `--stop-on`.

    NAN: a loss is NaN or infinite. EXPLODED: one is ten times the largest of its first ten values. NO_PROGRESS: one was
    not better for ten thousand steps. SLOW_RANK: a rank makes less than 0.7 of the others' steps a second, or makes
    them wait for so much of each step. These are told once for a rank, the others for as long as they are so. IDLE: a
    rank has not used its GPU for `idle_after_s`. FULL_BUT_IDLE: nor given its memory free. THROTTLED: its GPU runs
    slower than it could. STRANGER: a process is on it that belongs to no job. PROLOG, EPILOG: the site's program of
    that name failed; on these no job can be stopped.
    """

    NAN = "nan"
    EXPLODED = "exploded"
    NO_PROGRESS = "no-progress"
    SLOW_RANK = "slow-rank"
    IDLE = "idle"
    FULL_BUT_IDLE = "full-but-idle"
    THROTTLED = "throttled"
    STRANGER = "stranger"
    PROLOG = "prolog"
    EPILOG = "epilog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something that the points of an attempt, or what a rank uses, said; `text` says it in words."""

    kind: SignalKind
    attempt: int
    rank: int
    tag: str
    step: int
    wall_time: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hparam:
    """A hyperparameter, as a script told TensorBoard's plugin of that name; both are foreign text."""

    name: str
    value: str | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as everybody sees it.

    `exit_code` is 0 for COMPLETED, the failed rank's own for FAILED (128 + N for a signal N), 143 for
    CANCELLED, 124 for TIMEOUT and DEADLINE. `reason` is why it waits, DeadLine too for DEADLINE. `error` is one
    sentence; `error_tail` the last lines of the rank that failed first. `gpu_kind` says what a
    slot is ("virtual GPU" where there is none).
    `hold` is "user" or "admin", whoever set it. A task of an array has the array's `array_id` (the id of its first
    task) and its own `array_index`. `start_at` is the start it is promised, if it is. It is estimated to start as
    likely before `p50_at` as after, and in nine of ten cases by `p90_at`; None where nothing can be said (yet).
    `end_reason` is why its last attempt that has ended did, also while it waits or runs again; None where that
    completed. Of its `retries`, `retried` are used up.
    `silent_since`: nothing has come from the running job since then, which is longer than its pace explains.
    `log_uri` is the folder of the attempt's logs and event files, `checkpoint_uri` the job's over all attempts.
    `charged_gpu_s` is GPU-seconds held, from start to proven end, running jobs included.
    Of a job asked for by its number, `hparams` are the hyperparameters that its script told TensorBoard, and
    `carried_uri` is the folder elsewhere that its files are carried to.
    `notify` are the events that its owner is told of.
    `signals` are what its newest attempt's points, and what it uses, say of how it goes; `damaged_events` counts
    records of its event files that are lost to damage.
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
    signals: tuple[Signal, ...] = ()
    damaged_events: int = 0
    hparams: tuple[Hparam, ...] = ()
    carried_uri: str | None = None
    account: str = "root"
    qos: str = "normal"
    gpu_type: str | None = None
    nodes_wanted: int | None = None
    exclusive: bool = False
    layout: str = "pack"
    cpus_per_worker: int = 0
    memory_mib_per_worker: int = 0
    nice: int = 0
    priority: int | None = None
    is_top: bool = False
    hold: str | None = None
    begin_at: float | None = None
    deadline: float | None = None
    dependency: str | None = None
    array_id: int | None = None
    array_index: int | None = None
    throttle: int | None = None
    reservation: str | None = None
    signal_s: int | None = None
    start_at: float | None = None
    ps: int = 0
    evaluator: bool = False
    cpus_per_ps: int = 1
    memory_mib_per_ps: int = 0
    epochs: int = 0
    independent: bool = False
    driver: bool = False
    stop_on: str | None = None
    retries: int = 0
    retried: int = 0
    code_sha256: str | None = None
    sweep: str | None = None
    end_reason: EndReason | None = None
    silent_since: float | None = None
    p50_at: float | None = None
    p90_at: float | None = None
    notify: str | None = None

    @property
    def shown_id(self) -> str:
        """What people call it, and what commands take for it alone: its number, of a task `12_3`."""
        return str(self.id) if self.array_index is None else f"{self.array_id}_{self.array_index}"

    @property
    def rank_count(self) -> int:
        """Its TFoS nodes: workers, parameter servers and the evaluator."""
        return self.workers + self.ps + self.evaluator


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A job that has GPUs which another one waits for. `until` is its time limit's end, if it has one.

    `task` is what people call it, `12_3`, where it is a task of an array.
    """

    job_id: int
    user: str
    gpus: int
    until: float | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityTerm:
    """One part of a job's priority: `points` = weight x factor, rounded down. Nice has no factor."""

    name: str
    factor: float
    weight: int
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What gpuqd gives a job that does not say it: a field of `JobSpec`, its value, and which of its tables says so."""

    field: str
    value: int | str
    said_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """The tasks of an array: how many are in which state, and from when to when those that wait are estimated to start.

    `first_at` is the earliest middle estimate, `last_at` the latest late one; None where there is none.
    """

    states: dict[JobState, int]
    first_at: float | None = None
    last_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a job is where it is: one reason with its arithmetic, and the sentence made from them.

    `gpu_h_ahead` is what the jobs ahead may use at most by their time limits, None if one has no limit.
    `start_at` is the promised start: the job starts then at the latest, unless a node is lost or a job
    outlives its limit; None without a promise, or if it waits for a job without a time limit.
    `hindrances` are what on gpuqd's machine would make the job fail, each with its fix, and `given` what gpuqd's
    `[defaults]` add to what was asked for; told of a tested job only.
    `share_text` says how the account stands, where accounts are used.
    `p50_at` and `p90_at` are estimates of the start, as a `Job` has them; `past_runs` is how many jobs that have ended
    run times were judged by.
    `tasks` are all of an array, where the job is the one that has the array's number; None for any other.
    `task` is what people call the job, `12_3`, where it is a task of an array.
    """

    job_id: int
    state: JobState
    reason: Reason | None
    text: str
    needs_gpus: int
    free_gpus: int
    total_gpus: int
    jobs_ahead: int = 0
    gpus_ahead: int = 0
    gpu_h_ahead: float | None = 0.0
    held_by: tuple[Holder, ...] = ()
    start_at: float | None = None
    priority: int | None = None
    terms: tuple[PriorityTerm, ...] = ()
    share_text: str | None = None
    hindrances: tuple[str, ...] = ()
    given: tuple[Given, ...] = ()
    p50_at: float | None = None
    p90_at: float | None = None
    past_runs: int | None = None
    tasks: Tasks | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a job would start if it were asked for with `words`, options of `gpuq enqueue`; "" is as it is.

    `is_now`: at once. `start_at` is the middle of several replays, None: not within the time that was looked at.
    """

    words: str
    is_now: bool
    start_at: float | None
    end_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine (or one worker of the embedded engine) and its GPU slots, of the model `gpu_type` if that is told.

    `gpu_names` are what the slots are called there, in order; empty where only ranks tell.
    """

    name: str
    partition: str
    host: str
    gpu_kind: str
    gpus: int
    free_gpus: int
    is_up: bool = True
    job_ids: tuple[int, ...] = ()
    gpu_type: str | None = None
    gpu_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The daemon and its nodes, as the first lines of every view show them."""

    name: str
    version: str
    engine_ok: bool
    pid: int | None = None
    engine_message: str | None = None
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something that a job's owner is told, by one way; only they and operators see it.

    `key` is the same however often it is sent, so that whoever gets it twice can tell. `kind` is mail, webhook or
    command, `address` where to. `state` is waiting, sent or dropped; `said` why the last of `tries` failed, or why it
    was dropped. `next_at` is when a waiting one is tried next.
    """

    id: int
    key: str
    job_id: int
    user: str
    event: str
    kind: str
    address: str
    at: float
    state: str
    tries: int = 0
    next_at: float | None = None
    ended_at: float | None = None
    said: str | None = None
