"""What a simulation came to, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from gpuq_daemon.simulate.course import Ended
from gpuq_daemon.simulate.meter import Fairness

HOUR_S = 3600.0
_LEAST_S = 600.0  # shorter jobs count as this long in a slowdown, or seconds would decide it
SIZES = ((1, 1), (2, 7), (8, 8), (9, 15), (16, None))
LARGE_GPUS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BySize:
    """Waits of jobs with so many GPUs: how many they are, the average and the longest, in hours."""

    gpus: str
    jobs: int
    wait_h: float
    longest_wait_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PassTime:
    """What passes took while at least `waiting` jobs waited: how many, milliseconds on average and at most."""

    waiting: int
    passes: int
    ms: float
    longest_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of one policy on one trace. Times are hours; `_part` is of 1.

    JCT is from submit to end; a wait is all time in between that it did not run. Slowdowns are JCT over run time,
    jobs shorter than 10 minutes counting as that long. Shares are over weeks and accounts, see `meter.Fairness`.
    `unplaced` are jobs that no node could hold, which are left out, or that had not ended.
    """

    policy: str
    knows: str
    jobs: int
    unplaced: int
    jct_h: float
    jct_p50_h: float
    jct_p95_h: float
    slowdown: float
    slowdown_p95: float
    wait_h: float
    longest_wait_h: float
    large_wait_h: float
    by_size: tuple[BySize, ...]
    busy_part: float
    deviation_part: float
    under_part: float
    worst_week_part: float
    weeks_part: tuple[float, ...]
    jain: float
    preemptions_per_job: float
    most_preemptions: int
    lost_gpu_h: float
    lost_part: float
    passes: int
    pass_ms: float
    pass_times: tuple[PassTime, ...]
    took_s: float


def summary(
    policy: str,
    ended: Sequence[Ended],
    fairness: Fairness,
    pass_s: Sequence[tuple[int, float]],
    *,
    knows: str = "",
    unplaced: int = 0,
    took_s: float = 0.0,
) -> Summary:
    """Return the figures of a course."""
    jct = sorted(one.jct_s / HOUR_S for one in ended)
    waits = [one.wait_s / HOUR_S for one in ended]
    slowdowns = sorted(max(1.0, one.jct_s / max(one.job.duration_s, _LEAST_S)) for one in ended)
    large = [one.wait_s / HOUR_S for one in ended if one.job.gpus >= LARGE_GPUS]
    ran = sum(one.ran_s * one.job.gpus for one in ended)
    lost = sum(one.lost_s * one.job.gpus for one in ended)
    return Summary(
        policy=policy,
        knows=knows,
        jobs=len(ended),
        unplaced=unplaced,
        jct_h=_mean(jct),
        jct_p50_h=at_part(jct, 0.5),
        jct_p95_h=at_part(jct, 0.95),
        slowdown=_mean(slowdowns),
        slowdown_p95=at_part(slowdowns, 0.95),
        wait_h=_mean(waits),
        longest_wait_h=max(waits, default=0.0),
        large_wait_h=_mean(large),
        by_size=tuple(_by_size(ended)),
        busy_part=fairness.busy,
        deviation_part=fairness.deviation,
        under_part=fairness.under,
        worst_week_part=fairness.worst_week,
        weeks_part=fairness.weeks,
        jain=fairness.jain,
        preemptions_per_job=_mean([float(one.preempted) for one in ended]),
        most_preemptions=max((one.preempted for one in ended), default=0),
        lost_gpu_h=lost / HOUR_S,
        lost_part=lost / ran if ran else 0.0,
        passes=len(pass_s),
        pass_ms=1000 * _mean([seconds for _, seconds in pass_s]),
        pass_times=tuple(_pass_times(pass_s)),
        took_s=took_s,
    )


def at_part(ordered: Sequence[float], part: float) -> float:
    """Return the smallest value that so large a part does not exceed; 0 of nothing."""
    return ordered[max(0, ceil(part * len(ordered)) - 1)] if ordered else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _by_size(ended: Sequence[Ended]) -> list[BySize]:
    found: list[BySize] = []
    for least, most in SIZES:
        waits = [
            one.wait_s / HOUR_S for one in ended if one.job.gpus >= least and (most is None or one.job.gpus <= most)
        ]
        name = f"{least}+" if most is None else str(least) if most == least else f"{least}-{most}"
        if waits:
            found.append(BySize(gpus=name, jobs=len(waits), wait_h=_mean(waits), longest_wait_h=max(waits)))
    return found


def _pass_times(pass_s: Sequence[tuple[int, float]]) -> list[PassTime]:
    found: list[PassTime] = []
    bounds = (0, 10, 100, 1000, 10_000, 100_000)
    for least, most in zip(bounds, (*bounds[1:], None), strict=True):
        some = [1000 * seconds for waiting, seconds in pass_s if waiting >= least and (most is None or waiting < most)]
        if some:
            found.append(PassTime(waiting=least, passes=len(some), ms=_mean(some), longest_ms=max(some)))
    return found
