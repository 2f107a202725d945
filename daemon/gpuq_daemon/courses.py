"""A course for each active job: looked after until its attempt has ended, whatever goes wrong in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gpuq.errors import UnavailableError

logger = logging.getLogger(__name__)

_RETRY_S = 1.0


class Courses:
    """Runs `course`, the look-after of one job's attempt, for many jobs at once; in `tasks`, once they are known."""

    def __init__(self, course: Callable[[int], Awaitable[None]]) -> None:
        self._course = course
        self._tasks: asyncio.TaskGroup | None = None
        self._courses: dict[int, asyncio.Task[None]] = {}

    def run_in(self, tasks: asyncio.TaskGroup) -> None:
        """Take the group in which courses run; none begins before."""
        self._tasks = tasks

    def begin(self, job_id: int) -> None:
        """Begin the course of a job that has just got an attempt, or whose attempt an earlier gpuqd left."""
        assert self._tasks is not None
        self._courses[job_id] = self._tasks.create_task(self._run(job_id))

    def cancel(self) -> None:
        """Break all courses off; the attempts go on without them."""
        for task in self._courses.values():
            task.cancel()

    async def _run(self, job_id: int) -> None:
        """Run the attempt's course; an error of our own is logged and the course taken up again."""
        try:
            told = ""
            while True:
                try:
                    return await self._course(job_id)
                except (UnavailableError, OSError) as error:  # a full disk, say: it passes, and may last
                    if str(error) != told:
                        logger.warning("a course has to wait", extra={"job_id": job_id, "error": str(error)})
                    told = str(error)
                except Exception:
                    logger.exception("a course broke off; it is taken up again", extra={"job_id": job_id})
                await asyncio.sleep(_RETRY_S)
        finally:
            del self._courses[job_id]
