"""Who will come meanwhile: what came in one of the days before, at the same time of the day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import exp
from random import Random

from gpuq_daemon.forecast.packing import Run
from gpuq_daemon.policy.snapshot import NO_PAST

_DAY_S = 86_400.0
_MOST_DAYS = 7
_LEAST = 10  # jobs before anything is taken for a habit
_LEAST_SPAN_S = 3600.0
_SHIFT_S = 1800.0


def arrivals(came: Sequence[Run], now: float, first_id: int, rng: Random) -> Iterator[Run]:
    """Go through jobs that come after `now`, in order and without end: those of days before, drawn one by one.

    `came` are jobs by submit, with the run times they had or may have. Of a day each job comes never, once or several
    times, as chance has it, and up to half an hour earlier or later: there are few days, and none comes again as it
    was. Where less than a day is known, all of it is taken from a random moment on, round and round. Too few jobs say
    nothing: then nobody comes.

    Source: the Poisson bootstrap.
    """
    recent = [one for one in came if now - _MOST_DAYS * _DAY_S <= one.job.submitted_at < now]
    span = now - recent[0].job.submitted_at if recent else 0.0
    if len(recent) < _LEAST or span < _LEAST_SPAN_S:
        return
    days = int(span / _DAY_S)
    block = _DAY_S if days else span
    begin, number = now, first_id
    while True:
        source = now - rng.randint(1, days) * _DAY_S if days else now - span
        turned = 0.0 if days else rng.random() * span
        block_jobs = sorted(
            ((one.job.submitted_at - source - turned + rng.uniform(-_SHIFT_S, _SHIFT_S)) % block, index)
            for index, one in enumerate(recent)
            if source <= one.job.submitted_at < source + block
            for _ in range(_times(rng))
        )
        for after, index in block_jobs:
            job = recent[index].job
            at = begin + after
            yield Run(
                job=replace(
                    job,
                    job_id=number,
                    submitted_at=at,
                    begin_at=None,
                    deadline=None,
                    dependencies=(),
                    reservation=None,
                    array_id=None,
                    array_index=None,
                    throttle=None,
                    hold=None,
                    is_top=False,
                    past=NO_PAST,
                ),
                ran_s=recent[index].ran_s,
            )
            number += 1
        begin += block


def _times(rng: Random) -> int:
    """Return how often something happens that happens once on average (Poisson)."""
    left, times = rng.random(), 0
    while (left := left * rng.random() if times else left) > exp(-1.0):
        times += 1
    return times
