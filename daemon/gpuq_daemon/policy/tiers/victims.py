"""Which running jobs to stop, or to move, so that a gang fits: as little as possible is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from gpuq_daemon.policy.gang import Gang, Layout
from gpuq_daemon.policy.placement import Candidate, choose
from gpuq_daemon.policy.room import Pool, Room, Take, Vector
from gpuq_daemon.policy.snapshot import ActiveJob

_TRIES = 3
MOVABLE_GPUS = 4

Cost = tuple[float, int, int, int]  # GPU-seconds lost, GPUs, jobs, earlier preemptions of them
_NOTHING: Cost = (0.0, 0, 0, 0)


class Victim(NamedTuple):
    """A running job that may be stopped, and what that costs."""

    cost: Cost
    job: ActiveJob


def victim_of(job: ActiveJob, now: float) -> Victim:
    """Return a job as a victim: it loses what it did since it was last saved."""
    lost = 0.0 if job.saved_at is None else max(0.0, now - max(job.saved_at, job.started_at)) * job.gpus
    return Victim((lost, job.gpus, 1, job.past.preempted), job)


class Loose:
    """Running jobs that nobody has claimed in this pass, by node, the cheapest first."""

    def __init__(self, room: Room, victims: Iterable[Victim]) -> None:
        self._room = room
        self._by_node: dict[int, list[Victim]] = {}
        self._there: set[int] = set()
        self._sums: dict[int, Vector] = {}
        self._changed: list[int] = []  # nodes
        self._known: dict[tuple[str, int, int, int, bool], tuple[dict[int, int], int, int]] = {}
        for victim in sorted(victims, key=lambda one: (one.cost, one.job.job_id)):
            self._there.add(victim.job.job_id)
            for take in room.takes_of(victim.job.job_id):
                self._by_node.setdefault(take.node, []).append(victim)
                g, c, m = self._sums.get(take.node, (0, 0, 0))
                self._sums[take.node] = (g + take.gpus, c + take.cpus, m + take.memory)

    def __contains__(self, job_id: int) -> bool:
        return job_id in self._there

    def remove(self, job_id: int) -> None:
        """Leave out a job that still holds what it held: claimed."""
        if job_id in self._there:
            self.forget(job_id, self._room.takes_of(job_id))

    def forget(self, job_id: int, takes: Iterable[Take]) -> None:
        """Leave out a job that no longer holds what it held."""
        if job_id in self._there:
            self._there.discard(job_id)
            for take in takes:
                self._changed.append(take.node)
                g, c, m = self._sums[take.node]
                self._sums[take.node] = (g - take.gpus, c - take.cpus, m - take.memory)

    def on(self, node: int) -> Iterator[Victim]:
        """Go through those on a node, the cheapest first."""
        return (victim for victim in self._by_node.get(node, ()) if victim.job.job_id in self._there)

    def offers(self, pool: Pool, gang: Gang) -> Mapping[int, int]:
        """Return the nodes of a pool that would take workers of a gang without them, and how many.

        Most gangs of a pass find what those before them found: only nodes that changed are looked at again.
        """
        key = (pool.name, gang.gpus_per_worker, gang.cpus_per_worker, gang.memory_mib_per_worker, gang.is_exclusive)
        known = self._known.get(key)
        changes = self._room.changed
        if known is None:
            found, nodes = dict[int, int](), pool.nodes
        else:
            found, seen, mine = known
            nodes = {node for node in (*changes[seen:], *self._changed[mine:]) if self._room.in_pool(node, pool)}
        self._look_again(nodes, gang, found)
        self._known[key] = (found, len(changes), len(self._changed))
        return found

    def _look_again(self, nodes: Iterable[int], gang: Gang, found: dict[int, int]) -> None:
        room, sums, least = self._room, self._sums, gang.gpus_per_worker
        for node in nodes:
            vector, more = room.free(node), sums.get(node)
            if more is not None:
                vector = (vector[0] + more[0], vector[1] + more[1], vector[2] + more[2])
            fits = room.fits(node, vector, gang) if vector[0] >= least else 0  # most have not even that
            if fits:
                found[node] = fits
            else:
                found.pop(node, None)


def choices(room: Room, pool: Pool, gang: Gang, loose: Loose, allows: Callable[[int], bool]) -> Iterator[list[Victim]]:
    """Go through sets of victims in a pool that may make room for a gang, the cheapest first; there may be more."""
    offered = loose.offers(pool, gang)
    if sum(offered.values()) < gang.workers:
        return
    offers = [(node, fits) for node, fits in offered.items() if allows(node)]
    if sum(fits for _, fits in offers) < gang.workers:
        return
    is_packed = gang.nodes is None and gang.layout is Layout.PACK
    whole = [node for node, fits in offers if fits >= gang.workers] if is_packed else []
    if whole:
        priced = sorted(_priced(room, node, gang, gang.workers, loose) for node in whole)
        for _, node in priced[:_TRIES]:
            yield list(_needed(room, node, gang, gang.workers, loose))
        return
    chosen = _cheapest(room, gang, offers, loose) if is_packed else _chosen(room, gang, offers)
    if chosen is not None:
        found: dict[int, Victim] = {}
        for node, workers in chosen.items():
            for victim in _needed(room, node, gang, workers, loose):
                found.setdefault(victim.job.job_id, victim)
        yield list(found.values())


def _priced(room: Room, node: int, gang: Gang, workers: int, loose: Loose) -> tuple[Cost, int]:
    cost = _NOTHING
    for victim in _needed(room, node, gang, workers, loose):
        cost = _sum(cost, victim.cost)
    return cost, node


def _needed(room: Room, node: int, gang: Gang, workers: int, loose: Loose) -> Iterator[Victim]:
    """Go through the cheapest on a node until so many workers fit."""
    g, c, m = room.free(node)
    if room.fits(node, (g, c, m), gang) >= workers:
        return
    for victim in loose.on(node):
        yield victim
        for take in room.takes_of(victim.job.job_id):
            if take.node == node:
                g, c, m = g + take.gpus, c + take.cpus, m + take.memory
        if room.fits(node, (g, c, m), gang) >= workers:
            return


def _cheapest(room: Room, gang: Gang, offers: list[tuple[int, int]], loose: Loose) -> dict[int, int]:
    """Return workers by node over several nodes: the cheapest for each worker first."""
    priced: list[tuple[float, Cost, int, int]] = []
    for node, fits in offers:
        cost, _ = _priced(room, node, gang, fits, loose)
        priced.append((-fits, cost, node, fits))
    chosen: dict[int, int] = {}
    left = gang.workers
    for _, _, node, fits in sorted(priced):
        if not left:
            break
        chosen[node] = min(left, fits)
        left -= chosen[node]
    return chosen


def _chosen(room: Room, gang: Gang, offers: list[tuple[int, int]]) -> dict[int, int] | None:
    return choose(sorted(Candidate(room.free(node)[0], node, fits) for node, fits in offers), gang)


def _sum(one: Cost, other: Cost) -> Cost:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])
