"""The engines of the configuration: started, watched, repaired, and what they offer the scheduler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from gpuq.models import Node
from gpuq_daemon.backends.base import Engine, EngineError
from gpuq_daemon.policy.snapshot import NodeView

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0


class Engines:
    """What is known of every engine, without asking it anew: nodes, kind of GPU, and what is wrong with it."""

    def __init__(
        self, engines: Mapping[str, Engine], gpu_types: Mapping[str, str | None], *, changed: Callable[[], None]
    ) -> None:
        self._engines = engines
        self._gpu_types = gpu_types
        self._changed = changed
        self._nodes: dict[str, tuple[Node, ...]] = {}
        self._views: tuple[NodeView, ...] | None = None
        self._down: dict[str, str] = {}

    def nodes(self) -> tuple[Node, ...]:
        """Return all nodes; `free_gpus` is their capacity."""
        return tuple(
            replace(node, gpu_type=node.gpu_type or self._gpu_types.get(node.partition))
            for nodes in self._nodes.values()
            for node in nodes
        )

    def views(self) -> tuple[NodeView, ...]:
        """Return all nodes as the policy sees them: the same object while they are the same."""
        if self._views is None:
            self._views = self._viewed()
        return self._views

    def _viewed(self) -> tuple[NodeView, ...]:
        return tuple(
            NodeView(
                name=node.name,
                partition=node.partition,
                gpus=node.gpus,
                gpu_type=node.gpu_type or "",
                is_up=node.is_up,
            )
            for node in self.nodes()
        )

    def down(self) -> Mapping[str, str]:
        """Return the partitions that cannot start jobs now, each with the reason."""
        return self._down

    def gpu_kinds(self) -> Mapping[str, str]:
        """Return what a GPU slot is called, by partition."""
        return {name: nodes[0].gpu_kind for name, nodes in self._nodes.items() if nodes}

    async def start(self) -> None:
        """Start every engine, or find it again.

        Raises:
            EngineError: one cannot run; those that were started are stopped again.
        """
        try:
            for engine in self._engines.values():
                await asyncio.to_thread(engine.start)
                await self._look_at_nodes(engine)
        except BaseException:
            await self.stop()
            raise

    async def _look_at_nodes(self, engine: Engine) -> bool:
        """Take in an engine's nodes; return whether they are others, or otherwise, than before."""
        before, now = self._nodes.get(engine.partition), await asyncio.to_thread(engine.nodes)
        if before != now:
            self._nodes[engine.partition], self._views = now, None
        return before != now

    async def stop(self) -> None:
        """Stop every engine."""
        for engine in self._engines.values():
            await asyncio.to_thread(engine.stop)

    async def watch(self) -> None:
        """Look at every engine again and again, and start what has fallen over."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Look at every engine once."""
        for name, engine in self._engines.items():
            wrong = await asyncio.to_thread(engine.health)
            if wrong is not None:
                wrong = await self._repair(name, engine, wrong)
            if await self._look_at_nodes(engine):
                self._changed()
            if wrong != self._down.get(name):
                self._note(name, wrong)

    async def _repair(self, name: str, engine: Engine, wrong: str) -> str | None:
        if name not in self._down:  # it may last: once is enough
            logger.warning("the engine is not well; starting it again", extra={"partition": name, "why": wrong})
        try:
            await asyncio.to_thread(engine.start)
            return await asyncio.to_thread(engine.health)
        except (EngineError, OSError) as error:  # OSError: a full disk, say
            return str(error)

    def _note(self, name: str, wrong: str | None) -> None:
        if wrong is None:
            self._down.pop(name, None)
            logger.info("the engine is well", extra={"partition": name})
        else:
            self._down[name] = wrong
        self._changed()
