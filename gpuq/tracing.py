"""From a pod, a process or a GPU to its job and back: the answer of `GET /v1/trace`. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from gpuq.models import Rank


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedPod:
    """A pod of an attempt, as it was last told of. `gone_at` is when it was found to be gone; None: it is there."""

    uid: str
    namespace: str
    name: str
    role: str | None
    executor_id: str | None
    node: str | None
    phase: str
    exit_code: int | None
    reason: str | None
    first_seen: float
    last_seen: float
    gone_at: float | None
    disagrees: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodsTold:
    """Pods of an attempt that have come, changed or gone, as the event `pods` tells them."""

    job_id: int
    attempt: int
    pods: tuple[TracedPod, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """An attempt of a job that a handle leads to, with all that it consists of.

    `matched` says what of it the handle names: the whole job, one rank, one pod. `rank` is that rank, if it is one.
    `started_at` and `ended_at` are the attempt's; `ended_at` None means that it runs, or waits to.
    """

    job_id: int
    name: str
    user: str
    account: str
    state: str
    attempt: int
    matched: str
    rank: int | None
    application_id: str | None
    driver_pid: int | None
    started_at: float | None
    ended_at: float | None
    end_reason: str | None
    log_uri: str | None
    array_id: int | None = None
    array_index: int | None = None
    ranks: tuple[Rank, ...] = ()
    pods: tuple[TracedPod, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """All that a handle may mean, what is there now first, then the newest.

    `searched` says what was looked for. `is_known`: it is something that there is, but which no attempt has; `searched`
    is then the sentence to be told.
    """

    handle: str
    kind: str
    traces: tuple[Trace, ...]
    searched: str
    left_out: int = 0
    is_known: bool = False
