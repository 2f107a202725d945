"""Takes in what ranks use: as series of their jobs, and as what is so now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gpuq.errors import UnavailableError
from gpuq.models import Signal, SignalKind
from gpuq.units import moment
from gpuq_daemon.clock import Clock
from gpuq_daemon.collectors.samples import NAME, read_samples
from gpuq_daemon.places import Place
from gpuq_daemon.series.gpu_flags import Flag, flags
from gpuq_daemon.series.points import Batch, FilePosition
from gpuq_daemon.series.sampled import OWN_SECONDS, Sample, Stranger, points
from gpuq_daemon.series.slow_rank import Paces, SlowRank
from gpuq_daemon.store.attempts import ActiveAttempt
from gpuq_daemon.store.metrics import MetricsStore

logger = logging.getLogger(__name__)

_STALE_S = 90.0
_CLOCKS_DIFFER_S = 60.0
_MOST_FLAGS = 64

Key = tuple[int, int]  # job, attempt


@dataclass(slots=True)
class _Known:
    """What is known of one attempt; `since` is when each flag that is up began."""

    position: FilePosition | None
    looked_at: float
    newest: dict[int, Sample] = field(default_factory=dict[int, Sample])
    paces: Paces = field(default_factory=Paces)
    slow_told: set[int] = field(default_factory=set[int])
    since: dict[tuple[SignalKind, int, str], float] = field(default_factory=dict[tuple[SignalKind, int, str], float])
    signals: tuple[Signal, ...] = ()


class Sampled:
    """The newest samples of running attempts. After a restart it begins with the next ones."""

    def __init__(
        self,
        *,
        metrics: MetricsStore,
        place: Callable[[ActiveAttempt], Place],
        clock: Clock,
        every_s: Callable[[], float],
        idle_after_s: Callable[[], float],
        gpu_kind: Callable[[str], str],
        is_of_a_job: Callable[[int, int, int], bool],
    ) -> None:
        """`is_of_a_job`: whether a process on the host of a job's rank (job, rank, pid) is known as some job's."""
        self._metrics = metrics
        self._place = place
        self._clock = clock
        self._every_s = every_s
        self._idle_after_s = idle_after_s
        self._gpu_kind = gpu_kind
        self._is_of_a_job = is_of_a_job
        self._known: dict[Key, _Known] = {}

    async def take_in(self, attempt: ActiveAttempt) -> bool:
        """Take in what is new, not more often than there is anything; return whether what is so has changed."""
        key, uptime = (attempt.job_id, attempt.number), self._clock.uptime()
        known = self._known.get(key)
        if known is None:
            stored = await asyncio.to_thread(self._metrics.positions, *key)
            known = self._known[key] = _Known(position=stored.get(NAME), looked_at=uptime)
        elif uptime - known.looked_at < self._every_s():
            return False
        known.looked_at = uptime
        try:
            samples, slow = await asyncio.to_thread(self._read, attempt, known)
        except (UnavailableError, OSError) as error:
            logger.warning("samples were not taken in", extra={"job_id": attempt.job_id, "error": str(error)})
            return False
        known.newest |= {sample.rank: sample for sample in samples}
        before, known.signals = known.signals, self._signals(attempt, known)
        return slow is not None or before != known.signals

    def signals(self, job_id: int) -> tuple[Signal, ...]:
        """Return what is so now of a running job."""
        return next((known.signals for (one, _), known in self._known.items() if one == job_id), ())

    def newest(self) -> Mapping[tuple[int, int], Sample]:
        """Return the newest sample of each rank of each running job that is not too old to count, by job and rank."""
        oldest = self._clock.now() - _STALE_S
        return {
            (job_id, rank): sample
            for (job_id, _), known in self._known.items()
            for rank, sample in known.newest.items()
            if sample.t >= oldest
        }

    def forget(self, attempt: ActiveAttempt) -> None:
        """Keep no more of an attempt than its series."""
        self._known.pop((attempt.job_id, attempt.number), None)

    def _read(self, attempt: ActiveAttempt, known: _Known) -> tuple[list[Sample], SlowRank | None]:
        """Store what is new; return it, and a rank that is found to be slow now."""
        samples, position = read_samples(self._place(attempt).folder, known.position, attempt.rank_count)
        if position is None or position == known.position:
            return [], None
        soon = self._clock.now() + _CLOCKS_DIFFER_S
        samples = [sample for sample in samples if sample.t <= soon]  # one of the far future would stand for ever
        for sample in samples:
            known.paces.add(sample)
        slow = None if attempt.independent else known.paces.slow()
        slow = None if slow is None or slow.rank in known.slow_told else slow
        told = [] if slow is None else [_of_slow(slow, attempt, samples[-1].t if samples else self._clock.now())]
        batch = Batch(
            job_id=attempt.job_id,
            attempt=attempt.number,
            scalars=points(samples, attempt.first_started_at),
            before={} if known.position is None else {NAME: known.position},
            positions=(position,),
        )
        if not self._metrics.append_samples(batch, told):
            known.position = self._metrics.positions(attempt.job_id, attempt.number).get(NAME)
            return [], None
        known.position = position
        known.slow_told |= set() if slow is None else {slow.rank}
        return samples, slow

    def _signals(self, attempt: ActiveAttempt, known: _Known) -> tuple[Signal, ...]:
        oldest = self._clock.now() - _STALE_S
        there = {rank: sample for rank, sample in known.newest.items() if sample.t >= oldest}
        found: list[Flag] = []
        for rank, sample in there.items():
            found += flags(
                {rank: sample},
                workers=attempt.workers if attempt.gpus_per_worker else 0,
                gpu_kind=self._gpu_kind(attempt.partition),
                idle_after_s=self._idle_after_s(),
                is_ours=lambda one, rank=rank: self._is_known(attempt, rank, one),
            )
        up = {(flag.kind, flag.rank, flag.text): flag for flag in found[:_MOST_FLAGS]}
        known.since = {key: known.since.get(key, flag.since) for key, flag in up.items()}
        return tuple(_signal(replace(flag, since=known.since[key]), attempt) for key, flag in up.items())

    def _is_known(self, attempt: ActiveAttempt, rank: int, one: Stranger) -> bool:
        return self._is_of_a_job(attempt.job_id, rank, one.pid)


def _signal(flag: Flag, attempt: ActiveAttempt) -> Signal:
    return Signal(
        kind=flag.kind,
        attempt=attempt.number,
        rank=flag.rank,
        tag=flag.tag,
        step=max(0, int(flag.since - attempt.first_started_at)),
        wall_time=flag.since,
        text=f"{flag.text} since {moment(flag.since)}",
    )


def _of_slow(slow: SlowRank, attempt: ActiveAttempt, at: float) -> Signal:
    return Signal(
        kind=SignalKind.SLOW_RANK,
        attempt=attempt.number,
        rank=slow.rank,
        tag=OWN_SECONDS,
        step=max(0, int(at - attempt.first_started_at)),
        wall_time=at,
        text=slow.text,
    )
