"""The flight recorder: passes that decide something go on record, to be looked at and decided again."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import msgspec

from gpuq.errors import GpuqError
from gpuq_daemon.clock import Clock
from gpuq_daemon.forecast.packing import Scene, packed
from gpuq_daemon.forecast.record import decided_of, difference, small
from gpuq_daemon.policy.snapshot import Plan
from gpuq_daemon.policy.tiers.settings import NO_STATE, TierState
from gpuq_daemon.store.passes import PassStore

logger = logging.getLogger(__name__)

_MOST_WAITING = 64
_MOST_CHANGES = 200  # after a whole scene: that many have to be gone through to see the last one
_SOON_S = 10.0  # a pass that decides nothing is on record if there was none for so long
_TRIM_EVERY_S = 600.0
_KEEP_EVERY_S = 30.0
_LEDGER = "ledger"


class Recorder:
    """Is told passes as they are made and writes them down in its own time; what comes too fast is left out."""

    def __init__(self, passes: PassStore, clock: Clock, *, days: Callable[[], float], mib: Callable[[], int]) -> None:
        self._passes = passes
        self._clock = clock
        self._days = days
        self._mib = mib
        self._waiting: deque[tuple[Scene, Plan]] = deque()
        self._woken = asyncio.Event()
        self._last: tuple[int, Scene] | None = None
        self._changes = 0
        self._noted_at = -_SOON_S
        self._trimmed_at = -_TRIM_EVERY_S
        self._tiers = NO_STATE
        self._kept_at = -_KEEP_EVERY_S
        self.left_out = 0

    def tiers(self) -> TierState:
        """Return what accounts were owed when that was last kept; what cannot be read is nothing."""
        value = self._passes.kept(_LEDGER)
        try:
            return NO_STATE if value is None else msgspec.msgpack.decode(value, type=TierState)
        except msgspec.MsgspecError:
            logger.warning("what accounts are owed cannot be read: it begins anew")
            return NO_STATE

    async def keep_ledger(self) -> None:
        """Keep what accounts are owed, so that a restart does not forget it."""
        tiers, self._kept_at = self._tiers, self._clock.uptime()
        if tiers.at is not None:
            await self._passes.keep(_LEDGER, packed(replace(tiers, owed=dict(tiers.owed))))

    def wants(self, plan: Plan) -> bool:
        """Return whether a pass that decided this goes on record."""
        self._tiers = plan.tiers
        if self._clock.uptime() - self._kept_at >= _KEEP_EVERY_S:
            self._woken.set()
        if not self._days() or not self._mib():
            return False
        is_decisive = bool(plan.starts or plan.preemptions or plan.expired)
        return is_decisive or self._clock.uptime() - self._noted_at >= _SOON_S

    def saw(self, scene: Scene, plan: Plan) -> None:
        """Take note of a pass: what it saw, and what came of it."""
        if len(self._waiting) >= _MOST_WAITING:
            self.left_out += 1
            return
        self._noted_at = self._clock.uptime()
        self._waiting.append((scene, plan))
        self._woken.set()

    async def run(self) -> None:
        """Write down what was seen, for ever."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting or self._clock.uptime() - self._kept_at >= _KEEP_EVERY_S:
                try:
                    if self._waiting:
                        await self.write_next()
                    else:
                        await self.keep_ledger()
                except GpuqError as error:
                    self._last = None
                    logger.warning("a pass is not on record", extra={"reason": str(error)})
                except Exception:
                    self._last = None
                    logger.exception("a pass is not on record")

    async def write_next(self) -> None:
        """Write down the pass that was seen first."""
        scene, plan = self._waiting.popleft()
        last = self._last if self._changes < _MOST_CHANGES else None
        what, base = await asyncio.to_thread(_as_bytes, scene, last)
        decided = await asyncio.to_thread(small, decided_of(plan))
        number = await self._passes.add(scene.snapshot.now, what, decided, base=base)
        self._last = (number, scene)
        self._changes = 0 if base is None else self._changes + 1
        if self._clock.uptime() - self._trimmed_at >= _TRIM_EVERY_S or self._passes.size > self._mib() * 2**20:
            self._trimmed_at = self._clock.uptime()
            oldest = self._clock.now() - self._days() * 86_400.0
            await self._passes.trim(before=oldest, most_bytes=self._mib() * 2**20)


def _as_bytes(scene: Scene, last: tuple[int, Scene] | None) -> tuple[bytes, int | None]:
    """Return a scene, and the number of the pass that it is a difference to; None: it is whole."""
    change = None if last is None else difference(last[1], scene)
    if last is None or change is None:
        return small(scene), None
    return small(change), last[0]
