"""Removes what has ended longer ago than the configuration keeps it, a little at a time beside everything else.

A job's rows go first, in one transaction that adds what it was charged to the sums by day and notes that its points
and files are to go; these follow, however often gpuqd is killed meanwhile. Checkpoints stay: they are what the training
was for, and their owner's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from gpuq.errors import UnavailableError
from gpuq_daemon.clock import Clock
from gpuq_daemon.config import Config
from gpuq_daemon.files.door import HDFS, Door, path_of
from gpuq_daemon.files.found import FilesError
from gpuq_daemon.places import place_of
from gpuq_daemon.policy import sure_time
from gpuq_daemon.policy.usage import period_start
from gpuq_daemon.removal import Progress, remove_some
from gpuq_daemon.store.metrics import MetricsStore
from gpuq_daemon.store.retention import BEGINNING, Ended, RetentionStore, What

logger = logging.getLogger(__name__)

_DAY_S = 86_400.0
_EVERY_S = 600.0
_AT_A_TIME = 50
_PAUSE_S = 0.2

Pause = Callable[[], Awaitable[None]]


async def _pause() -> None:
    await asyncio.sleep(_PAUSE_S)


class Retention:
    """Makes a round every ten minutes, and at once when settings have changed. `pause` is waited between steps."""

    def __init__(
        self,
        config: Config,
        store: RetentionStore,
        metrics: MetricsStore,
        clock: Clock,
        door: Door,
        *,
        pause: Pause = _pause,
    ) -> None:
        self._door = door
        self._config = config
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._pause = pause
        self._sure: sure_time.SureTime | None = None
        self._stuck: set[int] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Make a round now: settings have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Make rounds for ever."""
        while True:
            try:
                await self.round()
            except (UnavailableError, OSError) as error:  # a full disk, say: it passes
                logger.warning("what is old has to stay for now", extra={"error": str(error)})
            except Exception:
                logger.exception("a round of removing what is old broke off")
            try:
                await asyncio.wait_for(self._wake.wait(), _EVERY_S)
            except TimeoutError:
                continue
            self._wake.clear()

    async def round(self) -> None:
        """Remove all that is old enough now."""
        await self._follow_removed()
        kept = self._config.retention
        if (kept.jobs_days, kept.points_days, kept.logs_days) == (None, None, None):
            return
        now = await self._sure_now()
        if kept.jobs_days is not None:
            # Limits in GPU-hours count the jobs of the present period.
            period_s = self._config.scheduler.period_d * _DAY_S
            await self._remove_jobs(min(now - kept.jobs_days * _DAY_S, period_start(now, period_s)), now)
        if kept.points_days is not None:
            await self._remove_of("points", now - kept.points_days * _DAY_S, now, self._forget_points)
        if kept.logs_days is not None:
            await self._remove_of("logs", now - kept.logs_days * _DAY_S, now, self._remove_attempts)
        while await asyncio.to_thread(self._metrics.shrink):
            await self._pause()

    async def _sure_now(self) -> float:
        """Return the time that is sure to have come, and keep it for the next gpuqd."""
        now, uptime = self._clock.now(), self._clock.uptime()
        if self._sure is None:
            self._sure = sure_time.begin(await asyncio.to_thread(self._store.sure_time), now, uptime)
        else:
            self._sure = sure_time.advance(self._sure, now, uptime)
        if now > self._sure.at:
            ahead_s = round(now - self._sure.at)
            logger.warning("the clock was set forward: nothing goes by it for a day", extra={"ahead_s": ahead_s})
        await self._store.note("time", self._sure.at)
        return self._sure.at

    async def _remove_jobs(self, before: float, now: float) -> None:
        below = await asyncio.to_thread(self._store.first_young, before=before, now=now)
        after, count = BEGINNING, 0
        while found := await asyncio.to_thread(self._ended, before, below, after):
            ids = await asyncio.to_thread(self._store.removable, [one.job_id for one in found], before=before)
            if ids:
                count += len(await self._store.remove(ids, before=before))
                await self._follow_removed()
            after = found[-1].place
            await self._pause()
        if count:
            logger.info("jobs removed that ended long ago", extra={"jobs": count})

    async def _remove_of(
        self, what: What, before: float, now: float, remove: Callable[[Ended], Awaitable[None]]
    ) -> None:
        """Remove something of every job that ended before, in the order of ends, and keep how far that is done."""
        below = await asyncio.to_thread(self._store.first_young, before=before, now=now)
        after = await asyncio.to_thread(self._store.reached, what)
        while found := await asyncio.to_thread(self._ended, before, below, after):
            for one in found:
                await remove(one)
            after = found[-1].place
            await self._store.note(what, *after)
            await self._pause()

    def _ended(self, before: float, below: int, after: tuple[float, int]) -> list[Ended]:
        return self._store.ended(before=before, below=below, after=after, limit=_AT_A_TIME)

    async def _follow_removed(self) -> None:
        """Remove what is left of jobs whose rows are gone."""
        after = 0
        while found := await asyncio.to_thread(self._store.leaving, after=after, limit=_AT_A_TIME):
            for job_id, uid in found:
                await self._forget(job_id)
                if await self._remove_files(job_id, uid):
                    await self._store.left(job_id)
            after = found[-1][0]

    async def _forget_points(self, one: Ended) -> None:
        await self._forget(one.job_id)

    async def _forget(self, job_id: int) -> None:
        while not await asyncio.to_thread(self._metrics.forget, job_id):
            await self._pause()

    async def _remove_attempts(self, one: Ended) -> None:
        """Remove logs, scripts and event files of all attempts; what gpuqd needs to know of them stays."""
        job = self._config.jobs / str(one.job_id)
        for number in range(1, one.attempt + 1):
            await self._remove(job, str(number), one.job_id, one.uid)
            await self._remove_elsewhere(one.job_id, number, one.uid)
            own_log = place_of(self._config, one.job_id, number).own_log
            await asyncio.to_thread(own_log.unlink, missing_ok=True)

    async def _remove_files(self, job_id: int, uid: int) -> bool:
        """Remove a job's folders but its checkpoints; return whether that is done."""
        own = self._config.state / "attempts"
        job = self._config.jobs / str(job_id)
        names = await asyncio.to_thread(_numbered, job)
        done = [await self._remove(job, name, job_id, uid) for name in names]
        done += [
            await self._remove_elsewhere(job_id, int(name), uid)
            for name in await asyncio.to_thread(_numbered, own / str(job_id))
        ]
        await asyncio.to_thread(_remove_empty, job / "checkpoints", job)
        return all(done) and await self._remove(own, str(job_id), job_id, uid)

    async def _remove_elsewhere(self, job_id: int, number: int, uid: int) -> bool:
        """Remove what was carried elsewhere of an attempt; return whether that is done."""
        uri = await asyncio.to_thread(place_of(self._config, job_id, number).carried_to)
        if uri is not None and uri.startswith("file://"):
            return await self._remove(Path(path_of(uri)), str(number), job_id, uid)
        if uri is None or not uri.startswith(HDFS):
            return True
        try:
            hdfs = self._door.hdfs(uri)
            folder = f"{path_of(uri)}/{number}"
            await asyncio.wrap_future(self._door.lane(uri).submit(lambda: hdfs.delete(folder)))
        except FilesError as error:
            self._stays(job_id, f"{uri}/{number}", str(error))
            return False
        return True

    def _stays(self, job_id: int, folder: str, why: str) -> None:
        if job_id not in self._stuck:
            self._stuck.add(job_id)
            logger.warning("a folder cannot be removed", extra={"job_id": job_id, "folder": folder, "error": why})

    async def _remove(self, parent: Path, name: str, job_id: int, uid: int) -> bool:
        while (progress := await asyncio.to_thread(remove_some, parent, name, uid=uid)) is Progress.MORE:
            await self._pause()
        if progress is Progress.STUCK:
            self._stays(job_id, str(parent / name), "what is in it is not its owner's, or is mounted")
        return progress is Progress.GONE


def _numbered(job: Path) -> list[str]:
    """Return the names of a job's attempts that there are."""
    try:
        return sorted(one.name for one in job.iterdir() if one.name.isdecimal())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_empty(*folders: Path) -> None:
    """Remove those of the folders that are empty, in this order."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            continue
