"""What operators decide and what comes of it: accounts, shares, limits, reservations, drained nodes. Values only.

As in `gpuq.models`: every field is part of the JSON of the API and of `--json`, times are Unix seconds, and `None`
means "not known" or "does not apply", never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """A team. `shares` None is `parent`: its members compete one level up. `users` counts those in it directly."""

    name: str
    parent: str | None
    shares: int | None
    users: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user in an account. `shares` None is `parent`: first in the account, without a part of its shares."""

    user: str
    account: str
    shares: int | None
    is_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRow:
    """How an account (`user` None) or a user stands among its siblings; `depth` 0 is the root.

    `usage` is in billing-seconds, decayed to now, running jobs included. `due` and `used` are parts of the level, in
    0..1. `level_fs` is due / used: above 1 is below its due. It is None where it is infinite, which `is_first` says,
    and where there is none (the root, and accounts whose shares are `parent`). `rank` (1 is the last) and `factor`
    are users' only. `back_s`: in how many seconds who has used more than is due is back to it if it runs nothing and
    the others go on as now; 0 for who is not over by a tenth of a billing-hour, None for never.
    """

    account: str
    user: str | None
    depth: int
    shares: int | None
    usage: float
    used: float
    due: float
    level_fs: float | None
    is_first: bool
    rank: int | None
    factor: float | None
    back_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QosRow:
    """A quality of service: its priority among all, and how many times the usual price a second in it has.

    Only jobs in `accounts`, or in accounts below them, may have it; if none is named, all may.
    """

    name: str
    priority: int
    usage_factor: float
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """What one scope may have; None is no limit. `kind` is user, account, qos or qos_user (each user in a QOS).

    `gpu_hours` are those of a period, `longest_s` is the longest time limit of a job.
    """

    kind: str
    name: str
    running_gpus: int | None
    running_jobs: int | None
    queued_jobs: int | None
    gpu_hours: float | None
    longest_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRow:
    """Nodes kept from `start_at` to `end_at` for accounts and users; for maintenance where there are neither."""

    name: str
    nodes: tuple[str, ...]
    start_at: float
    end_at: float
    accounts: tuple[str, ...]
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """A node that takes no new job, and who said why."""

    node: str
    reason: str
    since: float
    by_user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EtaRow:
    """How estimates of starts were kept. `p50_kept` and `p90_kept` are parts of `promises`: 0.5 and 0.9 are right.

    `median_off_s` is by how much half of the middle estimates were off at most, `median_error` the same as a part of
    the wait that was left: the one told or the one that came, whichever is longer, and a minute at least.
    """

    which: str
    promises: int
    p50_kept: float | None
    p90_kept: float | None
    median_error: float | None
    median_off_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A job that would start at another time; None is not within the time that was looked at."""

    job_id: int
    user: str
    account: str
    name: str
    before_at: float | None
    after_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a pass did to a job: start, stop, move, or drop where it missed its deadline.

    `for_job` is whom it made way for. `task` and `for_task` are what people call the two, `12_3`, where they are tasks
    of arrays.
    """

    job_id: int
    what: str
    for_job: int | None = None
    nodes: tuple[str, ...] = ()
    task: str | None = None
    for_task: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LentRow:
    """What an account (`user` None) or a user has lent to others or borrowed from them, in GPU-seconds of weight 1.

    `rate_gpus`: GPUs that it has less than its due now (above 0: it lends), or more. `gone_in_s`: when less than a
    GPU-hour is left of it by fading alone; None while it changes.
    """

    account: str
    user: str | None
    lent_gpu_s: float
    borrowed_gpu_s: float
    rate_gpus: float
    gone_in_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WasteRow:
    """GPU-seconds that a user's attempts held, and what of them came to nothing.

    `failed` ended on an error; `idle` was held while nothing trained yet (nodes, Spark and TensorFlow coming up), or
    by attempts that never trained; `restarts` is the same of attempts after a job's first.
    """

    user: str
    account: str
    held_gpu_s: float
    failed_gpu_s: float
    idle_gpu_s: float
    restarts_gpu_s: float


class NodeState(StrEnum):
    """Whether jobs can have a node. While some run on one that is drained or kept, it is DRAINING, or up."""

    UP = "up"
    RESERVED = "reserved"
    DRAINING = "draining"
    DRAINED = "drained"
    MAINTENANCE = "maintenance"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpan:
    """How a node was for a while, with which GPUs; `ended_at` None is so now. `by_user` is who took it out, and why."""

    node: str
    partition: str
    gpu_type: str
    gpus: int
    state: NodeState
    reason: str
    by_user: str
    began_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UtilisationRow:
    """What became of the GPU time of a period, in GPU-seconds; `period` is the first day of it, None for all.

    `gpu_s` is all there was. `reserved_gpu_s` was kept idle for a reservation, `planned_gpu_s` drained by an operator
    or in maintenance, `down_gpu_s` down or taken out by the health check, `idle_gpu_s` free. `is_assumed`: of some of
    it the nodes were not recorded yet, and are taken to have been as at the beginning of the record.
    """

    key: tuple[str, ...]
    period: str | None
    gpu_s: float
    allocated_gpu_s: float
    idle_gpu_s: float
    reserved_gpu_s: float
    planned_gpu_s: float
    down_gpu_s: float
    is_assumed: bool
