"""How gpuqd itself fares, as `gpuq admin diag` and `GET /v1/diag` say it. Durations are in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long one kind of thing took; `p50_s` and `p99_s` are true within a sixteenth.

    All is 0 where `count` is. `last_s` and `max_s` are exact.
    """

    name: str
    count: int
    mean_s: float
    p50_s: float
    p99_s: float
    max_s: float
    last_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSpread:
    """How long a route took to begin its answers, and how often it failed (500 and more) and refused (400 to 499).

    `failed` and `refused` count from the start of gpuqd on. A route that waits, `/wait` say, takes as long as is
    asked of it.
    """

    spread: Spread
    failed: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHealth:
    """Whether a partition's engine starts jobs now; `wrong` says why not, None if it does."""

    partition: str
    nodes: int
    wrong: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """How gpuqd fares `at` a time; spreads are of what came after `since` (its start, or the last reset).

    `passes`: parts of scheduling by kind: `plan` (who starts), `plan when asked` (because somebody asked why), `read
    anew` (everything from the database), `shares`, `start` (committing the starts).
    `commits` and `queries` are by database; `writes` is what was committed since the start. `slow`: statements that
    took at least 10 ms, slowest first. `routes`: the API, busiest first.
    `lag`: how late the event loop wakes, four times a second. `looks`: looking for what a job has written;
    `point_age`: how old the newest point was when it was stored.
    `connections` are open, `in_flight` requests are not yet answered, `streaming` of them have begun their answer.
    """

    at: float
    started_at: float
    since: float
    version: str
    pid: int
    pending: int
    active: int
    connections: int
    in_flight: int
    streaming: int
    open_files: int
    most_files: int
    threads: int
    rss_mib: float
    peak_rss_mib: float
    cpu_s: float
    writes: int
    lag: Spread
    looks: Spread
    point_age: Spread
    passes: tuple[Spread, ...]
    commits: tuple[Spread, ...]
    queries: tuple[Spread, ...]
    slow: tuple[Spread, ...]
    routes: tuple[RouteSpread, ...]
    engines: tuple[EngineHealth, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """A setting that differs from what counted before a reload; None stands for a value that is not set.

    `is_live`: it counts already; otherwise it waits for a restart.
    """

    key: str
    old: str | None
    new: str | None
    is_live: bool
