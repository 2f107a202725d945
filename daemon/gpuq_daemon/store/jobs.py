"""The queue and its changes: every change is one transaction, durable when it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlite_utils import Database as Tables

from gpuq_daemon.policy.dependency import Dependency
from gpuq_daemon.policy.lifecycle import Action, Intent, Reported, Verdict
from gpuq_daemon.policy.snapshot import Hold, Start
from gpuq_daemon.store import attempts, holds, job_ends
from gpuq_daemon.store.job_changes import Owner as Owner
from gpuq_daemon.store.job_changes import Request as Request
from gpuq_daemon.store.job_changes import as_job as as_job
from gpuq_daemon.store.job_changes import as_pending as as_pending
from gpuq_daemon.store.job_changes import insert, understood, update
from gpuq_daemon.store.job_questions import JobQuestions
from gpuq_daemon.store.queued import QueueCounts
from gpuq_daemon.store.request_keys import RequestKey, job_of_key, queued_before, remember
from gpuq_daemon.store.there import refuse_vanished

Admit = Callable[[QueueCounts], object]


class JobStore(JobQuestions):
    """The queue. Questions are answered from what is committed; changes are durable when they return."""

    async def add_all(
        self, request: Request, *, now: float, admit: Admit | None = None, key: RequestKey | None = None
    ) -> range:
        """Queue a job, or all tasks of an array, and return their ids: consecutive, the tasks by index.

        `admit` gets the counts of pending jobs, within the same transaction, and raises what stands against more.
        With a `key` that has queued before, nothing is queued and no id returned.

        Raises:
            UsageError: the job depends on one that is not there, or the key is another request's. Nothing is queued.
        """

        def write(tables: Tables) -> range:
            if key is not None and queued_before(tables, key) is not None:
                return range(0)
            if admit is not None:
                admit(QueueCounts(tables))
            ids = insert(tables, request, now)
            if key is not None:
                remember(tables, key, ids[0], now)
            return ids

        return await self._db.write(write)

    def queued_with(self, key: RequestKey) -> int | None:
        """Return the job, of an array the first, that a request with this key has queued; None if it is new.

        Raises:
            UsageError: the key was given to another request.
        """
        return job_of_key(self._db, key)

    async def start(
        self, starts: Sequence[tuple[Start, str]], *, now: float, gpus_of: Mapping[str, int] | None = None
    ) -> list[int]:
        """Turn planned starts, each with its token, into attempts; return the jobs that still wanted one.

        `gpus_of` are the GPUs of whole nodes, which an exclusive job holds, and pays for, whatever it uses.
        """

        def write(tables: Tables) -> list[int]:
            return [s.job_id for s, token in starts if attempts.start(tables, s, token, now, gpus_of or {})]

        return await self._db.write(write)

    async def understood(self, dependency: str | None, index: int | None) -> tuple[Dependency, ...]:
        """Return what a new job that says so would wait for; nothing is written.

        Raises:
            UsageError: there is no such job.
        """
        return await self._db.write(partial(understood, text=dependency, index=index))

    async def update(
        self,
        asked: Mapping[int, dict[str, Any]],
        *,
        throttle: tuple[int, int | None] | None = None,
        user: str | None = None,
    ) -> None:
        """Change what pending jobs ask for, by id, as `asked_of` makes it; and of an array, how many run at once.

        `user` is whose jobs they are: what these then name must still be there.

        Raises:
            UsageError: one does not wait any more, or would wait for itself, or what it names is gone. Nothing is
                changed.
        """

        def write(tables: Tables) -> None:
            for job_id, columns in asked.items():
                if user is not None:
                    refuse_vanished(tables, user, columns["account"], columns["qos"], columns["reservation"])
                update(tables, job_id, columns)
            if throttle is not None:
                values = {"id": throttle[0], "at_once": throttle[1]}
                tables.execute("UPDATE jobs SET throttle = :at_once WHERE array_id = :id", values)

        await self._db.write(write)

    async def hold(self, job_ids: Sequence[int], kind: Hold) -> None:
        """Keep pending jobs from starting. An administrator's hold takes the place of a user's, not the other way.

        Raises:
            UsageError: one does not wait. Nothing is changed.
        """
        await self._db.write(partial(holds.hold, job_ids=job_ids, kind=kind))

    async def release(self, job_ids: Sequence[int], *, is_admin: bool) -> None:
        """Let held jobs start.

        Raises:
            UsageError: one does not wait. Nothing is changed.
            ForbiddenError: an administrator holds one, and `is_admin` is not. Nothing is changed.
        """
        await self._db.write(partial(holds.release, job_ids=job_ids, is_admin=is_admin))

    async def set_top(self, job_ids: Sequence[int], *, is_top: bool) -> None:
        """Let pending jobs go before everybody, or not any more.

        Raises:
            UsageError: one does not wait. Nothing is changed.
        """
        await self._db.write(partial(holds.set_top, job_ids=job_ids, is_top=is_top))

    async def requeue(self, job_id: int, *, is_held: bool = False) -> tuple[Action, ...]:
        """Let a job run again: one that has ended waits at once, one that runs is ended first.

        Returns what has to be done; an ended job needs nothing but a place in the queue.

        Raises:
            UsageError: it waits, or its training has just ended. Nothing is changed.
        """
        return await self._db.write(partial(job_ends.requeue, job_id=job_id, is_held=is_held))

    async def led_by(self, job_id: int, attempt: int, shim: str) -> None:
        """Note which process leads an attempt; from then on it is never started again."""
        await self._db.write(
            lambda tables: tables.execute(
                "UPDATE attempts SET shim = :shim WHERE job_id = :job_id AND number = :attempt AND shim IS NULL",
                {"job_id": job_id, "attempt": attempt, "shim": shim},
            )
        )

    async def record(self, job_id: int, attempt: int, reported: Reported) -> None:
        """Keep what the driver said; what was read before is not kept twice."""
        await self._db.write(partial(attempts.record, job_id=job_id, attempt=attempt, reported=reported))

    async def intend(self, job_id: int, intent: Intent, *, now: float) -> tuple[Action, ...]:
        """Note that gpuqd ends the job; return what has to be done. A job that has ended is left alone.

        Raises:
            NotFoundError: no job has this id.
        """
        self.job(job_id)
        return await self._db.write(partial(job_ends.intend, job_id=job_id, intent=intent, now=now))

    async def intend_all(self, job_ids: Sequence[int], intent: Intent, *, now: float) -> list[tuple[Action, ...]]:
        """Do as `intend` with jobs that there are, in one transaction; return for each what has to be done."""

        def write(tables: Tables) -> list[tuple[Action, ...]]:
            return [job_ends.intend(tables, job_id=job_id, intent=intent, now=now) for job_id in job_ids]

        return await self._db.write(write)

    async def driver_ended(self, job_id: int) -> None:
        """Note that the driver is gone; its GPUs are not free before `finish`."""
        await self._db.write(partial(job_ends.driver_ended, job_id=job_id))

    async def finish(
        self, job_id: int, verdict: Verdict, *, ended_at: float, rate: float = 0.0, half_life_s: float | None = None
    ) -> None:
        """End the job, or let it wait again if that is the verdict, and charge its attempt, once.

        `rate` are the billing units that it held; they are charged to its account's usage where there is a half-life.
        """
        await self._db.write(
            partial(
                job_ends.finish, job_id=job_id, verdict=verdict, ended_at=ended_at, rate=rate, half_life_s=half_life_s
            )
        )
