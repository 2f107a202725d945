"""Jobs, their attempts, and what each attempt holds: the queue and the accounting."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from sqlite_utils import Database as Tables

from gpuq.errors import NotFoundError
from gpuq.models import Job, JobSpec, JobState, Rank
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
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Start
from gpuq_daemon.store.database import Database

_NOT_ENDED = "('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING')"
_HOLDING = "('CONFIGURING', 'RUNNING', 'COMPLETING')"
_LONGEST_TAIL = 50
_OF_CURRENT = """SELECT t.* FROM {table} t JOIN jobs j ON j.id = t.job_id AND j.attempt = t.attempt
                 WHERE j.id IN (SELECT value FROM json_each(:ids)) ORDER BY t.job_id, t.{order}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who submits, as the kernel says."""

    user: str
    uid: int


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


class JobStore:
    """The queue. Questions are answered from what is committed; changes are durable when they return."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add(self, spec: JobSpec, owner: Owner, *, name: str, partition: str, sha256: str, now: float) -> int:
        """Queue a job and return its id. Ids are never given twice."""

        def write(tables: Tables) -> int:
            tables.execute(
                "INSERT OR IGNORE INTO scripts (sha256, content) VALUES (:sha256, :content)",
                {"sha256": sha256, "content": spec.script},
            )
            row = {
                "name": name,
                "user": owner.user,
                "uid": owner.uid,
                "partition": partition,
                "workers": spec.workers,
                "gpus_per_worker": spec.gpus_per_worker,
                "time_limit_s": spec.time_limit_s,
                "script_name": spec.script_name,
                "sha256": sha256,
                "args": json.dumps(spec.args),
                "now": now,
            }
            added = tables.execute(
                """INSERT INTO jobs (name, user, uid, partition, state, workers, gpus_per_worker,
                                     time_limit_s, script_name, script_sha256, args, submitted_at)
                   VALUES (:name, :user, :uid, :partition, 'PENDING', :workers, :gpus_per_worker,
                           :time_limit_s, :script_name, :sha256, :args, :now)""",
                row,
            )
            return int(added.lastrowid or 0)

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

    def jobs(self, *, everything: bool = False, user: str | None = None, limit: int = 10_000) -> list[Job]:
        """Return jobs by id, those not ended or `everything`; of too many, the newest `limit`."""
        where = "1" if everything else f"j.state IN {_NOT_ENDED}"
        if user is not None:
            where += " AND j.user = :user"
        return self._jobs(where, {"user": user}, limit)

    def pending(self) -> tuple[PendingJob, ...]:
        """Return what waits, by id."""
        rows = self._db.rows(
            """SELECT id AS job_id, user, partition, workers, gpus_per_worker, submitted_at
               FROM jobs WHERE state = 'PENDING' ORDER BY id"""
        )
        return tuple(PendingJob(**row) for row in rows)

    def count_pending(self) -> int:
        """Return how many jobs wait."""
        return self._db.rows("SELECT count(*) AS n FROM jobs WHERE state = 'PENDING'")[0]["n"]

    def active(self) -> tuple[ActiveJob, ...]:
        """Return what holds GPUs, by id, with the nodes that hold it."""
        rows = self._db.rows(
            f"""SELECT j.id AS job_id, j.user, j.partition, l.node, l.gpus,
                       a.started_at + j.time_limit_s AS until
                FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
                JOIN allocations l ON l.job_id = j.id AND l.attempt = j.attempt
                WHERE j.state IN {_HOLDING} ORDER BY j.id"""
        )
        by_job: dict[int, ActiveJob] = {}
        for row in rows:
            node, gpus = row.pop("node"), row.pop("gpus")
            before = by_job.get(row["job_id"])
            held = {**(before.gpus_by_node if before else {}), node: gpus}
            by_job[row["job_id"]] = ActiveJob(**row, gpus_by_node=held)
        return tuple(by_job.values())

    def unplaced(self) -> dict[str, int]:
        """Return by partition the last job that has started, but of which it is not known yet on which nodes."""
        rows = self._db.rows(
            """SELECT j.partition, max(j.id) AS job_id FROM jobs j
               WHERE j.state = 'CONFIGURING' AND j.workers > (
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

    async def start(self, starts: Sequence[tuple[Start, str]], *, now: float) -> list[int]:
        """Turn planned starts, each with its token, into attempts; return the jobs that still wanted one."""

        def write(tables: Tables) -> list[int]:
            return [s.job_id for s, token in starts if _start(tables, s, token, now)]

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
            tables.execute(
                """UPDATE attempts SET intent = :intent WHERE job_id = :job_id AND intent IS NULL
                   AND outcome IS NULL AND number = (SELECT attempt FROM jobs WHERE id = :job_id)""",
                {"job_id": job_id, "intent": intent},
            )
            event = Event.CANCEL_REQUESTED if intent is Intent.CANCEL else Event.LIMIT_REACHED
            made = _advance(tables, job_id, event)
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

    async def finish(self, job_id: int, verdict: Verdict, *, ended_at: float) -> None:
        """End the job and charge its attempt, once."""

        def write(tables: Tables) -> None:
            _advance(tables, job_id, verdict.event)
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
            tables.execute(
                """UPDATE attempts SET ended_at = :ended_at, charged_gpu_s =
                     max(0, :ended_at - started_at) * (SELECT sum(gpus) FROM allocations l
                       WHERE l.job_id = attempts.job_id AND l.attempt = attempts.number)
                   WHERE job_id = :job_id AND charged_gpu_s IS NULL
                   AND number = (SELECT attempt FROM jobs WHERE id = :job_id)""",
                values,
            )

        await self._db.write(write)

    def _attempts(self, where: str, params: dict[str, Any]) -> list[ActiveAttempt]:
        rows = self._db.rows(
            f"""SELECT j.id AS job_id, a.number, a.token, j.name, j.state, j.partition, j.workers,
                       j.gpus_per_worker, j.script_name, s.content AS script, j.args, a.started_at,
                       j.time_limit_s, a.application_id, a.shim, a.intent, a.outcome, a.reports_offset
                FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
                JOIN scripts s ON s.sha256 = j.script_sha256
                WHERE j.state IN {_HOLDING} AND {where} ORDER BY j.id""",
            params,
        )
        return [_attempt(row) for row in rows]

    def _jobs(self, where: str, params: dict[str, Any], limit: int = 1) -> list[Job]:
        rows = self._db.rows(
            f"""SELECT j.*, a.started_at, a.running_at, a.application_id, a.driver_pid, a.charged_gpu_s
                    FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
                    WHERE {where} ORDER BY j.id DESC LIMIT :limit""",
            {**params, "limit": limit},
        )
        ids = {"ids": json.dumps([row["id"] for row in rows])}
        nodes, ranks = defaultdict[int, list[str]](list), defaultdict[int, list[Rank]](list)
        for row in self._db.rows(_OF_CURRENT.format(table="allocations", order="node"), ids):
            nodes[row["job_id"]].append(row["node"])
        for row in self._db.rows(_OF_CURRENT.format(table="ranks", order="rank"), ids):
            ranks[row["job_id"]].append(_rank(row))
        return [_job(row, nodes[row["id"]], ranks[row["id"]]) for row in reversed(rows)]


def _job(row: dict[str, Any], nodes: list[str], ranks: list[Rank]) -> Job:
    values = {
        **row,
        "gpus": row["workers"] * row["gpus_per_worker"],
        "gpu_kind": "GPU",
        "args": json.loads(row["args"]),
        "error_tail": json.loads(row["error_tail"]),
        "charged_gpu_s": row["charged_gpu_s"] or 0.0,
        "nodes": tuple(nodes),
        "ranks": tuple(ranks),
    }
    return msgspec.convert(values, Job)


def _state(tables: Tables, job_id: int) -> JobState:
    row = tables.execute("SELECT state FROM jobs WHERE id = :job_id", {"job_id": job_id}).fetchone()
    return JobState(row[0])


def _advance(tables: Tables, job_id: int, event: Event) -> Step:
    made = step(_state(tables, job_id), event)
    tables.execute("UPDATE jobs SET state = :state WHERE id = :job_id", {"state": made.state, "job_id": job_id})
    return made


def _start(tables: Tables, start: Start, token: str, now: float) -> bool:
    if _state(tables, start.job_id) is not JobState.PENDING:
        return False  # cancelled while the plan was made
    _advance(tables, start.job_id, Event.PLANNED)
    key = {"job_id": start.job_id, "token": token, "now": now}
    tables.execute("UPDATE jobs SET attempt = attempt + 1 WHERE id = :job_id", key)
    tables.execute(
        """INSERT INTO attempts (job_id, number, token, started_at)
           SELECT id, attempt, :token, :now FROM jobs WHERE id = :job_id""",
        key,
    )
    for node, workers in start.workers_by_node.items():
        tables.execute(
            """INSERT INTO allocations (job_id, attempt, node, gpus)
               SELECT id, attempt, :node, :workers * gpus_per_worker FROM jobs WHERE id = :job_id""",
            {**key, "node": node, "workers": workers},
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
    return msgspec.convert({**row, "args": json.loads(row["args"]), "outcome": outcome}, ActiveAttempt)


def _rank(row: dict[str, Any]) -> Rank:
    return msgspec.convert({**row, "gpus": json.loads(row["gpus"])}, Rank)
