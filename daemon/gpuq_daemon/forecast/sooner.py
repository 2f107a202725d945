"""What would let a job start sooner: each way is tried by the policy on the snapshot with the job so changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import median

from gpuq.models import Way
from gpuq.units import duration
from gpuq_daemon.forecast.estimate import coming, lengths_of
from gpuq_daemon.forecast.lengths import Lengths
from gpuq_daemon.forecast.packing import Run
from gpuq_daemon.forecast.replay import Course, Replay
from gpuq_daemon.policy.making import engine_for
from gpuq_daemon.policy.room import Room
from gpuq_daemon.policy.snapshot import PendingJob, Snapshot
from gpuq_daemon.policy.spots import is_possible

_REPLAYS = 5
_SOONER = 0.9  # of the wait, at most: anything more is not worth a word
_SOONER_S = 60.0
_MOST_LIMITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """When a job starts if it is changed so; `words` are options of `gpuq enqueue`."""

    words: str
    job: PendingJob
    is_now: bool
    start_at: float | None
    ran_s: float


def sooner(
    snapshot: Snapshot,
    job_id: int,
    runs: Sequence[Run],
    seed: int,
    *,
    course: Course | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> tuple[Way, ...]:
    """Return how the job would start as it is, and every change of it that has it start sooner; the soonest first.

    Empty where it does not wait, or nothing could be tried in time.
    """
    job = next((one for one in snapshot.pending if one.job_id == job_id), None)
    if job is None:
        return ()
    lengths = lengths_of(runs)
    trial = _Trial(snapshot, lengths, runs, seed, course, enough)
    as_it_is = trial.of("", job)
    if as_it_is is None:
        return ()
    found = [one for words, changed in _changes(snapshot, job, runs) if (one := trial.of(words, changed)) is not None]
    worth = [one for one in found if _is_sooner(one, as_it_is, snapshot.now)]
    worth.sort(key=lambda one: (one.start_at is None, one.start_at, one.words))
    speeds = _speeds(job, runs)
    return tuple(_told(one, speeds) for one in (as_it_is, *worth))


def anchored(ways: Sequence[Way], at: float | None, now: float) -> tuple[Way, ...]:
    """Return ways with the first, the job as it is, starting when it is estimated to, and the others in proportion.

    They come of fewer replays than the estimate, which is told beside them: one job has one start.
    """
    if not ways or at is None or ways[0].is_now or ways[0].start_at is None or ways[0].start_at <= now:
        return tuple(ways)
    stretch = max(0.0, at - now) / (ways[0].start_at - now)
    return tuple(way if way.is_now or way.start_at is None else _moved(way, stretch, now) for way in ways)


def _moved(way: Way, stretch: float, now: float) -> Way:
    assert way.start_at is not None
    start_at = now + stretch * (way.start_at - now)
    return replace(way, start_at=start_at, end_at=None if way.end_at is None else way.end_at + start_at - way.start_at)


class _Trial:
    """Tries a job in many shapes on the same world: the same run times, the same who come."""

    def __init__(
        self,
        snapshot: Snapshot,
        lengths: Lengths,
        runs: Sequence[Run],
        seed: int,
        course: Course | None,
        enough: Callable[[], bool],
    ) -> None:
        self._snapshot = snapshot
        self._lengths = lengths
        self._runs = runs
        self._seed = seed
        self._course = course
        self._enough = enough
        self._room = Room(snapshot.nodes, billing=snapshot.rules.billing, reservations=snapshot.reservations)

    def of(self, words: str, job: PendingJob) -> Tried | None:
        """Return when a job starts, None if there was no time to find that out, or it never could."""
        if self._enough() or not is_possible(self._room, job.partition, job.gang, job.reservation):
            return None
        there = self._with(job)
        plan = engine_for(there).plan(there.now)
        ran_s = median(self._lengths.of(job, Random(self._seed + i)) for i in range(_REPLAYS))
        if any(start.job_id == job.job_id for start in plan.starts):
            return Tried(words=words, job=job, is_now=True, start_at=there.now, ran_s=ran_s)
        starts: list[float] = []
        for i in range(_REPLAYS):
            rng = Random(self._seed + i)
            come = coming(self._snapshot, self._runs, self._lengths, Random(self._seed - i))
            replay = Replay(there, self._lengths, come, rng, self._course)
            if not replay.run(self._enough, until=lambda replay=replay: job.job_id in replay.starts):
                return None
            starts.append(replay.starts.get(job.job_id, float("inf")))
        at = sorted(starts)[len(starts) // 2]
        return Tried(words=words, job=job, is_now=False, start_at=None if at == float("inf") else at, ran_s=ran_s)

    def _with(self, job: PendingJob) -> Snapshot:
        pending = tuple(job if one.job_id == job.job_id else one for one in self._snapshot.pending)
        # A promise was made to the job as it is: changed, it has to find its place anew.
        promises = {
            i: one for i, one in self._snapshot.promises.items() if i != job.job_id or job in self._snapshot.pending
        }
        return replace(self._snapshot, pending=pending, promises=promises)


def _changes(snapshot: Snapshot, job: PendingJob, runs: Sequence[Run]) -> Iterator[tuple[str, PendingJob]]:
    gang = job.gang
    if gang.nodes is None and job.array_id is None:
        workers = gang.workers // 2
        while workers >= 1:
            yield f"--workers {workers}", replace(job, gang=replace(gang, workers=workers))
            workers //= 2
        each = gang.gpus_per_worker // 2
        while gang.workers == 1 and each >= 1:
            yield f"--gpus-per-worker {each}", replace(job, gang=replace(gang, gpus_per_worker=each))
            each //= 2
    for limit_s in _limits(job, runs):
        yield f"--time {duration(limit_s)}", replace(job, time_limit_s=limit_s)
    models = sorted({node.gpu_type for node in snapshot.nodes if node.partition == job.partition and node.gpu_type})
    for model in models if gang.gpu_type is not None else ():
        if not gang.takes(model):
            yield f"--gpu-type {model}", replace(job, gang=replace(gang, gpu_type=model))
    for partition in sorted({node.partition for node in snapshot.nodes} - {job.partition}):
        if job.reservation is None:
            yield f"--partition {partition}", replace(job, partition=partition)
    mine = snapshot.rules.qos.get(job.qos)
    line = set(snapshot.rules.limits.line(job.account))
    for name, qos in sorted(snapshot.rules.qos.items()):
        is_higher = qos.priority > (0 if mine is None else mine.priority)
        if name != job.qos and is_higher and (not qos.accounts or not line.isdisjoint(qos.accounts)):
            yield f"--qos {name}", replace(job, qos=name)


def _limits(job: PendingJob, runs: Sequence[Run]) -> list[int]:
    """Return shorter limits: half and a quarter, and what the user's jobs of this name have kept to."""
    past = [run.ran_s for run in runs if (run.job.user, run.job.name) == (job.user, job.name)]
    limit = job.time_limit_s
    guesses = [limit // 2, limit // 4] if limit is not None else [86_400, 4 * 3600] if not past else []
    kept = [int(1.2 * max(past) / 60 + 1) * 60] if past else []
    least = max(60.0, max(past, default=0.0))
    return [one for one in dict.fromkeys((*kept, *guesses)) if one >= least and (limit is None or one < limit)][
        :_MOST_LIMITS
    ]


def _is_sooner(one: Tried, other: Tried, now: float) -> bool:
    if one.start_at is None:
        return False
    if other.start_at is None:
        return True
    return one.start_at < other.start_at - _SOONER_S and one.start_at - now <= _SOONER * (other.start_at - now)


def _speeds(job: PendingJob, runs: Sequence[Run]) -> dict[str, float]:
    """Return the middle run time of the user's jobs of this name, by the GPU model that they asked for."""
    found: dict[str, list[float]] = {}
    for run in runs:
        model = run.job.gang.gpu_type
        if model is not None and (run.job.user, run.job.name, run.job.gpus) == (job.user, job.name, job.gpus):
            found.setdefault(model, []).append(run.ran_s)
    return {model: median(values) for model, values in found.items()}


def _told(one: Tried, speeds: dict[str, float]) -> Way:
    ran_s = speeds.get(one.job.gang.gpu_type or "", one.ran_s)
    if one.job.time_limit_s is not None:
        ran_s = min(ran_s, one.job.time_limit_s)
    ends = None if one.start_at is None else one.start_at + ran_s
    return Way(words=one.words, is_now=one.is_now, start_at=one.start_at, end_at=ends)
