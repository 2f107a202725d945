"""Takes in the points of attempts' event files, wherever they are, without anybody waiting for a file system."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future

from gpuq.errors import FullError, UnavailableError
from gpuq_daemon.clock import Clock
from gpuq_daemon.collectors.event_files import EventFileFollower
from gpuq_daemon.files.door import Door
from gpuq_daemon.files.found import Files
from gpuq_daemon.files.local import LocalFiles
from gpuq_daemon.places import Place
from gpuq_daemon.store.attempts import ActiveAttempt
from gpuq_daemon.store.metrics import MetricsStore
from gpuq_daemon.vitals import Vitals

logger = logging.getLogger(__name__)

_BYTES_A_LOOK = 8 * 1024 * 1024
_LAST_LOOK_S = 5.0
_LATER_EVERY_S = 5.0

Key = tuple[int, int]  # job, attempt


class Points:
    """Follows the event files of attempts: on this machine at once, elsewhere in the lane of their file system.

    Whatever is wrong with points must not hold up a job's end, and with it its GPUs: it is told by `trouble`, and what
    could not be read is read later, after a restart of gpuqd too.
    """

    def __init__(
        self,
        *,
        metrics: MetricsStore,
        place: Callable[[ActiveAttempt], Place],
        active: Callable[[], set[Key]],
        clock: Clock,
        vitals: Vitals,
        door: Door,
    ) -> None:
        """`active` are the attempts that somebody looks after."""
        self._metrics = metrics
        self._place = place
        self._active = active
        self._clock = clock
        self._vitals = vitals
        self._door = door
        self._uris: dict[Key, str | None] = {}
        self._files: dict[Key, Files] = {}
        self._followers: dict[Key, EventFileFollower] = {}
        self._under_way: dict[Key, Future[bool]] = {}
        self._behind: dict[Key, UnavailableError] = {}

    def trouble(self, job_id: int, attempt: int) -> str | None:
        """Return why points of an attempt are not taken in now, or not carried, in a sentence; None while they are."""
        behind = self._behind.get((job_id, attempt))
        if behind is not None:
            return str(behind)
        files = self._files.get((job_id, attempt))
        return None if files is None else files.trouble

    async def take_in(self, attempt: ActiveAttempt) -> bool:
        """Take in what is new; return whether there was anything, a change of `trouble` included."""
        key = _key(attempt)
        before = self.trouble(*key)
        try:
            has_points = await self._taken(attempt)
        except UnavailableError as error:
            self._behind[key] = error
            if str(error) == before:
                return False
            logger.warning("points were not taken in", extra={"job_id": attempt.job_id, "error": str(error)})
            return True
        except Exception:
            logger.exception("points were not taken in", extra={"job_id": attempt.job_id})
            return False
        return has_points or self.trouble(*key) != before

    async def drain(self, attempt: ActiveAttempt) -> None:
        """Take in everything up to the ends of the files; for an attempt that writes no more.

        Raises:
            FullError: there is no room for it now. Nothing is started without room, so that the GPUs may wait for it.
        """
        key = _key(attempt)
        uri = await self._uri(attempt)
        if uri is not None:
            await self._drain_elsewhere(key, uri)
            return
        self._look_again(key)
        while await self.take_in(attempt):
            pass
        behind = self._behind.get(key)
        if isinstance(behind, FullError):
            raise behind

    async def read_later(self) -> None:
        """Read, for ever, what could not be read to its end when its attempt ended."""
        while True:
            await asyncio.sleep(_LATER_EVERY_S)
            try:
                for job_id, number, uri in await asyncio.to_thread(self._metrics.unread):
                    if (job_id, number) not in self._active() and self._door.lane(uri).is_worth_trying:
                        await self._catch_up((job_id, number), uri)
            except Exception:
                logger.exception("reading later broke off")

    def forget(self, attempt: ActiveAttempt) -> None:
        """Close what was kept open for the attempt."""
        self._drop(_key(attempt))

    async def _taken(self, attempt: ActiveAttempt) -> bool:
        key, place = _key(attempt), self._place(attempt)
        uri = await self._uri(attempt)
        if uri is not None:
            return self._taken_elsewhere(key, uri)
        has_points = await asyncio.to_thread(self._points, key, lambda: LocalFiles(place.events))
        self._behind.pop(key, None)
        return has_points

    async def _uri(self, attempt: ActiveAttempt) -> str | None:
        """Return the address that the attempt's event files are carried to, None if they stay where they are."""
        key = _key(attempt)
        if key not in self._uris:
            uri = await asyncio.to_thread(self._place(attempt).carried_to)
            uri = uri and f"{uri}/{attempt.number}/events"
            if uri is not None:
                await asyncio.to_thread(self._metrics.note_unread, *key, uri)
            self._uris[key] = uri
        return self._uris[key]

    def _taken_elsewhere(self, key: Key, uri: str) -> bool:
        """Begin a look if none is under way, and wait for nothing; return whether the last one brought something."""
        under_way = self._under_way.get(key)
        if under_way is not None and not under_way.done():
            return False
        self._under_way.pop(key, None)
        has_points = False
        if under_way is not None:
            has_points = under_way.result()
            self._behind.pop(key, None)
        self._under_way[key] = self._look(key, uri)
        return has_points

    def _look(self, key: Key, uri: str) -> Future[bool]:
        return self._door.lane(uri).submit(lambda: self._points(key, lambda: self._door.files(uri)))

    async def _drain_elsewhere(self, key: Key, uri: str) -> None:
        try:
            async with asyncio.timeout(_LAST_LOOK_S):
                await self._read_to_end(key, uri)
        except (UnavailableError, TimeoutError) as error:
            logger.warning("points are read later", extra={"job_id": key[0], "error": str(error) or "too slow"})

    async def _read_to_end(self, key: Key, uri: str) -> None:
        """Read all that is there, and forget that it was to be read."""
        under_way = self._under_way.pop(key, None)
        if under_way is not None:
            await asyncio.wait((asyncio.wrap_future(under_way),))
        self._look_again(key)
        while await asyncio.wrap_future(self._look(key, uri)):
            pass
        await asyncio.to_thread(self._metrics.note_read, *key)

    def _look_again(self, key: Key) -> None:
        files = self._files.get(key)
        if files is not None:
            files.look_again()

    async def _catch_up(self, key: Key, uri: str) -> None:
        try:
            await self._read_to_end(key, uri)
        except UnavailableError:
            return  # another time
        finally:
            self._drop(key)
        logger.info("points were read that could not be before", extra={"job_id": key[0]})

    def _drop(self, key: Key) -> None:
        for kept in (self._uris, self._files, self._followers, self._under_way, self._behind):
            kept.pop(key, None)

    def _points(self, key: Key, files: Callable[[], Files]) -> bool:
        """Store new points; a follower whose batch was not stored is not kept, so that it is read again."""
        follower = self._followers.pop(key, None) or self._new_follower(key, files())
        batch = follower.poll(_BYTES_A_LOOK)
        if batch.is_empty or self._metrics.append(batch):
            self._followers[key] = follower
        newest = max((points.last[1] for points in batch.scalars.values() if points), default=None)
        if newest is not None:
            self._vitals.point_age.record(max(0.0, self._clock.now() - newest))
        return not batch.is_empty

    def _new_follower(self, key: Key, files: Files) -> EventFileFollower:
        self._files[key] = files
        return EventFileFollower(*key, files, self._metrics.positions(*key))


def _key(attempt: ActiveAttempt) -> Key:
    return attempt.job_id, attempt.number
