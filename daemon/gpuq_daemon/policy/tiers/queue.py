"""Waiting jobs in lines of like ones, and lines mixed with what runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heapreplace
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


class Lines:
    """Waiting jobs of one tier, by what they have in common."""

    def __init__(self) -> None:
        self._lines: dict[Alike, Line] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __iter__(self) -> Iterator[tuple[Alike, Line]]:
        return iter(self._lines.items())

    def add(self, alike: Alike, owner: Owner, key: Key) -> None:
        """Put in a job."""
        line = self._lines.get(alike)
        if line is None:
            line = self._lines[alike] = Line(alike.shape, alike.time_limit_s)
        line.add(owner, key)

    def remove(self, alike: Alike, owner: Owner, key: Key) -> None:
        """Take out a job."""
        line = self._lines[alike]
        line.remove(owner, key)
        if not line.buckets:
            del self._lines[alike]


class Waiting(NamedTuple):
    """A waiting job at the head of a mix."""

    job_id: int
    alike: Alike
    owner: Owner
    place: int


class Running(NamedTuple):
    """A running job with what each pass wants to know of it. `waited_s` is how long it waited until it started."""

    job: ActiveJob
    leaf: Branch
    gpus: int
    units: int
    submitted_at: float
    waited_s: float


class Mix:
    """Waiting and running jobs of a tier in one order, to go through once; lines must not change meanwhile."""

    def __init__(self, lines: Iterable[tuple[Alike, Line]], running: list[tuple[Key, Running]]) -> None:
        running.sort(key=lambda one: one[0], reverse=True)
        self._running = running
        made = ((line.heads[0][0], number, alike, Cursor(line)) for number, (alike, line) in enumerate(lines))
        self._heap: list[tuple[Key, int, Alike, Cursor]] = list(made)
        heapify(self._heap)

    def head_runs(self) -> bool | None:
        """Return whether the head runs; None if nobody is left."""
        if not self._running:
            return False if self._heap else None
        return not self._heap or self._running[-1][0] < self._heap[0][0]

    def has_waiting(self) -> bool:
        """Return whether anybody is left who waits."""
        return bool(self._heap)

    def head_gpus(self) -> int:
        """Return how many GPUs the head, which waits, asks for."""
        return self._heap[0][2].shape[2].gpus

    def waiting_id(self) -> int:
        """Return the head, which waits."""
        return self._heap[0][0][3]

    def running(self) -> Running:
        """Go past the head, which runs."""
        return self._running.pop()[1]

    def waiting(self) -> Waiting:
        """Look at the head, which waits; one of `follow`, `skip_owner` and `drop` is to come next."""
        key, _, alike, cursor = self._heap[0]
        owner, place = cursor.take()
        return Waiting(key[3], alike, owner, place)

    def follow(self, seen: Waiting) -> None:
        """Go on in the same line, with the same owner too."""
        self._heap[0][3].follow(seen.owner, seen.place)
        self._next()

    def skip_owner(self) -> None:
        """Go on in the same line without this owner."""
        self._next()

    def drop(self) -> None:
        """Leave out the rest of the line."""
        heappop(self._heap)

    def _next(self) -> None:
        _, number, alike, cursor = self._heap[0]
        following = cursor.peek()
        if following is None:
            heappop(self._heap)
        else:
            heapreplace(self._heap, (following, number, alike, cursor))


def alike_of(job: PendingJob, rank: tuple[int, int]) -> Alike:
    """Return what a waiting job has in common with others of its line."""
    shape = (job.partition, job.reservation, job.gang)
    return Alike(rank, shape, job.time_limit_s, job.past.stopped_at is None, job.is_preemptible)


def key_of(rank: tuple[int, int], arrived_at: float, job_id: int) -> Key:
    """Return what orders a tier: QOS, level, arrival."""
    return (*rank, arrived_at, job_id)
