"""What is free on every node, now and later: jobs that hold it, promises and reservations on it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import NamedTuple

from gpuq_daemon.policy.billing import Billing
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.snapshot import ActiveJob, NodeView

_UNCOUNTED = 1 << 40  # CPUs or MiB of a node that does not count them
OVERDUE_S = 30.0  # a job beyond its limit is being ended: it is gone in a moment

Vector = tuple[int, int, int]  # GPUs, CPUs, MiB


class Take(NamedTuple):
    """What a job has on one node."""

    node: int
    gpus: int
    cpus: int
    memory: int


class Spot(NamedTuple):
    """A place for a whole gang."""

    pool: Pool
    takes: tuple[Take, ...]
    workers: dict[int, int]
    ps: dict[int, int]


class Slot(NamedTuple):
    """A spot promised to a job for a stretch of time."""

    job_id: int
    start: float
    end: float
    spot: Spot

    def is_on_at(self, t: float) -> bool:
        """Return whether the slot has begun and not ended.

        A job without a time limit that runs is taken to end at infinity; one that is only promised a start is
        not, or a promise behind it would keep it from its own.
        """
        return self.start <= t and (t < self.end or self.end == inf)


@dataclass(slots=True, eq=False)
class Pool:
    """The nodes of one GPU model in a partition: those with f free GPUs in `buckets[f]`, ascending.

    `releases` are (end, job) of what runs there, ascending. `promised` are the jobs with a slot in it.
    `version` is another one whenever what runs there is.
    """

    partition: str
    gpu_type: str
    gpus: int
    largest: int
    nodes: list[int]
    buckets: list[list[int]]
    releases: list[tuple[float, int]]
    promised: set[int]
    version: int = 0

    @property
    def name(self) -> str:
        """The pool's name, for people and for keys."""
        return f"{self.partition}/{self.gpu_type}"


class Room:
    """The nodes with all that is on them. Changes by `hold` and `release`, and by slots within a pass."""

    def __init__(
        self, nodes: Iterable[NodeView], *, billing: Billing, reservations: Iterable[Reservation] = ()
    ) -> None:
        views = sorted(nodes, key=lambda node: node.name)
        self.now = 0.0
        self._versions = count(1)
        self._suited: dict[tuple[str, str | None], list[Pool]] = {}
        self.names = [node.name for node in views]
        self.number = {name: i for i, name in enumerate(self.names)}
        self._views = views
        self._whole: list[Vector] = [
            (n.gpus, _UNCOUNTED if n.cpus is None else n.cpus, _UNCOUNTED if n.memory_mib is None else n.memory_mib)
            for n in views
        ]
        self._free: list[Vector] = list(self._whole)
        self.changed: list[int] = []  # nodes, as what is free there changes
        self._holds: list[dict[int, tuple[float, int, int, int]]] = [{} for _ in views]
        self._held: dict[int, tuple[float, tuple[Take, ...]]] = {}
        self._slots: dict[int, list[Slot]] = {}
        self._minded = self._slots
        self.slots: dict[int, Slot] = {}
        self._windows: dict[int, list[tuple[float, float, str]]] = {}
        for one in reservations:
            for name in one.nodes:
                if name in self.number:
                    self._windows.setdefault(self.number[name], []).append((one.start_at, one.end_at, one.name))
        self._pool_of: list[Pool | None] = [None] * len(views)
        self._pools = self._made_pools(billing)
        self._by_partition: dict[str, list[int]] = {}
        for i, view in enumerate(views):
            if view.takes_jobs:
                self._by_partition.setdefault(view.partition, []).append(i)
        for members in self._by_partition.values():
            members.sort(key=lambda i: (self._whole[i][0] > 0, i))  # parameter servers: nodes without GPUs first

    def _made_pools(self, billing: Billing) -> dict[str, list[Pool]]:
        members: dict[tuple[str, str], list[int]] = {}
        for i, view in enumerate(self._views):
            members.setdefault((view.partition, view.gpu_type), []).append(i)
        pools: dict[str, list[Pool]] = {}
        # The cheapest model first: who does not care leaves the dear ones to those who ask for them.
        for (partition, gpu_type), nodes in sorted(
            members.items(), key=lambda item: (item[0][0], billing.gpu_weight(item[0][1]), item[0][1])
        ):
            offered = [i for i in nodes if self._views[i].takes_jobs]
            largest = max((self._whole[i][0] for i in nodes), default=0)
            buckets: list[list[int]] = [[] for _ in range(largest + 1)]
            for i in offered:
                buckets[self._whole[i][0]].append(i)
            total = sum(self._whole[i][0] for i in offered)
            pool = Pool(partition, gpu_type, total, largest, offered, buckets, [], set())
            for i in nodes:
                self._pool_of[i] = pool
            pools.setdefault(partition, []).append(pool)
        return pools

    # --- what runs

    def hold_active(self, job: ActiveJob) -> None:
        """Take what a running job has. Nodes that are gone are passed over."""
        takes: list[Take] = []
        for name in sorted({*job.gpus_by_node, *job.cpus_by_node, *job.memory_mib_by_node}):
            i = self.number.get(name)
            if i is None:
                continue
            if job.is_exclusive:
                takes.append(Take(i, *self._whole[i]))
            else:
                gpus, cpus = job.gpus_by_node.get(name, 0), job.cpus_by_node.get(name, 0)
                takes.append(Take(i, gpus, cpus, job.memory_mib_by_node.get(name, 0)))
        self.hold(job.job_id, takes, inf if job.until is None else job.until)

    def hold(self, job_id: int, takes: Iterable[Take], until: float) -> None:
        """Take what a job has, until its end at the latest."""
        takes = tuple(takes)
        self._held[job_id] = (until, takes)
        for take in takes:
            self._change(take, -1)
            self._holds[take.node][job_id] = (until, *take[1:])
        for pool in self._touched(takes):
            insort(pool.releases, (until, job_id))
            pool.version = next(self._versions)

    def release(self, job_id: int) -> None:
        """Give back what a job has; nothing if it has none."""
        until, takes = self._held.pop(job_id, (0.0, ()))
        for take in takes:
            self._change(take, 1)
            del self._holds[take.node][job_id]
        for pool in self._touched(takes):
            del pool.releases[bisect_left(pool.releases, (until, job_id))]
            pool.version = next(self._versions)

    def _touched(self, takes: Iterable[Take]) -> list[Pool]:
        found: list[Pool] = []
        for take in takes:
            pool = self._pool_of[take.node]
            if pool is not None and pool not in found:
                found.append(pool)
        return found

    def _change(self, take: Take, sign: int) -> None:
        i = take.node
        self.changed.append(i)
        gpus, cpus, memory = self._free[i]
        now_free = gpus + sign * take.gpus
        self._free[i] = (now_free, cpus + sign * take.cpus, memory + sign * take.memory)
        pool = self._pool_of[i]
        if now_free != gpus and pool is not None and self._views[i].takes_jobs:
            before = pool.buckets[max(gpus, 0)]
            del before[bisect_left(before, i)]
            insort(pool.buckets[max(now_free, 0)], i)

    # --- promises

    def put(self, slot: Slot) -> None:
        """Keep a spot for a job."""
        self.slots[slot.job_id] = slot
        slot.spot.pool.promised.add(slot.job_id)
        for take in slot.spot.takes:
            self._slots.setdefault(take.node, []).append(slot)

    def mind(self, *, slots: bool) -> None:
        """Keep what is promised from whoever asks where there is room from now on, or let it be passed over."""
        self._minded = self._slots if slots else {}

    def drop(self, job_id: int) -> Slot | None:
        """Give up the spot kept for a job, if there is one, and return it."""
        slot = self.slots.pop(job_id, None)
        if slot is None:
            return None
        slot.spot.pool.promised.discard(job_id)
        for node in {take.node for take in slot.spot.takes}:
            left = [one for one in self._slots[node] if one is not slot]
            if left:
                self._slots[node] = left
            else:
                del self._slots[node]
        return slot

    def kept_idle(self, pool: Pool, takes: Iterable[Take] = ()) -> int:
        """Return the GPUs of a pool that are free now and kept by its slots, `takes` included."""
        kept: dict[int, int] = {}
        for job_id in pool.promised:
            for take in self.slots[job_id].spot.takes:
                kept[take.node] = kept.get(take.node, 0) + take.gpus
        for take in takes:
            kept[take.node] = kept.get(take.node, 0) + take.gpus
        return sum(min(gpus, max(self._free[i][0], 0)) for i, gpus in kept.items())

    def still_stands(self, slot: Slot, reservation: str | None) -> bool:
        """Return whether a slot could be put now and kept: its time has not passed and its room is there."""
        if slot.start < self.now:
            return False
        needed: dict[int, Vector] = {}
        for node, gpus, cpus, memory in slot.spot.takes:
            g, c, m = needed.get(node, (0, 0, 0))
            needed[node] = (g + gpus, c + cpus, m + memory)
        return all(
            self._views[i].takes_jobs
            and self.allows(i, slot.start, slot.end, reservation)
            and all(has >= need for has, need in zip(self.usable(i, slot.start, slot.end), vector, strict=True))
            for i, vector in needed.items()
        )

    # --- what is free

    def pools(self, partition: str, gang: Gang) -> list[Pool]:
        """Return the pools a gang may lie in, cheapest model first."""
        key = (partition, gang.gpu_type)
        found = self._suited.get(key)
        if found is None:
            pools = [pool for pool in self._pools.get(partition, ()) if pool.largest]
            found = [pool for pool in pools if gang.takes(pool.gpu_type)]
            self._suited[key] = found
        return found

    def versions(self) -> dict[str, int]:
        """Return the versions of all pools, to `restore` them once what was done since is undone."""
        return {pool.name: pool.version for pools in self._pools.values() for pool in pools}

    def restore(self, versions: dict[str, int]) -> None:
        """Say that what runs is again what ran then."""
        for pools in self._pools.values():
            for pool in pools:
                pool.version = versions[pool.name]

    def free_and_total(self, partition: str, gang: Gang) -> tuple[int, int]:
        """Return the free GPUs a gang could have, and all that can be used."""
        pools = [p for p in self._pools.get(partition, ()) if gang.takes(p.gpu_type)]
        return sum(max(self._free[i][0], 0) for p in pools for i in p.nodes), sum(p.gpus for p in pools)

    def free(self, node: int) -> Vector:
        """Return what is free on a node now."""
        return self._free[node]

    def whole(self, node: int) -> Vector:
        """Return all that a node has."""
        return self._whole[node]

    def takes_of(self, job_id: int) -> tuple[Take, ...]:
        """Return what a running job has."""
        return self._held[job_id][1]

    def in_pool(self, node: int, pool: Pool) -> bool:
        """Return whether a node that takes jobs is in a pool."""
        return self._pool_of[node] is pool and self._views[node].takes_jobs

    def offered(self, partition: str) -> list[int]:
        """Return the nodes of a partition that take jobs, those without GPUs first."""
        return self._by_partition.get(partition, [])

    def is_plain(self, node: int) -> bool:
        """Whether neither promise nor reservation is on a node: what is free now stays so until taken."""
        return node not in self._minded and node not in self._windows

    def specials(self, pool: Pool) -> list[int]:
        """Return the nodes of a pool that are not plain."""
        return [i for i in {**self._minded, **self._windows} if self.in_pool(i, pool)]

    def edges(self, node: int, seconds: float) -> Iterator[float]:
        """Return when what is usable on a node changes for a job of this length, its jobs' ends aside."""
        for slot in self._minded.get(node, ()):
            yield slot.end
        for start, end, _ in self._windows.get(node, ()):
            yield from (start, end, start - seconds)

    def is_reserved(self, node: int, reservation: str) -> bool:
        """Return whether a node is of the reservation."""
        return any(name == reservation for _, _, name in self._windows.get(node, ()))

    def allows(self, node: int, start: float, end: float, reservation: str | None) -> bool:
        """Return whether reservations let a job be on a node in [start, end)."""
        is_inside = reservation is None
        for since, until, name in self._windows.get(node, ()):
            if name == reservation:
                is_inside = is_inside or (since <= start and end <= until)
            elif since < end and start < until:
                return False
        return is_inside

    def usable(self, node: int, start: float, end: float) -> Vector:
        """Return what can be had on a node throughout [start, end), beside all that is promised."""
        least = self._level(node, start)
        for slot in self._minded.get(node, ()):
            if start < slot.start and (slot.start < end or end == inf):
                g, c, m = self._level(node, slot.start)
                least = (min(least[0], g), min(least[1], c), min(least[2], m))
        return least

    def _level(self, node: int, t: float) -> Vector:
        g, c, m = self._free[node]
        if t > self.now:
            for until, gpus, cpus, memory in self._holds[node].values():
                if until <= t and (until > self.now or t >= self.now + OVERDUE_S):
                    g, c, m = g + gpus, c + cpus, m + memory
        for slot in self._minded.get(node, ()):
            if slot.is_on_at(t):
                for take in slot.spot.takes:
                    if take.node == node:
                        g, c, m = g - take.gpus, c - take.cpus, m - take.memory
        return g, c, m

    def fits(self, node: int, vector: Vector, gang: Gang) -> int:
        """Return how many workers a node with this much free takes."""
        gpus, cpus, memory = vector
        if gang.is_exclusive and vector != self._whole[node]:
            return 0
        fit = gpus // gang.gpus_per_worker
        if gang.cpus_per_worker:
            fit = min(fit, cpus // gang.cpus_per_worker)
        if gang.memory_mib_per_worker:
            fit = min(fit, memory // gang.memory_mib_per_worker)
        return max(0, fit)
