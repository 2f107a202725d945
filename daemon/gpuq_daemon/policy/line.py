"""A line of jobs that are alike to the cluster: one shape, one length. What fails for one fails for all."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from gpuq_daemon.policy.limits import Owner
from gpuq_daemon.policy.priority import Key
from gpuq_daemon.policy.walk import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The jobs of the same partition that may start and go before: how many, and what they want.

    `gpu_h` is what they may use at most by their time limits, None if one has none.
    """

    jobs: int = 0
    gpus: int = 0
    gpu_h: float | None = 0.0


class Line:
    """Keys of waiting jobs in order, by owner; owners whose limits stop them are parked.

    `heads` are the first keys of the owners that are not, in order.
    """

    __slots__ = ("buckets", "heads", "limit_s", "parked", "shape", "time_limit_s")

    def __init__(self, shape: Shape, time_limit_s: int | None) -> None:
        self.shape = shape
        self.time_limit_s = time_limit_s
        self.limit_s = inf if time_limit_s is None else float(time_limit_s)
        self.buckets: dict[Owner, list[Key]] = {}
        self.heads: list[tuple[Key, Owner]] = []
        self.parked: set[Owner] = set()

    def fill(self, buckets: dict[Owner, list[Key]]) -> None:
        """Put in all owners' keys, in no order, in place of what was there; nobody is parked any more."""
        for bucket in buckets.values():
            bucket.sort()
        self.buckets = buckets
        self.heads = sorted((bucket[0], owner) for owner, bucket in buckets.items())
        self.parked.clear()

    def first(self) -> Key | None:
        """Return the first key of all owners that are not parked."""
        return self.heads[0][0] if self.heads else None

    def add(self, owner: Owner, key: Key) -> None:
        """Put in a job."""
        bucket = self.buckets.setdefault(owner, [])
        at = bisect_left(bucket, key)
        if at == 0 and owner not in self.parked:
            self._unhead(owner, bucket)
            insort(self.heads, (key, owner))
        bucket.insert(at, key)

    def remove(self, owner: Owner, key: Key) -> None:
        """Take out a job."""
        bucket = self.buckets[owner]
        at = bisect_left(bucket, key)
        if at == 0 and owner not in self.parked:
            self._unhead(owner, bucket)
            if len(bucket) > 1:
                insort(self.heads, (bucket[1], owner))
        del bucket[at]
        if not bucket:
            del self.buckets[owner]
            self.parked.discard(owner)

    def park(self, owner: Owner) -> None:
        """Leave out an owner until `unpark`."""
        if owner in self.buckets and owner not in self.parked:
            self._unhead(owner, self.buckets[owner])
            self.parked.add(owner)

    def unpark(self, owner: Owner) -> None:
        """Let an owner take part again."""
        if owner in self.parked:
            self.parked.discard(owner)
            insort(self.heads, (self.buckets[owner][0], owner))

    def _unhead(self, owner: Owner, bucket: list[Key]) -> None:
        if bucket:
            del self.heads[bisect_left(self.heads, (bucket[0], owner))]

    def before(self, key: Key) -> int:
        """Return how many jobs of the line go before `key`, parked ones left out."""
        parked = self.parked
        return sum(bisect_left(bucket, key) for owner, bucket in self.buckets.items() if owner not in parked)


class Cursor:
    """Goes along a line in order, in one pass; the line must not change meanwhile."""

    __slots__ = ("_at", "_next", "line")

    def __init__(self, line: Line) -> None:
        self.line = line
        self._at = 0
        self._next: list[tuple[Key, Owner, int]] = []

    def peek(self) -> Key | None:
        """Return the next key, None at the end."""
        heads = self.line.heads
        head = heads[self._at][0] if self._at < len(heads) else None
        if self._next and (head is None or self._next[0][0] < head):
            return self._next[0][0]
        return head

    def take(self) -> tuple[Owner, int]:
        """Go past the next key; return its owner and place in the owner's bucket, for `follow`."""
        heads = self.line.heads
        if self._next and (self._at >= len(heads) or self._next[0][0] < heads[self._at][0]):
            _, owner, place = heappop(self._next)
            return owner, place
        owner = heads[self._at][1]
        self._at += 1
        return owner, 0

    def follow(self, owner: Owner, place: int) -> None:
        """Let the owner's job behind `place` come next of its own; without this the owner is left out."""
        bucket = self.line.buckets[owner]
        if place + 1 < len(bucket):
            heappush(self._next, (bucket[place + 1], owner, place + 1))
