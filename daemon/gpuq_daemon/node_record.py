"""Keeps on record what nodes there are, with which GPUs, and whether jobs can have them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from gpuq.errors import GpuqError
from gpuq.models import Node
from gpuq_daemon.clock import Clock
from gpuq_daemon.policy.node_spans import Record, seen
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.nodes import NodeStore

logger = logging.getLogger(__name__)

_EVERY_S = 30.0


class NodeRecord:
    """Looks at all nodes again and again, and writes what has changed. What is shorter than a look is not seen."""

    def __init__(
        self, store: NodeStore, accounts: AccountStore, clock: Clock, *, nodes: Callable[[], Sequence[Node]]
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._nodes = nodes
        self._record = Record(store.now())
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now: somebody has changed how a node is."""
        self._woken.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                await self.look()
            except GpuqError as error:  # a full disk, say: it passes
                logger.warning("what nodes there are could not be recorded", extra={"error": str(error)})
                self._record = Record(self._store.now())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _EVERY_S)
            self._woken.clear()

    async def look(self) -> None:
        """Look once."""
        now = self._clock.now()
        are = seen(self._nodes(), self._accounts.drained(), self._accounts.reservations(), now)
        changed = self._record.look(are, now)
        if changed.began or changed.ended:
            await self._store.note(changed, now)
