"""Asks the site's program about each node, again and again, and takes out the nodes that are not well."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from gpuq.errors import GpuqError
from gpuq.models import Node
from gpuq.sharing import Drain
from gpuq.text import fit
from gpuq_daemon.clock import Clock
from gpuq_daemon.config import Config
from gpuq_daemon.hooks.program import HookBrokenError, HookError, run
from gpuq_daemon.policy.utilisation import HEALTH_CHECK
from gpuq_daemon.store.accounts import AccountStore

logger = logging.getLogger(__name__)

_LONGEST_REASON = 200
_IDLE_S = 5.0


class NodeChecks:
    """The health check. A node that an operator has drained is left alone."""

    def __init__(
        self,
        config: Config,
        accounts: AccountStore,
        clock: Clock,
        *,
        nodes: Callable[[], Sequence[Node]],
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called when a node has been taken out or is in use again."""
        self._config = config
        self._accounts = accounts
        self._clock = clock
        self._nodes = nodes
        self._changed = changed

    async def run(self) -> None:
        """Look at all nodes every so often, for ever, if there is a program."""
        while True:
            hook = self._config.hooks.health_check
            if hook.path is None:
                await asyncio.sleep(_IDLE_S)  # a reload may bring one
                continue
            try:
                await self.look()
            except Exception:
                logger.exception("the health of nodes could not be looked at")
            await asyncio.sleep(hook.every_s)

    async def look(self) -> None:
        """Ask about every node that is up, one after the other."""
        for node in self._nodes():
            if node.is_up:
                await self._look(node)

    async def _look(self, node: Node) -> None:
        hook = self._config.hooks.health_check
        try:
            await run("health check", hook, self._words(node))
        except HookBrokenError as error:  # it says nothing of the node: a typing error must not empty the cluster
            logger.warning("nodes are not checked", extra={"why": str(error)})
            return
        except HookError as error:
            await self._take_out(node.name, str(error))
            return
        drain = self._drain_of(node.name)
        if hook.resume and drain is not None and drain.by_user == HEALTH_CHECK:
            logger.info("a node is well again", extra={"node": node.name, "was": drain.reason})
            await self._accounts.resume(node.name)
            self._changed()

    async def _take_out(self, node: str, reason: str) -> None:
        before = self._drain_of(node)
        reason = fit(reason.removeprefix("The "), _LONGEST_REASON)
        if before is not None and (before.by_user != HEALTH_CHECK or before.reason == reason):
            return
        logger.warning("a node is not well", extra={"node": node, "why": reason})
        try:
            await self._accounts.drain(Drain(node=node, reason=reason, since=self._clock.now(), by_user=HEALTH_CHECK))
        except GpuqError as error:
            logger.warning("a node could not be taken out", extra={"node": node, "error": str(error)})
            return
        self._changed()

    def _drain_of(self, node: str) -> Drain | None:
        return next((drain for drain in self._accounts.drained() if drain.node == node), None)

    def _words(self, node: Node) -> dict[str, str]:
        return {
            "GPUQ_CLUSTER_NAME": self._config.cluster_name,
            "GPUQ_NODE_NAME": node.name,
            "GPUQ_NODE_HOST": node.host,
            "GPUQ_NODE_PARTITION": node.partition,
            "GPUQ_NODE_GPUS": str(node.gpus),
            "GPUQ_NODE_JOBS": ",".join(map(str, node.job_ids)),
        }
