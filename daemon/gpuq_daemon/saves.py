"""When running jobs last saved what they have done, from the checkpoints in their folders."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gpuq.errors import GpuqError
from gpuq_daemon.collectors.checkpoint_files import CheckpointFiles, is_checkpoint_file
from gpuq_daemon.files.door import Door
from gpuq_daemon.files.local import LocalFiles
from gpuq_daemon.places import Place
from gpuq_daemon.store.attempts import ActiveAttempt
from gpuq_daemon.store.jobs import JobStore

logger = logging.getLogger(__name__)

_EVERY_S = 20.0
_NEVER = 0.0  # before every start: all that the attempt has done would be lost


class Saves:
    """Looks every 20 seconds at the folders of those who may be stopped for others, while that `is_wanted`."""

    def __init__(
        self,
        jobs: JobStore,
        place: Callable[[ActiveAttempt], Place],
        door: Door,
        *,
        is_wanted: Callable[[], bool],
        saved: Callable[[int, float], None],
    ) -> None:
        self._jobs = jobs
        self._place = place
        self._door = door
        self._is_wanted = is_wanted
        self._saved = saved

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await asyncio.sleep(_EVERY_S)
            if not self._is_wanted():
                continue
            try:
                await self.look()
            except Exception:
                logger.exception("checkpoints could not be looked at")

    async def look(self) -> None:
        """Tell of every job that may be stopped when it was last saved; of one whose folder cannot be read nothing."""
        for job in self._jobs.active():
            if not job.is_preemptible:
                continue
            try:
                at = await self._last(job.job_id)
            except (GpuqError, OSError) as error:
                logger.debug("no checkpoints seen", extra={"job_id": job.job_id, "reason": str(error)})
                continue
            self._saved(job.job_id, _NEVER if at is None else at)

    async def _last(self, job_id: int) -> float | None:
        """Return when the job last saved, in its folder or where that is carried to; None where it never has."""
        place = self._place(self._jobs.active_attempt(job_id))
        at = await asyncio.to_thread(_newest, CheckpointFiles(LocalFiles(place.checkpoints, is_checkpoint_file)))
        uri = await asyncio.to_thread(place.carried_to)
        if at is not None or uri is None:
            return at
        there = self._door.files(f"{uri}/checkpoints", is_checkpoint_file)
        return await asyncio.wrap_future(self._door.lane(uri).submit(lambda: _newest(CheckpointFiles(there))))


def _newest(files: CheckpointFiles) -> float | None:
    return max((kept.saved_at_ns / 1e9 for kept in files.all()), default=None)
