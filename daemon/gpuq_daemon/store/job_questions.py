"""What may be asked about jobs: answered from what is committed, on the event loop's thread."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from gpuq.errors import NotFoundError
from gpuq.models import Code, Job, JobSpec, JobState, Rank
from gpuq_daemon.policy.dependency import Fate, array_fate
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob
from gpuq_daemon.store.attempts import ActiveAttempt, active_attempts
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.job_rows import (
    ACTIVE_COLUMNS,
    ASKED,
    HOLDING,
    ORIGIN,
    QUEUED_COLUMNS,
    Charged,
    active_jobs,
    asked_of,
    code_of,
    fate_of,
    job_of,
    origin_of,
    pending_jobs,
    rank_of,
    spec_of,
)

_NOT_ENDED = "('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING')"
_OF_USER = f"""j.id IN (SELECT id FROM jobs WHERE user = :user AND ended_at IS NOT NULL
                         UNION ALL SELECT id FROM jobs WHERE user = :user AND state IN {_NOT_ENDED})"""
_ACTIVE = f"""SELECT {ACTIVE_COLUMNS}
              FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
              JOIN allocations l ON l.job_id = j.id AND l.attempt = j.attempt
              WHERE j.state IN {HOLDING}"""
_OF_CURRENT = """SELECT t.* FROM {table} t JOIN jobs j ON j.id = t.job_id AND j.attempt = t.attempt
                 WHERE NOT j.is_requeued AND j.id IN (SELECT value FROM json_each(:ids)) ORDER BY t.job_id, t.{order}"""


def unknown_job(job_id: int) -> NotFoundError:
    """Return what is said of a number that no job has."""
    return NotFoundError(f"There is no job {job_id}; `gpuq queue --all` lists those that are known.")


class JobQuestions:
    """The queue and the accounting as they are; nothing is changed."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def job(self, job_id: int) -> Job:
        """Return one job.

        Raises:
            NotFoundError: no job has this id.
        """
        found = self._jobs("j.id = :job_id", {"job_id": job_id})
        if not found:
            raise unknown_job(job_id)
        return found[0]

    def jobs_of_array(self, array_id: int) -> list[Job]:
        """Return an array's tasks by index; empty if there is no such array."""
        return self._jobs("j.array_id = :array_id", {"array_id": array_id}, limit=1_000_000)

    def jobs(
        self, *, everything: bool = False, user: str | None = None, array_id: int | None = None, limit: int = 10_000
    ) -> list[Job]:
        """Return jobs by id, those not ended or `everything`, of one array; of too many, the newest `limit`."""
        where = _listed(everything=everything, user=user, array_id=array_id)
        return self._jobs(where, {"user": user, "array": array_id}, limit)

    def jobs_after(
        self, job_id: int, *, everything: bool = False, user: str | None = None, array_id: int | None = None, limit: int
    ) -> list[Job]:
        """Return the `limit` jobs that come next after an id, by id."""
        where = f"{_listed(everything=everything, user=user, array_id=array_id)} AND j.id > :after"
        ids = self._db.rows(
            f"SELECT j.id FROM jobs j WHERE {where} ORDER BY j.id LIMIT :limit",
            {"user": user, "array": array_id, "after": job_id, "limit": limit},
        )
        return self.jobs_of(row["id"] for row in ids)

    def jobs_of(self, job_ids: Iterable[int]) -> list[Job]:
        """Return those of the jobs that there are, by id."""
        return self._jobs("j.id IN (SELECT value FROM json_each(:ids))", _ids(job_ids), limit=1_000_000)

    def origins(self, job_ids: Iterable[int]) -> dict[int, tuple[Any, ...]]:
        """Return by id what never changes of jobs, in the order of `job_rows.ORIGIN`."""
        asked = f"SELECT id, {', '.join(ORIGIN)} FROM jobs WHERE id IN (SELECT value FROM json_each(:ids))"
        return {job_id: origin_of(*values) for job_id, *values in self._db.tuples(asked, _ids(job_ids))}

    def unbegun(self, job_ids: Iterable[int]) -> dict[int, tuple[str, dict[str, Any]]]:
        """Return by id those of the jobs that wait and have never begun: the user, and the fields of `job_rows.ASKED`.

        A tenth of what reading them whole takes.
        """
        found = self._db.tuples(
            f"""SELECT id, user, {", ".join(ASKED)} FROM jobs
                WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'PENDING' AND attempt = 0""",
            _ids(job_ids),
        )
        return {job_id: (user, asked_of(*values)) for job_id, user, *values in found}

    def live_ids(self, user: str | None = None) -> list[int]:
        """Return the jobs that have not ended, by id."""
        where = _listed(everything=False, user=user)
        found = self._db.tuples(f"SELECT j.id FROM jobs j WHERE {where} ORDER BY j.id", {"user": user})
        return [job_id for (job_id,) in found]

    def active_jobs(self, user: str | None = None) -> list[Job]:
        """Return the jobs that hold GPUs, all or one user's, by id."""
        where = f"j.state IN {HOLDING}" + ("" if user is None else " AND j.user = :user")
        return self._jobs(where, {"user": user}, limit=1_000_000)

    def has_process_beside(self, job_id: int, rank: int, pid: int) -> bool:
        """Return whether a process on the host of a running job's rank is known as a rank of some running job."""
        return bool(
            self._db.rows(
                f"""SELECT 1 FROM ranks it JOIN ranks r ON r.pid = :pid AND (r.host = it.host OR r.node = it.node)
                    JOIN jobs j ON j.id = r.job_id AND j.attempt = r.attempt AND j.state IN {HOLDING}
                    WHERE it.job_id = :job_id AND it.rank = :rank LIMIT 1""",
                {"job_id": job_id, "rank": rank, "pid": pid},
            )
        )

    def pending(self) -> tuple[PendingJob, ...]:
        """Return what waits, by id."""
        return pending_jobs(self._db.tuples(f"SELECT {QUEUED_COLUMNS} FROM jobs WHERE state = 'PENDING' ORDER BY id"))

    def pending_of(self, job_ids: Iterable[int]) -> tuple[PendingJob, ...]:
        """Return those of the jobs that wait, by id."""
        rows = self._db.tuples(
            f"""SELECT {QUEUED_COLUMNS} FROM jobs
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

    def counts_by_state(self) -> list[tuple[str, str, int]]:
        """Return how many jobs have not ended, by partition and state."""
        return list(
            self._db.tuples(
                f"""SELECT partition, state, count(*) FROM jobs WHERE state IN {_NOT_ENDED}
                    GROUP BY partition, state ORDER BY partition, state"""
            )
        )

    def active(self) -> tuple[ActiveJob, ...]:
        """Return what holds GPUs, by id, with the nodes that hold it."""
        return active_jobs(self._db.rows(f"{_ACTIVE} ORDER BY j.id, l.node"))

    def active_of(self, job_ids: Iterable[int]) -> tuple[ActiveJob, ...]:
        """Return those of the jobs that hold GPUs, by id."""
        where = "AND j.id IN (SELECT value FROM json_each(:ids))"
        return active_jobs(self._db.rows(f"{_ACTIVE} {where} ORDER BY j.id, l.node", _ids(job_ids)))

    def active_charges(self, job_id: int | None = None) -> list[Charged]:
        """Return what active jobs hold, who pays and since when, by id; of one job if it is named."""
        which = "" if job_id is None else "AND j.id = :job_id"
        rows = self._db.rows(
            f"""SELECT j.id AS job_id, j.user, j.account, j.qos, j.partition, a.gpu_type, sum(l.gpus) AS gpus,
                       j.workers * j.cpus_per_worker + sum(l.servers) * j.cpus_per_ps AS cpus,
                       j.workers * j.memory_mib_per_worker + sum(l.servers) * j.memory_mib_per_ps AS memory_mib,
                       a.started_at
                FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
                JOIN allocations l ON l.job_id = j.id AND l.attempt = j.attempt
                WHERE j.state IN {HOLDING} {which} GROUP BY j.id ORDER BY j.id""",
            {"job_id": job_id},
        )
        return [Charged(**row) for row in rows]

    def fates(self, targets: Collection[int]) -> dict[int, Fate]:
        """Return what has become of jobs, and of whole arrays, given as their ids below zero.

        What has not started, or waits again, is left out.
        """
        ids, arrays = [target for target in targets if target > 0], [-target for target in targets if target < 0]
        found = dict[int, Fate | None]()
        if ids:
            sql = "SELECT id, state FROM jobs WHERE id IN (SELECT value FROM json_each(:ids))"
            found = {job_id: fate_of(state) for job_id, state in self._db.tuples(sql, _ids(ids))}
        if arrays:
            tasks = defaultdict[int, list[Fate | None]](list)
            sql = "SELECT DISTINCT array_id, state FROM jobs WHERE array_id IN (SELECT value FROM json_each(:ids))"
            for array_id, state in self._db.tuples(sql, _ids(arrays)):
                tasks[-array_id].append(fate_of(state))
            found |= {array: array_fate(fates) for array, fates in tasks.items()}
        return {target: fate for target, fate in found.items() if fate is not None}

    def array_of(self, job_id: int) -> tuple[int, ...]:
        """Return the array that a job is a task of, as its id below zero; nothing for any other job."""
        rows = self._db.rows(
            "SELECT array_id FROM jobs WHERE id = :job_id AND array_id IS NOT NULL", {"job_id": job_id}
        )
        return tuple(-row["array_id"] for row in rows)

    def task_names(self, ids: Collection[int]) -> dict[int, str]:
        """Return what those of the jobs are called that are tasks of arrays: `12_3`."""
        sql = """SELECT id, array_id || '_' || array_index FROM jobs
                 WHERE array_index IS NOT NULL AND id IN (SELECT value FROM json_each(:ids))"""
        return dict(self._db.tuples(sql, _ids(ids)))

    def tasks(self, array_id: int) -> dict[int, int]:
        """Return the jobs of an array's tasks by index; empty if there is no such array."""
        rows = self._db.rows(
            "SELECT array_index, id FROM jobs WHERE array_id = :id ORDER BY array_index", {"id": array_id}
        )
        return {row["array_index"]: row["id"] for row in rows}

    def task_states(self, array_id: int) -> list[tuple[int, JobState]]:
        """Return the jobs of an array's tasks with their states."""
        sql = "SELECT id, state FROM jobs WHERE array_id = :id ORDER BY array_index"
        return [(job_id, JobState(state)) for job_id, state in self._db.tuples(sql, {"id": array_id})]

    def unplaced(self) -> dict[str, int]:
        """Return by partition the last job that has started, but of which it is not known yet on which nodes."""
        rows = self._db.rows(
            f"""SELECT j.partition, max(j.id) AS job_id FROM jobs j
               WHERE j.state IN {HOLDING} AND j.state = 'CONFIGURING' AND j.workers + j.ps + j.evaluator > (
                 SELECT count(*) FROM ranks r
                 WHERE r.job_id = j.id AND r.attempt = j.attempt AND r.node IS NOT NULL)
               GROUP BY j.partition"""
        )
        return {row["partition"]: row["job_id"] for row in rows}

    def active_attempts(self) -> list[ActiveAttempt]:
        """Return the attempts to look after, by job."""
        return active_attempts(self._db)

    def active_attempt(self, job_id: int) -> ActiveAttempt:
        """Return the job's attempt that is not proven gone.

        Raises:
            KeyError: the job has none.
        """
        found = active_attempts(self._db, job_id)
        if not found:
            raise KeyError(job_id)
        return found[0]

    def code(self, sha256: str) -> Code:
        """Return what goes with a script, by its SHA-256.

        Raises:
            KeyError: nothing of that kind is kept.
        """
        rows = self._db.rows("SELECT content FROM scripts WHERE sha256 = :sha256", {"sha256": sha256})
        if not rows:
            raise KeyError(sha256)
        return code_of(rows[0]["content"])

    def specs(self, job_ids: Iterable[int]) -> dict[int, JobSpec]:
        """Return by id what jobs ask for now, as if it were asked for anew; `array` is None for a task."""
        rows = self._db.rows(
            """SELECT j.*, s.content, c.content AS code FROM jobs j JOIN scripts s ON s.sha256 = j.script_sha256
               LEFT JOIN scripts c ON c.sha256 = j.code_sha256
               WHERE j.id IN (SELECT value FROM json_each(:ids)) ORDER BY j.id""",
            _ids(job_ids),
        )
        return {row["id"]: spec_of(row) for row in rows}

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


def _listed(*, everything: bool, user: str | None, array_id: int | None = None) -> str:
    """Return what a list of jobs is asked for with."""
    if array_id is not None:
        of_user = "" if user is None else " AND j.user = :user"
        return f"j.array_id = :array{'' if everything else f' AND j.state IN {_NOT_ENDED}'}{of_user}"
    if everything:
        return "1" if user is None else _OF_USER
    return f"j.state IN {_NOT_ENDED}" + ("" if user is None else " AND j.user = :user")


def _ids(job_ids: Iterable[int]) -> dict[str, str]:
    return {"ids": json.dumps(list(job_ids))}
