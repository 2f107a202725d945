"""The site's programs beside ranks: what runs there, and what becomes of a node where one failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from gpuq.errors import GpuqError
from gpuq.models import Signal, SignalKind
from gpuq.sharing import Drain
from gpuq.text import clean, fit
from gpuq_daemon.clock import Clock
from gpuq_daemon.hook_tables import HooksTable, NodeHookTable
from gpuq_daemon.policy.lifecycle import Unfit
from gpuq_daemon.policy.utilisation import NODE_HOOK
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.attempts import ActiveAttempt
from gpuq_job.node_hooks import NodeHook

logger = logging.getLogger(__name__)

_LONGEST_REASON = 200
_KINDS = {"health": SignalKind.PROLOG, "prolog": SignalKind.PROLOG, "epilog": SignalKind.EPILOG}
MOST_TRIES = 3
"""So often a job starts whose prolog fails on its nodes, beside its own retries: each time elsewhere."""
_PART_OUT = 4


def node_hooks(hooks: HooksTable) -> tuple[NodeHook, ...]:
    """Return what is to run beside each rank."""
    tables: dict[str, NodeHookTable] = {
        "health": hooks.node_health, "prolog": hooks.node_prolog, "epilog": hooks.node_epilog,
    }  # fmt: skip
    return tuple(
        NodeHook(name=name, path=table.path, timeout_s=table.timeout_s)
        for name, table in tables.items()
        if table.path is not None
    )


def tries_left(retries_left: int, number: int, *, was_unfit: bool) -> int:
    """Return how often a job may be tried again after its attempt `number`, whose nodes may have been unfit for it.

    `retries_left` are its own, below 0 where it was tried again more often than it asked for, since nodes were unfit.
    """
    return max(1, retries_left) if was_unfit and number < MOST_TRIES else retries_left


class UnfitNodes:
    """Takes out nodes on which a program of the site's failed. `tell` keeps what is wrong with a job; it may block.

    A job's owner can make his ranks say so: that is heard only of programs that there are, of nodes that the job holds,
    and for a quarter of all nodes at a time. So neither a liar nor a typing error in a program empties a cluster.
    """

    def __init__(
        self,
        hooks: Callable[[], HooksTable],
        accounts: AccountStore,
        clock: Clock,
        *,
        node_count: Callable[[], int],
        tell: Callable[[int, Signal], None],
        changed: Callable[[], None],
    ) -> None:
        self._hooks = hooks
        self._accounts = accounts
        self._clock = clock
        self._node_count = node_count
        self._tell = tell
        self._changed = changed

    async def take_out(self, attempt: ActiveAttempt, held: Collection[str], node: str | None, unfit: Unfit) -> None:
        """Drain a node, if it is one of those that an attempt holds; one that is drained already is left alone."""
        if all(hook.name != unfit.hook for hook in node_hooks(self._hooks())):
            logger.warning("a job tells of a program that there is not", extra={"job_id": attempt.job_id})
            return
        node = node if node in held else None
        text = clean(unfit.text)
        where = "" if node is None else f" on {node}"
        logger.warning("a node is not fit", extra={"job_id": attempt.job_id, "node": node, "why": text})
        kind, at = _KINDS[unfit.hook], self._clock.now()
        self._tell(
            attempt.job_id,
            Signal(
                kind=kind, attempt=attempt.number, rank=unfit.rank, tag=kind.value, step=0, wall_time=at,
                text=fit(f"{text.rstrip('.')}{where}.", 2 * _LONGEST_REASON),
            ),
        )  # fmt: skip
        drains = self._accounts.drained()
        if node is None or any(drain.node == node for drain in drains):
            return
        if sum(drain.by_user == NODE_HOOK for drain in drains) >= max(1, self._node_count() // _PART_OUT):
            logger.warning("a node is not taken out: jobs have told of too many", extra={"node": node})
            return
        reason = fit(f"job {attempt.job_id}: {text.removeprefix('The ')}", _LONGEST_REASON)
        try:
            await self._accounts.drain(Drain(node=node, reason=reason, since=at, by_user=NODE_HOOK))
        except GpuqError as error:
            logger.warning("a node could not be taken out", extra={"node": node, "error": str(error)})
            return
        self._changed()
