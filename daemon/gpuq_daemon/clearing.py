"""Starts that wait until those have gone who were stopped for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.snapshot import ActiveJob, Plan, Start
from gpuq_daemon.policy.starting import begun
from gpuq_daemon.policy.tiers.engine import TieredEngine


class Clearing:
    """What is kept for whom, and who has to go first. A job that changes, or goes itself, loses what is kept for it.

    It is not kept over a restart of gpuqd: those that were stopped go all the same, and the next pass decides anew.
    """

    def __init__(self) -> None:
        self._starts: dict[int, Start] = {}
        self._leaving: dict[int, set[int]] = {}

    def split(self, plan: Plan) -> tuple[tuple[Start, ...], dict[int, set[int]]]:
        """Return a plan's starts that need wait for nobody, and for the others who has to go first."""
        leaving: dict[int, set[int]] = {}
        for one in plan.preemptions:
            leaving.setdefault(one.for_job, set()).add(one.job_id)
        # Who is moved waits again, and comes to its new place in turn.
        return tuple(start for start in plan.starts if start.job_id not in leaving), leaving

    def keep(self, engine: Engine, start: Start, leaving: Iterable[int], now: float) -> None:
        """Keep what a start needs while these have not gone."""
        if isinstance(engine, TieredEngine) and engine.is_pending(start.job_id):
            self._starts[start.job_id] = start
            self._leaving[start.job_id] = set(leaving)
            engine.reserve(begun(engine.pending(start.job_id), start, now))

    def gone(self, job_id: int) -> None:
        """Note that a job holds nothing any more."""
        for leaving in self._leaving.values():
            leaving.discard(job_id)

    def drop(self, engine: Engine, job_id: int) -> None:
        """Keep nothing for a job any more."""
        self._starts.pop(job_id, None)
        self._leaving.pop(job_id, None)
        if isinstance(engine, TieredEngine):
            engine.unreserve(job_id)

    def due(self, engine: Engine) -> tuple[Start, ...]:
        """Return the starts that nothing is in the way of any more; what was kept for them is free for them now."""
        ready = [job_id for job_id, leaving in self._leaving.items() if not leaving and self._may(engine, job_id)]
        starts = [self._starts[job_id] for job_id in ready]
        for job_id in ready:
            self.drop(engine, job_id)
        return tuple(start for start in starts if engine.is_pending(start.job_id))

    def _may(self, engine: Engine, job_id: int) -> bool:
        """Return whether the partition starts anything now; of a job that is gone nothing is kept any longer."""
        return not engine.is_pending(job_id) or engine.view().stopped(engine.pending(job_id).partition) is None

    def restore(self, engine: Engine, active: Mapping[int, ActiveJob], now: float) -> None:
        """Keep all this in an engine that has read everything anew."""
        for job_id, start in list(self._starts.items()):
            leaving = {other for other in self._leaving[job_id] if other in active}
            self.drop(engine, job_id)
            self.keep(engine, start, leaving, now)
