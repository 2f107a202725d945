"""What the policy sees of the world, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from gpuq.models import Reason
from gpuq_daemon.policy.dependency import Dependency, Fate
from gpuq_daemon.policy.fairtree import NO_SHARES, Shares
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.limits import Owner, Scope
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.tiers.settings import NO_STATE, TierState

GANG = Gang()
ACCOUNT = "root"
QOS = "normal"


class Hold(StrEnum):
    """Who keeps a job from starting; an administrator's hold only an administrator releases."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """A node and what it has. One that is down or drained takes nobody, but keeps what runs on it.

    `cpus` and `memory_mib` None are not counted. A node without GPUs takes parameter servers only.
    `drained` is why an operator took it out.
    """

    name: str
    partition: str
    gpus: int
    gpu_type: str = ""
    cpus: int | None = None
    memory_mib: int | None = None
    is_up: bool = True
    drained: str | None = None

    @property
    def takes_jobs(self) -> bool:
        """Whether a job may start here."""
        return self.is_up and self.drained is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What became of a job before it waits or runs as it does now.

    `ran_s` and `attained_gpu_s` are what earlier runs came to, `preempted` how often it was stopped for another,
    `stopped_at` when last; None if never.
    """

    ran_s: float = 0.0
    attained_gpu_s: float = 0.0
    preempted: int = 0
    stopped_at: float | None = None


NO_PAST = Past()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJob:
    """A gang that wants to start, and on which conditions.

    `nice` is taken off the priority. `is_top` goes before everybody. `begin_at` is the earliest start;
    `deadline` the latest end, or the latest start of a job without a time limit. `throttle` is how many
    tasks of its array may run at once. `is_preemptible`: it saves itself when it is asked to stop, and goes on
    from there when it is started again.
    """

    job_id: int
    user: str
    partition: str
    submitted_at: float
    gang: Gang = GANG
    account: str = ACCOUNT
    qos: str = QOS
    name: str = ""
    time_limit_s: int | None = None
    nice: int = 0
    is_top: bool = False
    hold: Hold | None = None
    begin_at: float | None = None
    deadline: float | None = None
    dependencies: tuple[Dependency, ...] = ()
    reservation: str | None = None
    array_id: int | None = None
    array_index: int | None = None
    throttle: int | None = None
    is_preemptible: bool = False
    past: Past = NO_PAST

    @property
    def gpus(self) -> int:
        """GPUs of the whole gang."""
        return self.gang.gpus

    @property
    def pending_since(self) -> float:
        """Since when it waits without a break: its submit or begin time, or when it was last stopped."""
        if self.past.stopped_at is not None:
            return self.past.stopped_at
        return self.submitted_at if self.begin_at is None else max(self.submitted_at, self.begin_at)

    @property
    def arrived_at(self) -> float:
        """When it would have been submitted to have waited as long as it has, had it never run."""
        since = self.submitted_at if self.begin_at is None else max(self.submitted_at, self.begin_at)
        return since + self.past.ran_s

    @property
    def limit_s(self) -> float:
        """The time limit, infinity without one."""
        return inf if self.time_limit_s is None else self.time_limit_s

    @property
    def owner(self) -> Owner:
        """Whose limits it counts in; its array's only where that has a throttle."""
        if self.throttle is None:
            return Owner(self.user, self.account, self.qos)
        return Owner(self.user, self.account, self.qos, self.array_id, self.throttle)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveJob:
    """A gang that holds GPUs, by node. `until` is the end of its time limit, None without one.

    CPUs and memory of a node that does not count them need not be named. `is_exclusive` has its nodes alone.
    `is_preemptible`: it may be stopped for another, and would lose what it did since `saved_at`; None is nothing.
    `gang` None is not known: such a job is not moved.
    """

    job_id: int
    user: str
    partition: str
    gpus_by_node: Mapping[str, int]
    until: float | None = None
    started_at: float = 0.0
    account: str = ACCOUNT
    qos: str = QOS
    name: str = ""
    cpus_by_node: Mapping[str, int] = field(default_factory=dict[str, int])
    memory_mib_by_node: Mapping[str, int] = field(default_factory=dict[str, int])
    is_exclusive: bool = False
    array_id: int | None = None
    throttle: int | None = None
    submitted_at: float | None = None
    gang: Gang | None = None
    reservation: str | None = None
    is_preemptible: bool = False
    saved_at: float | None = None
    past: Past = NO_PAST

    @property
    def arrived_at(self) -> float:
        """When it would have been submitted to have waited as long as it has, had it never run."""
        return (self.started_at if self.submitted_at is None else self.submitted_at) + self.past.ran_s

    @property
    def gpus(self) -> int:
        """GPUs of the whole gang."""
        return sum(self.gpus_by_node.values())

    @property
    def owner(self) -> Owner:
        """Whose limits it counts in."""
        return Owner(self.user, self.account, self.qos, self.array_id, self.throttle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A start that a job was promised: when at the latest, and on which nodes.

    `start_at` is infinity while a job without a time limit stands in the way: its nodes are kept as they
    come free.
    """

    job_id: int
    start_at: float
    gpu_type: str
    workers_by_node: Mapping[str, int]
    ps_by_node: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The cluster at one instant.

    `down` names partitions whose engine does not work, with the reason; `placing` those that start nothing until
    it is known which nodes one job has got, with that job. Promises there stand. `shares` is the fair-share tree as
    of its `at`, which is also when ages are taken: all between two recalculations have one order.
    `used_gpu_s` are the GPU-seconds of the present period by limited scope, up to `shares.at`, running jobs
    included. `fates` are those of the jobs and arrays that pending ones depend on. `promises` are those of
    the plan before, `tiers` what it left to remember.
    """

    now: float
    nodes: tuple[NodeView, ...]
    pending: tuple[PendingJob, ...]
    active: tuple[ActiveJob, ...]
    down: Mapping[str, str] = field(default_factory=dict[str, str])
    placing: Mapping[str, int] = field(default_factory=dict[str, int])
    rules: Rules = field(default_factory=Rules)
    shares: Shares = NO_SHARES
    used_gpu_s: Mapping[Scope, float] = field(default_factory=dict[Scope, float])
    fates: Mapping[int, Fate] = field(default_factory=dict[int, Fate])
    reservations: tuple[Reservation, ...] = ()
    promises: Mapping[int, Promise] = field(default_factory=dict[int, Promise])
    tiers: TierState = NO_STATE

    def stopped(self, partition: str) -> Reason | None:
        """Return why a partition starts nothing now, whoever asks, or None."""
        if partition in self.down:
            return Reason.ENGINE_DOWN
        return Reason.RESOURCES if partition in self.placing else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A gang to start now: how many of its workers, and parameter servers, go to each node.

    An exclusive gang holds all its nodes have, whatever its workers need.
    """

    job_id: int
    workers_by_node: Mapping[str, int]
    ps_by_node: Mapping[str, int] = field(default_factory=dict[str, int])
    gpu_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption:
    """A job to stop so that `for_job` can start in the same pass; `moved` is where it goes on at once, if it does."""

    job_id: int
    for_job: int
    moved: Start | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now. Every pending job is either in `starts` or has exactly one reason.

    `promises` and `tiers` are to be handed to the next snapshot, so that no promised start moves back. `expired` are
    jobs that can no longer meet their deadline. `preemptions` come before the starts they make room for.
    """

    starts: tuple[Start, ...]
    reasons: Mapping[int, Reason]
    promises: Mapping[int, Promise] = field(default_factory=dict[int, Promise])
    expired: tuple[int, ...] = ()
    preemptions: tuple[Preemption, ...] = ()
    tiers: TierState = NO_STATE
