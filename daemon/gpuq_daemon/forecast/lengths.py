"""How long jobs will run: drawn from what their users' earlier jobs made of their time limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from gpuq_daemon.forecast.packing import Run
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob

_DOUBT = 1.0  # runs of a kind that are as good as one draw from a wider one
_MOST = 60  # of a kind: the latest
_SHORTEST_S = 1.0
_LONGEST_S = 60 * 86_400.0
# What is believed before anybody has run anything: parts of the limit, and seconds where there is none.
_PARTS = (0.02, 0.1, 0.25, 0.5, 0.8, 1.0)
_SECONDS = (120.0, 600.0, 3600.0, 4 * 3600.0, 12 * 3600.0)

_Kind = tuple[str | None, str | None]


class Lengths:
    """Draws run times: of jobs of the same user and name, of the user, of everybody, or from belief.

    The fewer there are of a kind, the likelier the draw is from the next wider one.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        self._parts: dict[_Kind, list[float]] = {}
        self._seconds: dict[_Kind, list[float]] = {}
        for run in runs:  # the latest last
            job = run.job
            limit = job.time_limit_s
            known, value = (self._seconds, run.ran_s) if limit is None else (self._parts, min(1.0, run.ran_s / limit))
            for kind in _kinds(job.user, job.name):
                values = known.setdefault(kind, [])
                values.append(value)
                if len(values) > _MOST:
                    del values[0]

    def of(self, job: PendingJob, rng: Random) -> float:
        """Return how long a waiting job will run once it starts, after what it has run already."""
        limit = job.time_limit_s
        return self._drawn(job.user, job.name, None if limit is None else float(limit), job.past.ran_s, rng)

    def left(self, job: ActiveJob, now: float, rng: Random) -> float:
        """Return how long a running job will go on; one that has outlived its limit is about to end."""
        limit = None if job.until is None else job.until - job.started_at
        ran = job.past.ran_s + max(0.0, now - job.started_at)
        left = self._drawn(job.user, job.name, limit, ran, rng)
        return left if job.until is None else max(_SHORTEST_S, min(left, job.until - now))

    def _drawn(self, user: str, name: str, limit_s: float | None, ran_s: float, rng: Random) -> float:
        """Return what is left of a run time that is longer than `ran_s`."""
        known, believed = (self._seconds, _SECONDS) if limit_s is None else (self._parts, _PARTS)
        whole = 1.0 if limit_s is None else limit_s
        for kind in _kinds(user, name):
            likely = _longer(known.get(kind, ()), ran_s / whole)
            if likely and rng.random() < len(likely) / (len(likely) + _DOUBT):
                return _bounded(rng.choice(likely) * whole - ran_s)
        likely = _longer(believed, ran_s / whole)
        if likely:
            return _bounded(rng.choice(likely) * whole - ran_s)
        if limit_s is not None:
            return _bounded(rng.random() * limit_s)
        return _bounded(ran_s * (1.0 / max(rng.random(), 1e-3) - 1.0))  # what has run long runs as long again


def _kinds(user: str, name: str) -> tuple[_Kind, ...]:
    return (user, name), (user, None), (None, None)


def _longer(values: Sequence[float], ran: float) -> list[float]:
    return [value for value in values if value > ran]


def _bounded(seconds: float) -> float:
    return min(_LONGEST_S, max(_SHORTEST_S, seconds))
