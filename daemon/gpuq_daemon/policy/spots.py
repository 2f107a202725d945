"""Where, and when, a gang fits: now, at the earliest, or never on these nodes."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from gpuq_daemon.policy.gang import Gang, Layout
from gpuq_daemon.policy.placement import Candidate, choose
from gpuq_daemon.policy.room import OVERDUE_S, Pool, Room, Slot, Spot, Take, Vector


def spot_now(room: Room, partition: str, gang: Gang, end: float, reservation: str | None) -> Spot | None:
    """Return where the gang can start now and stay until `end` without touching a promise, or None."""
    for pool in room.pools(partition, gang):
        chosen = _chosen_now(room, pool, gang, end, reservation)
        spot = None if chosen is None else _completed(room, pool, gang, chosen, room.now, end, reservation)
        if spot is not None:
            return spot
    return None


def is_possible(room: Room, partition: str, gang: Gang, reservation: str | None) -> bool:
    """Return whether the gang fits the nodes that take jobs, if they were empty."""
    for pool in room.pools(partition, gang):
        nodes = [i for i in pool.nodes if reservation is None or room.is_reserved(i, reservation)]
        counted = ((room.whole(i), i) for i in nodes)
        candidates = [Candidate(whole[0], i, fits) for whole, i in counted if (fits := room.fits(i, whole, gang))]
        chosen = choose(sorted(candidates), gang)
        if chosen is not None and (not gang.servers or _ps_possible(room, partition, gang, chosen)):
            return True
    return False


def earliest(
    room: Room, pool: Pool, gang: Gang, seconds: float, reservation: str | None, *, before: float | None = None
) -> tuple[float, Spot] | None:
    """Return when the gang can start in a pool at the latest, and where; None if never, or not `before`.

    Running jobs are taken to end at their limits, those without one at infinity, the oldest first. What is
    promised to others stays theirs.
    """
    sweep = _Sweep(room, pool, gang, seconds, reservation)
    for t in sweep.moments(inf if before is None else before):
        chosen = choose(sweep.candidates(t), gang)
        spot = None if chosen is None else _completed(room, pool, gang, chosen, t, t + seconds, reservation)
        if spot is not None:
            return t, spot
    return None


def spot_with(room: Room, pool: Pool, gang: Gang, workers: dict[int, int], ps: dict[int, int]) -> Spot:
    """Return the spot with these workers and parameter servers by node, and what they take."""
    if gang.is_exclusive:
        return Spot(pool, tuple(Take(node, *room.whole(node)) for node in workers), workers, ps)
    takes: list[Take] = []
    for node in {**workers, **ps}:
        _, gpus, cpus, memory = _worker_take(room, gang, node, workers.get(node, 0))
        servers = ps.get(node, 0)
        cpus += servers * max(gang.cpus_per_ps, 1)
        takes.append(Take(node, gpus, cpus, memory + servers * gang.memory_mib_per_ps))
    return Spot(pool, tuple(takes), workers, ps)


def slot_of(job_id: int, start: float, seconds: float, spot: Spot) -> Slot:
    """Return the slot that a spot makes from `start` on."""
    return Slot(job_id, start, start + seconds, spot)


class _Sweep:
    """What a pool offers a gang as time goes on: the number of workers, kept up from one end to the next."""

    def __init__(self, room: Room, pool: Pool, gang: Gang, seconds: float, reservation: str | None) -> None:
        self._room, self._pool, self._gang = room, pool, gang
        self._seconds, self._reservation = seconds, reservation
        self._special = set(room.specials(pool)) if reservation is None else set(pool.nodes)
        self._later: dict[int, Vector] = {}
        self._fits: dict[int, int] = {i: self._fits_special(i, room.now) for i in self._special}
        self.workers = self._plain_now() + sum(self._fits.values())

    def moments(self, before: float) -> Iterator[float]:
        """Go from one change to the next; yield the time after each that leaves room for enough workers.

        A `before` of infinity is no bound: infinity itself comes last.
        """
        room, pool, wanted = self._room, self._pool, self._gang.workers
        now = t = room.now
        soon = now + OVERDUE_S
        edges = [(t, -1 - i) for i in self._special for t in room.edges(i, self._seconds) if now < t < inf]
        if self.workers >= wanted:
            yield now
        # Two sorted lists: sorting them together costs little more than copying them.
        for end, which in sorted([*pool.releases, *edges]):
            t = max(t, soon if end <= now else end)
            if t >= before and before != inf:
                return
            if which < 0:
                self._recount(-1 - which, t)
            else:
                for take in room.takes_of(which):
                    if room.in_pool(take.node, pool):
                        self._give_back(take, t)
            if self.workers >= wanted:
                yield t

    def candidates(self, t: float) -> list[Candidate]:
        """Return the nodes that can take workers at `t`."""
        made: list[Candidate] = []
        room, gang, special = self._room, self._gang, self._special
        for i in special:
            fits = self._fits_special(i, t)
            if fits:
                made.append(Candidate(room.free(i)[0], i, fits))
        for i, vector in self._later.items():
            fits = room.fits(i, vector, gang)
            if fits:
                made.append(Candidate(vector[0], i, fits))
        for i in self._with_gpus_now():
            if i not in special and i not in self._later:
                fits = room.fits(i, room.free(i), gang)
                if fits:
                    made.append(Candidate(room.free(i)[0], i, fits))
        made.sort()
        return made

    def _with_gpus_now(self) -> Iterator[int]:
        for free in range(self._gang.gpus_per_worker, len(self._pool.buckets)):
            yield from self._pool.buckets[free]

    def _plain_now(self) -> int:
        room, gang, special = self._room, self._gang, self._special
        return sum(room.fits(i, room.free(i), gang) for i in self._with_gpus_now() if i not in special)

    def _give_back(self, take: Take, t: float) -> None:
        if take.node in self._special:
            self._recount(take.node, t)
            return
        before = self._later.get(take.node) or self._room.free(take.node)
        after = (before[0] + take.gpus, before[1] + take.cpus, before[2] + take.memory)
        self._later[take.node] = after
        fits = self._room.fits
        self.workers += fits(take.node, after, self._gang) - fits(take.node, before, self._gang)

    def _recount(self, node: int, t: float) -> None:
        fits = self._fits_special(node, t)
        self.workers += fits - self._fits[node]
        self._fits[node] = fits

    def _fits_special(self, node: int, t: float) -> int:
        if not self._room.allows(node, t, t + self._seconds, self._reservation):
            return 0
        # Until infinity, not until the end: so more time never fits less, and one sweep is enough.
        return self._room.fits(node, self._room.usable(node, t, inf), self._gang)


def _chosen_now(room: Room, pool: Pool, gang: Gang, end: float, reservation: str | None) -> dict[int, int] | None:
    is_simple = gang.nodes is None and gang.layout is Layout.PACK
    seen: list[Candidate] = []
    for one in _candidates_now(room, pool, gang, end, reservation):
        if is_simple and one.fits >= gang.workers:
            return {one.node: gang.workers}  # the fullest that takes it whole: what `choose` would say
        seen.append(one)
    return choose(seen, gang)


def _candidates_now(room: Room, pool: Pool, gang: Gang, end: float, reservation: str | None) -> Iterator[Candidate]:
    is_simple = gang.needs_gpus_only and reservation is None
    for free in range(gang.gpus_per_worker, len(pool.buckets)):
        for i in pool.buckets[free]:
            if is_simple and room.is_plain(i):
                yield Candidate(free, i, free // gang.gpus_per_worker)
            elif room.allows(i, room.now, end, reservation):
                fits = room.fits(i, room.usable(i, room.now, end), gang)
                if fits:
                    yield Candidate(free, i, fits)


def _completed(
    room: Room, pool: Pool, gang: Gang, workers: dict[int, int], start: float, end: float, reservation: str | None
) -> Spot | None:
    """Add the parameter servers to the workers' nodes; None if there is no room for them."""
    if not gang.servers:
        return spot_with(room, pool, gang, workers, {})
    if gang.is_exclusive:
        return spot_with(room, pool, gang, workers, {next(iter(workers)): gang.servers})
    ps: dict[int, int] = {}
    left = gang.servers
    for node in _ps_order(room, pool.partition, workers):
        if not left:
            break
        if room.allows(node, start, end, reservation):
            mine = _worker_take(room, gang, node, workers.get(node, 0))
            _, cpus, memory = room.usable(node, start, end)
            count = min(left, _ps_fit(gang, cpus - mine.cpus, memory - mine.memory))
            if count:
                ps[node] = count
                left -= count
    return None if left else spot_with(room, pool, gang, workers, ps)


def _worker_take(room: Room, gang: Gang, node: int, count: int) -> Take:
    return Take(node, count * gang.gpus_per_worker, count * gang.cpus_per_worker, count * gang.memory_mib_per_worker)


def _ps_order(room: Room, partition: str, workers: dict[int, int]) -> Iterator[int]:
    offered = room.offered(partition)
    yield from (i for i in offered if not room.whole(i)[0])
    yield from workers
    yield from (i for i in offered if room.whole(i)[0] and i not in workers)


def _ps_fit(gang: Gang, cpus: int, memory: int) -> int:
    count = cpus // max(gang.cpus_per_ps, 1)
    if gang.memory_mib_per_ps:
        count = min(count, memory // gang.memory_mib_per_ps)
    return max(count, 0)


def _ps_possible(room: Room, partition: str, gang: Gang, workers: dict[int, int]) -> bool:
    if gang.is_exclusive:
        return True
    fits = 0
    for node in _ps_order(room, partition, workers):
        whole, mine = room.whole(node), _worker_take(room, gang, node, workers.get(node, 0))
        fits += _ps_fit(gang, whole[1] - mine.cpus, whole[2] - mine.memory)
    return fits >= gang.servers
