"""Traces out of thin air: a mix of many short jobs and few long ones, in bursts by day and by account."""

from __future__ import annotations

import random
from math import cos, exp, pi

from gpuq_daemon.simulate.trace import TraceJob, from_zero

_SIZES = (1, 1, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 16, 32)
_DAY_S = 86_400.0
_SHORTEST_S, _LONGEST_S = 30.0, 14 * _DAY_S


def synthetic(
    count: int, rng: random.Random, *, gpus: int = 560, load: float = 0.95, accounts: int = 6, users: int = 4
) -> list[TraceJob]:
    """Return `count` jobs that ask for `load` of so many GPUs on average.

    Lengths are log-normal (median 20 minutes), so that few jobs are most of the work; larger gangs run longer. By
    night fewer arrive. Accounts differ in how much they want. Limits are what people guess: 1.2 to 10 times too long.
    """
    drawn = [_size_and_length(rng, gpus) for _ in range(count)]
    work = sum(size * length for size, length in drawn)
    span_s = work / (gpus * load)
    wants = [rng.uniform(0.3, 2.0) for _ in range(accounts)]
    jobs: list[TraceJob] = []
    for size, length in drawn:
        account = rng.choices(range(accounts), wants)[0]
        jobs.append(
            TraceJob(
                submit_s=_arrival(rng, span_s),
                duration_s=length,
                gpus=size,
                user=f"user{account}{rng.randrange(users)}",
                account=f"team{account}",
                limit_s=int(length * rng.choice((1.2, 2.0, 4.0, 10.0))) + 60,
            )
        )
    return from_zero(jobs)


def _size_and_length(rng: random.Random, gpus: int) -> tuple[int, float]:
    size = min(rng.choice(_SIZES), gpus)
    length = 1200.0 * exp(rng.gauss(0.0, 1.8)) * size**0.3
    return size, round(min(_LONGEST_S, max(_SHORTEST_S, length)), 1)


def _arrival(rng: random.Random, span_s: float) -> float:
    while True:
        at = rng.uniform(0.0, span_s)
        busy = 0.6 - 0.4 * cos(2 * pi * at / _DAY_S)  # 0.2 at midnight, 1 at noon
        if rng.random() < busy:
            return round(at, 1)
