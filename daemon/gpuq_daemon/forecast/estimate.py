"""When pending jobs will start: the middle and the late of many replays of the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite
from random import Random

from gpuq_daemon.forecast.arrivals import arrivals
from gpuq_daemon.forecast.lengths import Lengths
from gpuq_daemon.forecast.packing import Run
from gpuq_daemon.forecast.replay import Course, Replay, is_startable, waiting_again
from gpuq_daemon.policy.snapshot import ActiveJob, Snapshot

REPLAYS = 20
_LATE = 0.9
_GRACE_S = 60.0  # replays know no better when a pass comes that starts a job


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """When a job starts: as likely before `p50_at` as after, and in nine of ten cases by `p90_at`.

    None: not within the time that was looked at, or of that job nothing can be said. `past_runs` is how many jobs that
    have ended run times were judged by.
    """

    job_id: int
    p50_at: float | None
    p90_at: float | None
    past_runs: int = 0


def estimates(
    snapshot: Snapshot,
    runs: Sequence[Run],
    rng: Random,
    *,
    course: Course | None = None,
    replays: int = REPLAYS,
    each: Callable[[], Callable[[], bool]] = lambda: lambda: False,
) -> tuple[Estimate, ...]:
    """Return an estimate for every pending job that nobody holds, from `runs` of the past by submit.

    `each` is asked at the beginning of a replay, and its answer then whether that is to end: who has not started by
    then starts later than can be told.
    """
    lengths = lengths_of(runs)
    asked = [job.job_id for job in snapshot.pending if is_startable(job)]
    found: list[dict[int, float]] = []
    for _ in range(replays if asked else 0):
        replay = Replay(snapshot, lengths, coming(snapshot, runs, lengths, rng), rng, course)
        replay.run(each())
        found.append(replay.starts)
    if not found:
        return ()
    return tuple(
        _estimate(job_id, sorted(starts.get(job_id, inf) for starts in found), past_runs=len(runs)) for job_id in asked
    )


def lengths_of(runs: Sequence[Run]) -> Lengths:
    """Return what runs say of the next ones."""
    return Lengths(sorted(runs, key=lambda run: run.job.submitted_at + run.ran_s))


def coming(snapshot: Snapshot, runs: Sequence[Run], lengths: Lengths, rng: Random) -> Iterator[Run]:
    """Go through who comes after the snapshot, as came lately; of those that have not ended a run time is drawn."""
    waiting = (Run(job=job, ran_s=job.past.ran_s + lengths.of(job, rng)) for job in snapshot.pending)
    active = (_run_of(job, lengths, snapshot.now, rng) for job in snapshot.active if job.gang is not None)
    came = sorted((*runs, *waiting, *active), key=lambda run: run.job.submitted_at)
    first = 1 + max((job.job_id for job in (*(run.job for run in came), *snapshot.active)), default=0)
    return arrivals(came, snapshot.now, first, Random(rng.getrandbits(62)))


def _run_of(job: ActiveJob, lengths: Lengths, now: float, rng: Random) -> Run:
    """Return a running job as one that has ended: as it was queued, and how long it may run in all."""
    ran_s = job.past.ran_s + max(0.0, now - job.started_at)
    return Run(job=waiting_again(job, now), ran_s=ran_s + lengths.left(job, now, rng))


def _estimate(job_id: int, starts: list[float], *, past_runs: int) -> Estimate:
    p50_at, p90_at = _known(_quantile(starts, 0.5)), _known(_quantile(starts, _LATE) + _GRACE_S)
    return Estimate(job_id=job_id, p50_at=p50_at, p90_at=p90_at, past_runs=past_runs)


def _quantile(ordered: Sequence[float], part: float) -> float:
    """Return the value that the next one of the same kind is below with this chance, if there are enough of them.

    Source: the order statistic of rank ceil(p (n + 1)), as in conformal prediction.
    """
    return ordered[min(len(ordered), ceil(part * (len(ordered) + 1))) - 1]


def _known(at: float) -> float | None:
    return at if isfinite(at) else None
