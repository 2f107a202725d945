"""Jobs, their attempts, and what each attempt holds: the queue and the accounting."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from sqlite_utils import Database as Tables

from gpuq.errors import ForbiddenError, NotFoundError, UsageError
from gpuq.models import Job, JobSpec, JobState, Rank
from gpuq_daemon.policy import usage
from gpuq_daemon.policy.accounts import ROOT
from gpuq_daemon.policy.dependency import Dependency, Fate, array_fate
from gpuq_daemon.policy.lifecycle import (
    CANCELLED_EXIT,
    Action,
    Event,
    Intent,
    Outcome,
    Reported,
    Step,
    Verdict,
    step,
)
from gpuq_daemon.policy.snapshot import QOS, ActiveJob, Hold, PendingJob, Start
from gpuq_daemon.policy.usage import Charge
from gpuq_daemon.store.accounts import charge
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.job_changes import Owner as Owner
from gpuq_daemon.store.job_changes import Request as Request
from gpuq_daemon.store.job_changes import insert, require_pending, understood, update
from gpuq_daemon.store.job_rows import (
    ACTIVE_COLUMNS,
    PENDING_COLUMNS,
    Charged,
    Queued,
    active_jobs,
    fate_of,
    job_of,
    pending_jobs,
    rank_of,
    spec_of,
)

_NOT_ENDED = "('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING')"
_HOLDING = "('CONFIGURING', 'RUNNING', 'COMPLETING')"
_LONGEST_TAIL = 50
_ACTIVE = f"""SELECT {ACTIVE_COLUMNS}
              FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
              JOIN allocations l ON l.job_id = j.id AND l.attempt = j.attempt
              WHERE j.state IN {_HOLDING}"""
_OF_CURRENT = """SELECT t.* FROM {table} t JOIN jobs j ON j.id = t.job_id AND j.attempt = t.attempt
                 WHERE NOT j.is_requeued AND j.id IN (SELECT value FROM json_each(:ids)) ORDER BY t.job_id, t.{order}"""

_EVENTS = {
    Intent.CANCEL: Event.CANCEL_REQUESTED,
    Intent.TIMEOUT: Event.LIMIT_REACHED,
    Intent.REQUEUE: Event.REQUEUE_REQUESTED,
}
Admit = Callable[[Sequence[Queued]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAttempt:
    """An attempt that has started and has not been proven gone."""

    job_id: int
    number: int
    token: str
    name: str
    state: JobState
    partition: str
    workers: int
    gpus_per_worker: int
    script_name: str
    script: str
    args: tuple[str, ...]
    started_at: float
    time_limit_s: int | None
    application_id: str | None
    shim: str | None
    intent: Intent | None
    outcome: Outcome | None
    reports_offset: int
    nodes: tuple[str, ...] = ()
    signal_s: int | None = None
    array_id: int | None = None
    array_index: int | None = None


class JobStore:
    """The queue. Questions are answered from what is committed; changes are durable when they return."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add(self, spec: JobSpec, owner: Owner, *, name: str, partition: str, sha256: str, now: float) -> int:
        """Queue one job under the root account and return its id. Ids are never given twice."""
        request = Request(spec=spec, owner=owner, name=name, partition=partition, account=ROOT, qos=QOS, sha256=sha256)
        return (await self.add_all(request, now=now))[0]

    async def add_all(self, request: Request, *, now: float, admit: Admit | None = None) -> range:
        """Queue a job, or all tasks of an array, and return their ids: consecutive, the tasks by index.

        `admit` gets the pending jobs by user, account and QOS, within the same transaction, and raises what
        stands against more of them.

        Raises:
            UsageError: the job depends on one that is not there. Nothing is queued.
        """

        def write(tables: Tables) -> range:
            if admit is not None:
                admit(_queued(tables))
            return insert(tables, request, now)

        return await self._db.write(write)

    def job(self, job_id: int) -> Job:
        """Return one job.

        Raises:
            NotFoundError: no job has this id.
        """
        found = self._jobs("j.id = :job_id", {"job_id": job_id})
        if not found:
            raise NotFoundError(f"There is no job {job_id}; `gpuq queue --all` lists those that are known.")
        return found[0]

    def jobs_of_array(self, array_id: int) -> list[Job]:
        """Return an array's tasks by index; empty if there is no such array."""
        return self._jobs("j.array_id = :array_id", {"array_id": array_id}, limit=1_000_000)

    def jobs(self, *, everything: bool = False, user: str | None = None, limit: int = 10_000) -> list[Job]:
        """Return jobs by id, those not ended or `everything`; of too many, the newest `limit`."""
        where = "1" if everything else f"j.state IN {_NOT_ENDED}"
        if user is not None:
            where += " AND j.user = :user"
        return self._jobs(where, {"user": user}, limit)

    def pending(self) -> tuple[PendingJob, ...]:
        """Return what waits, by id."""
        return pending_jobs(self._db.tuples(f"SELECT {PENDING_COLUMNS} FROM jobs WHERE state = 'PENDING' ORDER BY id"))

    def pending_of(self, job_ids: Iterable[int]) -> tuple[PendingJob, ...]:
        """Return those of the jobs that wait, by id."""
        rows = self._db.tuples(
            f"""SELECT {PENDING_COLUMNS} FROM jobs
                WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'PENDING' ORDER BY id""",
            _ids(job_ids),
        )
        return pending_jobs(rows)

    def next_id(self) -> int:
        """Return a number that no job has, larger than all."""
        return self._db.rows("SELECT coalesce(max(seq), 0) + 1 AS n FROM sqlite_sequence WHERE name = 'jobs'")[0]["n"]

    def count_pending(self) -> int:
        """Return how many jobs wait."""
        return self._db.rows("SELECT count(*) AS n FROM jobs WHERE state = 'PENDING'")[0]["n"]

    def active(self) -> tuple[ActiveJob, ...]:
        """Return what holds GPUs, by id, with the nodes that hold it."""
        return active_jobs(self._db.rows(f"{_ACTIVE} ORDER BY j.id, l.node"))

    def active_of(self, job_ids: Iterable[int]) -> tuple[ActiveJob, ...]:
        """Return those of the jobs that hold GPUs, by id."""
        where = "AND j.id IN (SELECT value FROM json_each(:ids))"
        return active_jobs(self._db.rows(f"{_ACTIVE} {where} ORDER BY j.id, l.node", _ids(job_ids)))

    def active_charges(self) -> list[Charged]:
        """Return what active jobs hold, who pays and since when, by id."""
        rows = self._db.rows(
            f"""SELECT j.id AS job_id, j.user, j.account, j.qos, j.partition, a.gpu_type, sum(l.gpus) AS gpus,
                       j.workers * j.cpus_per_worker AS cpus, j.workers * j.memory_mib_per_worker AS memory_mib,
                       a.started_at
                FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
                JOIN allocations l ON l.job_id = j.id AND l.attempt = j.attempt
                WHERE j.state IN {_HOLDING} GROUP BY j.id ORDER BY j.id"""
        )
        return [Charged(**row) for row in rows]

    def fates(self, targets: Iterable[int]) -> dict[int, Fate]:
        """Return what has become of jobs, and of whole arrays, given as their ids below zero.

        What has not started, or waits again, is left out.
        """
        wanted = list(targets)
        jobs = self._db.rows(
            "SELECT id, state FROM jobs WHERE id IN (SELECT value FROM json_each(:ids))",
            _ids(target for target in wanted if target > 0),
        )
        found = {row["id"]: fate_of(row["state"]) for row in jobs}
        tasks = defaultdict[int, list[Fate | None]](list)
        for row in self._db.rows(
            """SELECT DISTINCT array_id, state FROM jobs
               WHERE array_id IN (SELECT value FROM json_each(:ids))""",
            _ids(-target for target in wanted if target < 0),
        ):
            tasks[-row["array_id"]].append(fate_of(row["state"]))
        found |= {array: array_fate(fates) for array, fates in tasks.items()}
        return {target: fate for target, fate in found.items() if fate is not None}

    def array_of(self, job_id: int) -> tuple[int, ...]:
        """Return the array that a job is a task of, as its id below zero; nothing for any other job."""
        rows = self._db.rows(
            "SELECT array_id FROM jobs WHERE id = :job_id AND array_id IS NOT NULL", {"job_id": job_id}
        )
        return tuple(-row["array_id"] for row in rows)

    def tasks(self, array_id: int) -> dict[int, int]:
        """Return the jobs of an array's tasks by index; empty if there is no such array."""
        rows = self._db.rows(
            "SELECT array_index, id FROM jobs WHERE array_id = :id ORDER BY array_index", {"id": array_id}
        )
        return {row["array_index"]: row["id"] for row in rows}

    def queued_by_account(self) -> dict[str, int]:
        """Return how many jobs of every account have not ended."""
        rows = self._db.rows(f"SELECT account, count(*) AS n FROM jobs WHERE state IN {_NOT_ENDED} GROUP BY account")
        return {row["account"]: row["n"] for row in rows}

    def unplaced(self) -> dict[str, int]:
        """Return by partition the last job that has started, but of which it is not known yet on which nodes."""
        rows = self._db.rows(
            f"""SELECT j.partition, max(j.id) AS job_id FROM jobs j
               WHERE j.state IN {_HOLDING} AND j.state = 'CONFIGURING' AND j.workers > (
                 SELECT count(*) FROM ranks r
                 WHERE r.job_id = j.id AND r.attempt = j.attempt AND r.node IS NOT NULL)
               GROUP BY j.partition"""
        )
        return {row["partition"]: row["job_id"] for row in rows}

    def active_attempts(self) -> list[ActiveAttempt]:
        """Return the attempts to look after, by job."""
        return self._attempts("1", {})

    def active_attempt(self, job_id: int) -> ActiveAttempt:
        """Return the job's attempt that is not proven gone.

        Raises:
            KeyError: the job has none.
        """
        found = self._attempts("j.id = :job_id", {"job_id": job_id})
        if not found:
            raise KeyError(job_id)
        return found[0]

    async def start(
        self, starts: Sequence[tuple[Start, str]], *, now: float, gpus_of: Mapping[str, int] | None = None
    ) -> list[int]:
        """Turn planned starts, each with its token, into attempts; return the jobs that still wanted one.

        `gpus_of` are the GPUs of whole nodes, which an exclusive job holds, and pays for, whatever it uses.
        """

        def write(tables: Tables) -> list[int]:
            return [s.job_id for s, token in starts if _start(tables, s, token, now, gpus_of or {})]

        return await self._db.write(write)

    def specs(self, job_ids: Iterable[int]) -> dict[int, JobSpec]:
        """Return by id what jobs ask for now, as if it were asked for anew; `array` is None for a task."""
        rows = self._db.rows(
            """SELECT j.*, s.content FROM jobs j JOIN scripts s ON s.sha256 = j.script_sha256
               WHERE j.id IN (SELECT value FROM json_each(:ids)) ORDER BY j.id""",
            _ids(job_ids),
        )
        return {row["id"]: spec_of(row) for row in rows}

    async def understood(self, dependency: str | None, index: int | None) -> tuple[Dependency, ...]:
        """Return what a new job that says so would wait for; nothing is written.

        Raises:
            UsageError: there is no such job.
        """
        return await self._db.write(lambda tables: understood(tables, dependency, index))

    async def update(
        self, asked: Mapping[int, dict[str, Any]], *, throttle: tuple[int, int | None] | None = None
    ) -> None:
        """Change what pending jobs ask for, by id, as `asked_of` makes it; and of an array, how many run at once.

        Raises:
            UsageError: one does not wait any more, or would wait for itself. Nothing is changed.
        """

        def write(tables: Tables) -> None:
            for job_id, columns in asked.items():
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

        def write(tables: Tables) -> None:
            for job_id in job_ids:
                require_pending(tables, job_id, "held")
                tables.execute(
                    "UPDATE jobs SET hold = :kind WHERE id = :id AND hold IS NOT 'admin'", {"kind": kind, "id": job_id}
                )

        await self._db.write(write)

    async def release(self, job_ids: Sequence[int], *, is_admin: bool) -> None:
        """Let held jobs start.

        Raises:
            UsageError: one does not wait. Nothing is changed.
            ForbiddenError: an administrator holds one, and `is_admin` is not. Nothing is changed.
        """

        def write(tables: Tables) -> None:
            for job_id in job_ids:
                require_pending(tables, job_id, "released")
                row = tables.execute("SELECT hold FROM jobs WHERE id = :id", {"id": job_id}).fetchone()
                if row[0] == Hold.ADMIN and not is_admin:
                    raise ForbiddenError(f"Job {job_id} is held by an administrator: ask one to release it.")
                tables.execute("UPDATE jobs SET hold = NULL WHERE id = :id", {"id": job_id})

        await self._db.write(write)

    async def set_top(self, job_ids: Sequence[int], *, is_top: bool) -> None:
        """Let pending jobs go before everybody, or not any more.

        Raises:
            UsageError: one does not wait. Nothing is changed.
        """

        def write(tables: Tables) -> None:
            for job_id in job_ids:
                require_pending(tables, job_id, "moved")
                tables.execute("UPDATE jobs SET is_top = :top WHERE id = :id", {"top": int(is_top), "id": job_id})

        await self._db.write(write)

    async def requeue(self, job_id: int, *, is_held: bool = False) -> tuple[Action, ...]:
        """Let a job run again: one that has ended waits at once, one that runs is ended first.

        Returns what has to be done; an ended job needs nothing but a place in the queue.

        Raises:
            UsageError: it waits, or its training has just ended. Nothing is changed.
        """

        def write(tables: Tables) -> tuple[Action, ...]:
            before = _state(tables, job_id)
            _refuse_requeue(tables, job_id, before)
            if is_held:
                tables.execute("UPDATE jobs SET hold = 'user' WHERE id = :id AND hold IS NOT 'admin'", {"id": job_id})
            made = _advance(tables, job_id, Event.REQUEUE_REQUESTED)
            if before.is_final:
                _wait_again(tables, job_id)
            else:
                _note_intent(tables, job_id, Intent.REQUEUE)
            return made.actions

        return await self._db.write(write)

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

        def write(tables: Tables) -> None:
            _record(tables, job_id, attempt, reported)

        await self._db.write(write)

    async def intend(self, job_id: int, intent: Intent, *, now: float) -> tuple[Action, ...]:
        """Note that gpuqd ends the job; return what has to be done. A job that has ended is left alone.

        Raises:
            NotFoundError: no job has this id.
        """
        self.job(job_id)

        def write(tables: Tables) -> tuple[Action, ...]:
            if _state(tables, job_id).is_final:
                return ()
            _note_intent(tables, job_id, intent)
            made = _advance(tables, job_id, _EVENTS[intent])
            if made.state.is_final:
                tables.execute(
                    "UPDATE jobs SET ended_at = :now, exit_code = :exit_code WHERE id = :job_id",
                    {"job_id": job_id, "now": now, "exit_code": CANCELLED_EXIT},
                )
            return made.actions

        return await self._db.write(write)

    async def driver_ended(self, job_id: int) -> None:
        """Note that the driver is gone; its GPUs are not free before `finish`."""
        await self._db.write(lambda tables: _advance(tables, job_id, Event.DRIVER_ENDED))

    async def finish(
        self, job_id: int, verdict: Verdict, *, ended_at: float, rate: float = 0.0, half_life_s: float | None = None
    ) -> None:
        """End the job, or let it wait again if that is the verdict, and charge its attempt, once.

        `rate` are the billing units that it held; they are charged to its account's usage where there is a half-life.
        """

        def write(tables: Tables) -> None:
            made = _advance(tables, job_id, verdict.event)
            values = {
                "job_id": job_id,
                "ended_at": ended_at,
                "exit_code": verdict.exit_code,
                "error": verdict.error,
                "tail": json.dumps(verdict.tail[-_LONGEST_TAIL:]),
                "failed_rank": verdict.failed_rank,
            }
            tables.execute(
                """UPDATE jobs SET ended_at = :ended_at, exit_code = :exit_code, error = :error,
                   error_tail = :tail, failed_rank = :failed_rank WHERE id = :job_id""",
                values,
            )
            tables.execute(
                """UPDATE ranks SET state = 'KILLED' WHERE job_id = :job_id AND state IN ('RESERVED', 'RUNNING')
                   AND attempt = (SELECT attempt FROM jobs WHERE id = :job_id)""",
                values,
            )
            charged_now = tables.execute(
                """UPDATE attempts SET ended_at = :ended_at, charged_gpu_s =
                     max(0, :ended_at - started_at) * (SELECT sum(gpus) FROM allocations l
                       WHERE l.job_id = attempts.job_id AND l.attempt = attempts.number)
                   WHERE job_id = :job_id AND charged_gpu_s IS NULL
                   AND number = (SELECT attempt FROM jobs WHERE id = :job_id)""",
                values,
            )
            if charged_now.rowcount and half_life_s is not None:
                _charge(tables, job_id, rate, ended_at, half_life_s)
            if made.state is JobState.PENDING:
                _wait_again(tables, job_id)

        await self._db.write(write)

    def _attempts(self, where: str, params: dict[str, Any]) -> list[ActiveAttempt]:
        rows = self._db.rows(
            f"""SELECT j.id AS job_id, a.number, a.token, j.name, j.state, j.partition, j.workers,
                       j.gpus_per_worker, j.script_name, s.content AS script, j.args, a.started_at,
                       j.time_limit_s, a.application_id, a.shim, a.intent, a.outcome, a.reports_offset,
                       j.signal_s, j.array_id, j.array_index,
                       (SELECT json_group_array(l.node) FROM allocations l
                        WHERE l.job_id = a.job_id AND l.attempt = a.number) AS nodes
                FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
                JOIN scripts s ON s.sha256 = j.script_sha256
                WHERE j.state IN {_HOLDING} AND {where} ORDER BY j.id""",
            params,
        )
        return [_attempt(row) for row in rows]

    def _jobs(self, where: str, params: dict[str, Any], limit: int = 1) -> list[Job]:
        rows = self._db.rows(
            f"""SELECT j.*, a.started_at, a.running_at, a.application_id, a.driver_pid,
                           (SELECT sum(charged_gpu_s) FROM attempts WHERE job_id = j.id) AS charged_gpu_s
                    FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt AND NOT j.is_requeued
                    WHERE {where} ORDER BY j.id DESC LIMIT :limit""",
            {**params, "limit": limit},
        )
        ids = {"ids": json.dumps([row["id"] for row in rows])}
        nodes, ranks = defaultdict[int, list[str]](list), defaultdict[int, list[Rank]](list)
        for row in self._db.rows(_OF_CURRENT.format(table="allocations", order="node"), ids):
            nodes[row["job_id"]].append(row["node"])
        for row in self._db.rows(_OF_CURRENT.format(table="ranks", order="rank"), ids):
            ranks[row["job_id"]].append(rank_of(row))
        return [job_of(row, nodes[row["id"]], ranks[row["id"]]) for row in reversed(rows)]


def _charge(tables: Tables, job_id: int, rate: float, ended_at: float, half_life_s: float) -> None:
    account, user, started_at = tables.execute(
        """SELECT j.account, j.user, a.started_at
           FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
           WHERE j.id = :job_id""",
        {"job_id": job_id},
    ).fetchone()
    used = usage.charged(Charge(rate=rate, since=started_at, until=ended_at), ended_at, half_life_s)
    charge(tables, account, user, used, half_life_s)


def _ids(job_ids: Iterable[int]) -> dict[str, str]:
    return {"ids": json.dumps(list(job_ids))}


def _queued(tables: Tables) -> tuple[Queued, ...]:
    rows = tables.execute("SELECT user, account, qos, count(*) FROM jobs WHERE state = 'PENDING' GROUP BY 1, 2, 3")
    return tuple(Queued(*row) for row in rows)


def _note_intent(tables: Tables, job_id: int, intent: Intent) -> None:
    """Note the first intent; only a cancel comes after a requeue. What has told its outcome has ended by itself."""
    tables.execute(
        """UPDATE attempts SET intent = :intent WHERE job_id = :job_id AND outcome IS NULL
           AND (intent IS NULL OR (intent = 'requeue' AND :intent = 'cancel'))
           AND number = (SELECT attempt FROM jobs WHERE id = :job_id)""",
        {"job_id": job_id, "intent": intent},
    )


def _refuse_requeue(tables: Tables, job_id: int, state: JobState) -> None:
    if state is JobState.PENDING:
        raise UsageError(f"Job {job_id} is pending already.")
    if state is not JobState.COMPLETING:
        return
    row = tables.execute(
        """SELECT a.intent FROM attempts a JOIN jobs j ON j.id = a.job_id AND j.attempt = a.number
           WHERE j.id = :id""",
        {"id": job_id},
    ).fetchone()
    if row[0] != Intent.REQUEUE:
        raise UsageError(f"Job {job_id} is just ending: requeue it once it has ended.")


def _wait_again(tables: Tables, job_id: int) -> None:
    """Take off a job what its last attempt left on it."""
    tables.execute(
        """UPDATE jobs SET is_requeued = 1, ended_at = NULL, exit_code = NULL, error = NULL, error_tail = '[]',
           failed_rank = NULL WHERE id = :id""",
        {"id": job_id},
    )


def _state(tables: Tables, job_id: int) -> JobState:
    row = tables.execute("SELECT state FROM jobs WHERE id = :job_id", {"job_id": job_id}).fetchone()
    return JobState(row[0])


def _advance(tables: Tables, job_id: int, event: Event) -> Step:
    made = step(_state(tables, job_id), event)
    tables.execute("UPDATE jobs SET state = :state WHERE id = :job_id", {"state": made.state, "job_id": job_id})
    return made


def _start(tables: Tables, start: Start, token: str, now: float, gpus_of: Mapping[str, int]) -> bool:
    if _state(tables, start.job_id) is not JobState.PENDING:
        return False  # cancelled while the plan was made
    _advance(tables, start.job_id, Event.PLANNED)
    key = {"job_id": start.job_id, "token": token, "now": now, "gpu_type": start.gpu_type}
    tables.execute("UPDATE jobs SET attempt = attempt + 1, is_requeued = 0 WHERE id = :job_id", key)
    tables.execute(
        """INSERT INTO attempts (job_id, number, token, started_at, gpu_type)
           SELECT id, attempt, :token, :now, :gpu_type FROM jobs WHERE id = :job_id""",
        key,
    )
    for node, workers in start.workers_by_node.items():
        tables.execute(
            """INSERT INTO allocations (job_id, attempt, node, gpus)
               SELECT id, attempt, :node, CASE WHEN exclusive THEN max(:whole, :workers * gpus_per_worker)
                 ELSE :workers * gpus_per_worker END
               FROM jobs WHERE id = :job_id""",
            {**key, "node": node, "workers": workers, "whole": gpus_of.get(node, 0)},
        )
    return True


def _record(tables: Tables, job_id: int, attempt: int, reported: Reported) -> None:
    key = {"job_id": job_id, "attempt": attempt, "offset": reported.offset}
    fresh = tables.execute(
        """UPDATE attempts SET reports_offset = :offset
           WHERE job_id = :job_id AND number = :attempt AND reports_offset < :offset""",
        key,
    )
    if not fresh.rowcount:
        return
    if reported.application_id is not None:
        tables.execute(
            """UPDATE attempts SET application_id = :application_id, driver_pid = :driver_pid
               WHERE job_id = :job_id AND number = :attempt""",
            {**key, "application_id": reported.application_id, "driver_pid": reported.driver_pid},
        )
    for rank in reported.ranks:
        row = {**asdict(rank), "gpus": json.dumps(rank.gpus), "job_id": job_id, "attempt": attempt}
        tables.execute(
            """INSERT INTO ranks (job_id, attempt, rank, role, host, node, pid, executor_id, gpus, state,
                                  exit_code)
               VALUES (:job_id, :attempt, :rank, :role, :host, :node, :pid, :executor_id, :gpus, :state,
                       :exit_code)
               ON CONFLICT (job_id, attempt, rank) DO UPDATE SET role = excluded.role, host = excluded.host,
                 node = coalesce(excluded.node, node), pid = coalesce(excluded.pid, pid),
                 executor_id = coalesce(excluded.executor_id, executor_id),
                 gpus = CASE excluded.gpus WHEN '[]' THEN gpus ELSE excluded.gpus END,
                 state = excluded.state, exit_code = excluded.exit_code""",
            row,
        )
    _correct_allocations(tables, key)
    if reported.began_at is not None:
        tables.execute(
            """UPDATE attempts SET running_at = :at
               WHERE job_id = :job_id AND number = :attempt AND running_at IS NULL""",
            {**key, "at": reported.began_at},
        )
        _advance(tables, job_id, Event.FUNCTION_BEGAN)
    if reported.outcome is not None:
        tables.execute(
            """UPDATE attempts SET outcome = :outcome
               WHERE job_id = :job_id AND number = :attempt AND outcome IS NULL""",
            {**key, "outcome": msgspec.json.encode(reported.outcome).decode()},
        )
        _advance(tables, job_id, Event.TRAINING_ENDED)


def _correct_allocations(tables: Tables, key: dict[str, Any]) -> None:
    """Once every rank has told its node, hold what is really held: the engine may have chosen other nodes."""
    tables.execute(
        """DELETE FROM allocations WHERE job_id = :job_id AND attempt = :attempt AND
             NOT (SELECT exclusive FROM jobs WHERE id = :job_id) AND
             (SELECT workers FROM jobs WHERE id = :job_id) =
             (SELECT count(node) FROM ranks WHERE job_id = :job_id AND attempt = :attempt)""",
        key,
    )
    tables.execute(
        """INSERT INTO allocations (job_id, attempt, node, gpus)
           SELECT r.job_id, r.attempt, r.node, count(*) * j.gpus_per_worker
           FROM ranks r JOIN jobs j ON j.id = r.job_id
           WHERE r.job_id = :job_id AND r.attempt = :attempt AND NOT EXISTS
             (SELECT 1 FROM allocations a WHERE a.job_id = r.job_id AND a.attempt = r.attempt)
           GROUP BY r.node""",
        key,
    )


def _attempt(row: dict[str, Any]) -> ActiveAttempt:
    outcome = None if row["outcome"] is None else json.loads(row["outcome"])
    return msgspec.convert(
        {**row, "args": json.loads(row["args"]), "nodes": json.loads(row["nodes"]), "outcome": outcome}, ActiveAttempt
    )
