"""Reads a snapshot, asks the policy, carries the plan out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from gpuq.models import Reason, Why
from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import Clock
from gpuq_daemon.policy.plan import plan
from gpuq_daemon.policy.reasons import explain
from gpuq_daemon.policy.snapshot import NodeView, Promise, Snapshot
from gpuq_daemon.store.jobs import JobStore

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 30.0


class Scheduler:
    """Decides who starts, whenever it is woken and at least every half minute."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        clock: Clock,
        bell: Bell,
        nodes: Callable[[], tuple[NodeView, ...]],
        down: Callable[[], Mapping[str, str]],
        new_token: Callable[[], str],
        started: Callable[[int], None],
    ) -> None:
        self._jobs = jobs
        self._clock = clock
        self._bell = bell
        self._nodes = nodes
        self._down = down
        self._new_token = new_token
        self._started = started
        self._woken = asyncio.Event()
        self._reasons: Mapping[int, Reason] = {}
        self._promises: Mapping[int, Promise] = {}

    def wake(self) -> None:
        """Ask for a pass as soon as the present one is over."""
        self._woken.set()

    def reason(self, job_id: int) -> Reason | None:
        """Return why the last pass left the job waiting, None if it has not seen it."""
        return self._reasons.get(job_id)

    def explain(self, job_id: int, gpu_kind: str) -> Why:
        """Return why the pending job waits, from the present state of things.

        Raises:
            KeyError: the job does not wait.
        """
        return explain(self.snapshot(), job_id, gpu_kind=gpu_kind)

    def snapshot(self) -> Snapshot:
        """Return what the policy would see now."""
        return Snapshot(
            now=self._clock.now(),
            nodes=self._nodes(),
            pending=self._jobs.pending(),
            active=self._jobs.active(),
            down=self._down(),
            promises=self._promises,
        )

    async def run(self) -> None:
        """Make a pass whenever woken, for ever."""
        while True:
            try:
                await self.pass_once()
            except Exception:
                logger.exception("the scheduling pass failed; the next one tries again")
            try:
                await asyncio.wait_for(self._woken.wait(), _LONGEST_PAUSE_S)
            except TimeoutError:
                continue

    async def pass_once(self) -> None:
        """Plan once, commit the starts, and hand each on to be launched."""
        self._woken.clear()
        decided = plan(self.snapshot())
        self._reasons = decided.reasons
        self._promises = decided.promises
        if not decided.starts:
            return
        with_tokens = [(start, self._new_token()) for start in decided.starts]
        for job_id in await self._jobs.start(with_tokens, now=self._clock.now()):
            logger.info("planned", extra={"job_id": job_id})
            self._started(job_id)
        self._bell.ring()
