"""Questions about what was, answered from the record of passes by the process beside gpuqd."""

from __future__ import annotations

import asyncio

from gpuq.errors import NotFoundError, UsageError
from gpuq.models import Why
from gpuq_daemon.aside import Aside
from gpuq_daemon.forecast.questions import Again, Explained, Past, QueueThen, Redecided, WhyThen
from gpuq_daemon.forecast.then import Then
from gpuq_daemon.policy.reasons import clock
from gpuq_daemon.store.passes import PassStore


class RecordReading:
    """Looks at the last pass on record up to a moment.

    Raises:
        NotFoundError: there is none, or the job was not there.
        UnavailableError: the record cannot be read.
    """

    def __init__(self, aside: Aside, passes: PassStore) -> None:
        self._aside = aside
        self._passes = passes

    async def again(self, at: float, policy: str | None) -> Redecided:
        """Return what a pass decided, and what it decides again, or another policy would have.

        Raises:
            UsageError: there is no such policy.
        """
        found = await self._aside.ask(Again(await self._past(at), policy), Redecided)
        if found.refusal is not None:
            raise UsageError(found.refusal)
        return found

    async def queue(self, at: float) -> Then:
        """Return the queue as it was."""
        return await self._aside.ask(QueueThen(await self._past(at)), Then)

    async def why(self, at: float, job_id: int, gpu_kind: str) -> Why:
        """Return why a job did not start then."""
        found = await self._aside.ask(WhyThen(await self._past(at), job_id, gpu_kind), Explained)
        if found.why is None:
            raise NotFoundError(found.missing or "The job was not there.")
        return found.why

    async def _past(self, at: float) -> Past:
        found = await asyncio.to_thread(self._passes.at, at)
        if found is None:
            raise NotFoundError(f"Of {clock(at)} nothing is on record: `record_days` and `record_mib` bound it.")
        return Past(whole=found.whole, changes=found.changes, decided=found.decided)
