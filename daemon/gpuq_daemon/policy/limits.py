"""How much a user, an account or a QOS may have at once, and what stands against a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from gpuq.models import Reason
from gpuq.units import plural

Scope = tuple[str, str]  # what (user, account, qos, qos_user, array), and which


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What one scope may have; None is no limit.

    `gpu_hours` are those of the present period (see `Limits.period_s`), counted as held and not decayed; a
    job with a time limit counts with all of it from its start. `longest_s` is the longest time limit.
    """

    running_gpus: int | None = None
    running_jobs: int | None = None
    queued_jobs: int | None = None
    gpu_hours: float | None = None
    longest_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All limits. `qos_users` are what each single user may have in a QOS. `parents` is the account tree.

    An account's limit holds for it and all accounts below it together.
    """

    users: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    accounts: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    qos: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    qos_users: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    parents: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    period_s: float = 30 * 86400.0

    def line(self, account: str) -> Iterator[str]:
        """Yield an account and those above it."""
        above: str | None = account
        while above is not None:
            yield above
            above = self.parents.get(above)


class Owner(NamedTuple):
    """Whose limits a job counts in. `throttle` is how many tasks of its array may run at once."""

    user: str
    account: str
    qos: str
    array_id: int | None = None
    throttle: int | None = None


class Row(NamedTuple):
    """A limit that a job counts in, with the words for being stopped by it."""

    scope: Scope
    limit: Limit
    gpus: Reason
    jobs: Reason
    gpu_time: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The limit that stops a job: what is taken, what the job needs, what is allowed."""

    reason: Reason
    scope: Scope
    what: str
    taken: float
    needs: float
    allowed: float
    promised: float = 0.0

    @property
    def text(self) -> str:
        """The arithmetic as part of a sentence."""
        also = f", {self.promised:g} more promised to jobs ahead" if self.promised else ""
        what = self.what.removesuffix("s") if self.allowed == 1 and self.what.startswith("running") else self.what
        return (
            f"{scope_name(self.scope)} may have {self.allowed:g} {what}: "
            f"{self.taken:g} taken{also}, this job needs {self.needs:g}"
        )


_ASSOC = (Reason.ASSOC_GPUS, Reason.ASSOC_JOBS, Reason.ASSOC_GPU_TIME)
_QOS = (Reason.QOS_GPUS, Reason.QOS_JOBS, Reason.QOS_GPU_TIME)
_QOS_USER = (Reason.QOS_USER_GPUS, Reason.QOS_USER_JOBS, Reason.QOS_USER_GPU_TIME)
_ARRAY = (Reason.ARRAY_THROTTLE, Reason.ARRAY_THROTTLE, Reason.ARRAY_THROTTLE)


def rows_of(owner: Owner, limits: Limits) -> tuple[Row, ...]:
    """Return the limits a job of this owner counts in: user, accounts upwards, QOS, array."""
    return tuple(_rows(owner, limits))


def _rows(owner: Owner, limits: Limits) -> Iterator[Row]:
    if owner.user in limits.users:
        yield Row(("user", owner.user), limits.users[owner.user], *_ASSOC)
    for above in limits.line(owner.account):
        if above in limits.accounts:
            yield Row(("account", above), limits.accounts[above], *_ASSOC)
    if owner.qos in limits.qos:
        yield Row(("qos", owner.qos), limits.qos[owner.qos], *_QOS)
    if owner.qos in limits.qos_users:
        yield Row(("qos_user", f"{owner.qos}/{owner.user}"), limits.qos_users[owner.qos], *_QOS_USER)
    if owner.array_id is not None:
        yield Row(("array", str(owner.array_id)), Limit(running_jobs=owner.throttle), *_ARRAY)


def scope_name(scope: Scope) -> str:
    """Return a scope as people say it."""
    kind, name = scope
    match kind:
        case "qos":
            return f"QOS {name}"
        case "qos_user":
            qos, _, user = name.partition("/")
            return f"user {user} in QOS {qos}"
        case _:
            return f"{kind} {name}"


class Counts:
    """What runs, and what is promised, in every limited scope. Changed as jobs start and end."""

    def __init__(self, limits: Limits, used_gpu_s: Mapping[Scope, float], at: float) -> None:
        self._limits = limits
        self._used = used_gpu_s
        self._at = at
        self._rows: dict[Owner, tuple[Row, ...]] = {}
        self._gpus: dict[Scope, int] = {}
        self._jobs: dict[Scope, int] = {}
        self._committed: dict[Scope, float] = {}
        self._promised: dict[Scope, dict[int, tuple[float, int, float]]] = {}

    def rows(self, owner: Owner) -> tuple[Row, ...]:
        """Return the limits of an owner, remembered."""
        found = self._rows.get(owner)
        if found is None:
            found = self._rows[owner] = rows_of(owner, self._limits)
        return found

    def add(self, owner: Owner, gpus: int, *, since: float, until: float | None, sign: int = 1) -> None:
        """Count a job that runs; `sign` -1 takes it out again."""
        ahead_s = gpus * max(0.0, until - max(since, self._at)) if until is not None else 0.0
        for row in self.rows(owner):
            scope = row.scope
            self._gpus[scope] = self._gpus.get(scope, 0) + sign * gpus
            self._jobs[scope] = self._jobs.get(scope, 0) + sign
            if row.limit.gpu_hours is not None:
                self._committed[scope] = self._committed.get(scope, 0.0) + sign * ahead_s

    def promise(self, job_id: int, owner: Owner, gpus: int, *, start: float, seconds: float | None) -> None:
        """Count a job that will start by `start`: nothing may run then that would stop it."""
        for row in self.rows(owner):
            self._promised.setdefault(row.scope, {})[job_id] = (start, gpus, gpus * (seconds or 0.0))

    def forget(self, job_id: int, owner: Owner) -> None:
        """Take a promise back, if there is one."""
        for row in self.rows(owner):
            self._promised.get(row.scope, {}).pop(job_id, None)

    def forget_all(self) -> None:
        """Take all promises back."""
        self._promised.clear()

    def block(self, owner: Owner, gpus: int, seconds: float | None, *, end: float | None, own: int = 0) -> Block | None:
        """Return the first limit that stops a job, or None.

        A job that ends by a promised start is no matter to it; `end` None counts no promise at all, infinity
        every one. `own` is the job itself, whose own promise does not stop it.
        """
        for row in self.rows(owner):
            found = self._over(row, gpus, seconds, end, own)
            if found is not None:
                return found
        return None

    def _over(self, row: Row, gpus: int, seconds: float | None, end: float | None, own: int) -> Block | None:
        scope, limit = row.scope, row.limit
        jobs_promised, gpus_promised, gpu_s_promised = self._promised_before(scope, end, own)
        if limit.running_jobs is not None:
            taken = self._jobs.get(scope, 0)
            if taken + jobs_promised + 1 > limit.running_jobs:
                return _block(row.jobs, row, "running jobs", taken, 1, limit.running_jobs, jobs_promised)
        if limit.running_gpus is not None:
            taken = self._gpus.get(scope, 0)
            if taken + gpus_promised + gpus > limit.running_gpus:
                return _block(row.gpus, row, "running GPUs", taken, gpus, limit.running_gpus, gpus_promised)
        if limit.gpu_hours is not None:
            allowed, needs = limit.gpu_hours * 3600, gpus * (seconds or 0.0)
            taken_s = self._used.get(scope, 0.0) + self._committed.get(scope, 0.0)
            # A sum of floats that comes and goes leaves dust: a second is nothing here.
            if taken_s + gpu_s_promised + needs > allowed + 1 or taken_s + 1 >= allowed:
                hours = (taken_s / 3600, needs / 3600, limit.gpu_hours, gpu_s_promised / 3600)
                return _block(row.gpu_time, row, "GPU-hours in this period", *hours)
        return None

    def _promised_before(self, scope: Scope, end: float | None, own: int) -> tuple[int, int, float]:
        promised = self._promised.get(scope)
        if not promised or end is None:
            return 0, 0, 0.0
        jobs, gpus, gpu_s = 0, 0, 0.0
        for job_id, (start, its_gpus, its_gpu_s) in promised.items():
            if job_id != own and (start < end or end == inf):
                jobs, gpus, gpu_s = jobs + 1, gpus + its_gpus, gpu_s + its_gpu_s
        return jobs, gpus, gpu_s


def _block(reason: Reason, row: Row, what: str, taken: float, needs: float, allowed: float, promised: float) -> Block:
    return Block(
        reason=reason, scope=row.scope, what=what, taken=taken, needs=needs, allowed=allowed, promised=promised
    )


def never(owner: Owner, gpus: int, seconds: int | None, limits: Limits) -> str | None:
    """Return the limit that the job can never meet, in one sentence, or None."""
    for row in rows_of(owner, limits):
        limit, who = row.limit, scope_name(row.scope)
        if limit.running_gpus is not None and gpus > limit.running_gpus:
            return _refused(row.gpus, who, f"at most {plural(limit.running_gpus, 'running GPU')}", f"asks for {gpus}")
        if limit.running_jobs is not None and limit.running_jobs < 1:
            return _refused(row.jobs, who, "no running job", "could never run")
        if limit.longest_s is not None and (seconds is None or seconds > limit.longest_s):
            asks = "has no time limit" if seconds is None else f"asks for {seconds} s"
            return _refused(_LONGEST[row.scope[0]], who, f"jobs of at most {limit.longest_s} s", asks)
        if limit.gpu_hours is not None and gpus * (seconds or 0) > limit.gpu_hours * 3600:
            asks = f"may use {gpus * (seconds or 0) / 3600:g}"
            return _refused(row.gpu_time, who, f"at most {limit.gpu_hours:g} GPU-hours in a period", asks)
    return None


def queue_full(owner: Owner, queued: Mapping[Scope, int], limits: Limits, *, adding: int = 1) -> str | None:
    """Return the limit on queued jobs that `adding` more would break, in one sentence, or None.

    `queued` are the jobs pending now, by scope.
    """
    for row in rows_of(owner, limits):
        allowed, there = row.limit.queued_jobs, queued.get(row.scope, 0)
        if allowed is not None and there + adding > allowed:
            word = "QOSMaxSubmitJobPerUserLimit" if row.scope[0].startswith("qos") else "AssocGrpSubmitJobsLimit"
            has = f"{there} {'is' if there == 1 else 'are'} there and {adding} more would be added"
            return f"{_capital(scope_name(row.scope))} may queue {plural(allowed, 'job')}, {has} ({word})."
    return None


def count_queued(owners: Iterable[Owner], limits: Limits) -> dict[Scope, int]:
    """Return how many pending jobs there are in every limited scope."""
    counts: dict[Scope, int] = {}
    rows: dict[Owner, tuple[Row, ...]] = {}
    for owner in owners:
        if owner not in rows:
            rows[owner] = rows_of(owner, limits)
        for row in rows[owner]:
            counts[row.scope] = counts.get(row.scope, 0) + 1
    return counts


_LONGEST = {
    "user": "AssocMaxWallDurationPerJobLimit",
    "account": "AssocMaxWallDurationPerJobLimit",
    "qos": "QOSMaxWallDurationPerJobLimit",
    "qos_user": "QOSMaxWallDurationPerJobLimit",
    "array": "JobArrayTaskLimit",
}


def _refused(word: str, who: str, may: str, asks: str) -> str:
    return f"{_capital(who)} may have {may}; this job {asks} ({word})."


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
