"""Waiting jobs in lines of like ones, and lines mixed with what runs."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from gpuq_daemon.policy.limits import Owner
from gpuq_daemon.policy.line import Cursor, Line
from gpuq_daemon.policy.priority import Key
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob
from gpuq_daemon.policy.tiers.ledger import Branch
from gpuq_daemon.policy.walk import Shape


class Alike(NamedTuple):
    """What a line's jobs have in common. Of those never stopped (`is_fresh`) the first has waited longest."""

    rank: tuple[int, int]  # QOS and level: what goes before the time of arrival
    shape: Shape
    time_limit_s: int | None
    is_fresh: bool
    is_preemptible: bool


Head = tuple[Key, Alike, Line]


class Lines:
    """Waiting jobs of one tier, by what they have in common. `heads` are the lines by their first keys, in order."""

    def __init__(self) -> None:
        self._lines: dict[Alike, Line] = {}
        self.heads: list[Head] = []

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, alike: Alike, owner: Owner, key: Key) -> None:
        """Put in a job."""
        line = self._lines.get(alike)
        if line is None:
            line = self._lines[alike] = Line(alike.shape, alike.time_limit_s)
        before = line.first()
        line.add(owner, key)
        self._find_place(alike, line, before)

    def remove(self, alike: Alike, owner: Owner, key: Key) -> None:
        """Take out a job."""
        line = self._lines[alike]
        before = line.first()
        line.remove(owner, key)
        self._find_place(alike, line, before)
        if not line.buckets:
            del self._lines[alike]

    def _find_place(self, alike: Alike, line: Line, before: Key | None) -> None:
        after = line.first()
        if after != before:
            if before is not None:
                del self.heads[bisect_left(self.heads, (before,))]
            if after is not None:
                insort(self.heads, (after, alike, line))


class Waiting(NamedTuple):
    """A waiting job at the head of a mix."""

    job_id: int
    alike: Alike
    owner: Owner
    place: int
    cursor: Cursor


class Running(NamedTuple):
    """A running job with what each pass wants to know of it. `waited_s` is how long it waited until it started."""

    job_id: int
    job: ActiveJob
    leaf: Branch
    gpus: int
    units: int
    submitted_at: float
    waited_s: float


Placed = tuple[Key, Running]


class Mix:
    """Waiting and running jobs of a tier in one order, to go through once; lines must not change meanwhile."""

    def __init__(self, heads: Sequence[Head], running: Sequence[Placed]) -> None:
        self._running, self._runs_at = running, 0
        self._heads, self._at = heads, 0
        self._begun: list[tuple[Key, Alike, Cursor]] = []  # lines somebody of which was looked at
        self._find()

    def _find(self) -> None:
        head = self._heads[self._at] if self._at < len(self._heads) else None
        begun = self._begun
        self._head = begun[0] if begun and (head is None or begun[0][0] < head[0]) else head

    def head_runs(self) -> bool | None:
        """Return whether the head runs; None if nobody is left."""
        head, at = self._head, self._runs_at
        if at >= len(self._running):
            return None if head is None else False
        return head is None or self._running[at][0] < head[0]

    def ahead(self) -> Sequence[Placed]:
        """Go past those who run and go before all who wait, and return them."""
        at = self._runs_at
        head = self._head
        self._runs_at = len(self._running) if head is None else bisect_left(self._running, (head[0],), at)
        return self._running[at : self._runs_at]

    def has_waiting(self) -> bool:
        """Return whether anybody is left who waits."""
        return self._head is not None

    def running(self) -> Running:
        """Go past the head, which runs."""
        self._runs_at += 1
        return self._running[self._runs_at - 1][1]

    def head(self) -> tuple[int, Alike]:
        """Return the head, which waits, and what its line is."""
        assert self._head is not None
        return self._head[0][3], self._head[1]

    def drop(self) -> None:
        """Leave out the line of the head, which waits."""
        self._take()

    def waiting(self) -> Waiting:
        """Go past the head, which waits, and all of its line, unless `follow` or `skip_owner` comes next."""
        job_id, alike = self.head()
        where = self._take()
        cursor = where if isinstance(where, Cursor) else Cursor(where)
        owner, place = cursor.take()
        return Waiting(job_id, alike, owner, place, cursor)

    def _take(self) -> Line | Cursor:
        assert self._head is not None
        where = self._head[2]
        if isinstance(where, Cursor):
            heappop(self._begun)
        else:
            self._at += 1
        self._find()
        return where

    def follow(self, seen: Waiting) -> None:
        """Go on in the same line, with the same owner too."""
        seen.cursor.follow(seen.owner, seen.place)
        self.skip_owner(seen)

    def skip_owner(self, seen: Waiting) -> None:
        """Go on in the same line without this owner."""
        following = seen.cursor.peek()
        if following is not None:
            heappush(self._begun, (following, seen.alike, seen.cursor))
            self._find()


def alike_of(job: PendingJob, rank: tuple[int, int]) -> Alike:
    """Return what a waiting job has in common with others of its line."""
    shape = (job.partition, job.reservation, job.gang)
    return Alike(rank, shape, job.time_limit_s, job.past.stopped_at is None, job.is_preemptible)


def key_of(rank: tuple[int, int], arrived_at: float, job_id: int) -> Key:
    """Return what orders a tier: QOS, level, arrival."""
    return (*rank, arrived_at, job_id)
