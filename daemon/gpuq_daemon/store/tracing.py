"""From what an attempt consists of to the attempt: one question for each kind of handle, the newest first."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from gpuq.models import Rank
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.job_rows import HOLDING, rank_of

MOST = 6
"""At most so many attempts are looked up; one more than is ever told, so that it is known whether there are more."""

LIVE = "('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING')"
_RUNTIMES = ("", "containerd://", "docker://", "cri-o://")
_THERE_FIRST = "a.ended_at IS NOT NULL, a.started_at DESC LIMIT :most"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An attempt that a handle leads to, and which of its ranks it names."""

    job_id: int
    attempt: int
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """An attempt, its times and why it ended."""

    application_id: str | None
    driver_pid: int | None
    started_at: float
    ended_at: float | None
    end_reason: str | None


class TraceStore:
    """Attempts by what belongs to them, of all that are kept."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of_application(self, application_id: str) -> list[Found]:
        """Return the attempts whose driver has told of an application."""
        return self._found(
            f"""SELECT a.job_id, a.number AS attempt, NULL AS rank FROM attempts a
                WHERE a.application_id = :application_id ORDER BY {_THERE_FIRST}""",
            {"application_id": application_id},
        )

    def of_executor(self, application_id: str, executor_id: str) -> list[Found]:
        """Return the rank on an executor of an application."""
        return self._found(
            f"""SELECT r.job_id, r.attempt, r.rank FROM attempts a
                JOIN ranks r ON r.job_id = a.job_id AND r.attempt = a.number
                WHERE a.application_id = :application_id AND r.executor_id = :executor_id ORDER BY {_THERE_FIRST}""",
            {"application_id": application_id, "executor_id": executor_id},
        )

    def of_process(self, host: str, pid: int) -> list[Found]:
        """Return the ranks that had a process number on a host or node.

        A system gives numbers out again: each comes with when its attempt ran.
        """
        return self._found(
            f"""SELECT r.job_id, r.attempt, r.rank FROM ranks r
                JOIN attempts a ON a.job_id = r.job_id AND a.number = r.attempt
                WHERE r.pid = :pid AND (r.host = :host OR r.node = :host) ORDER BY {_THERE_FIRST}""",
            {"pid": pid, "host": host},
        )

    def of_identity(self, pid: int, start_time: int, boot_id: str) -> list[Found]:
        """Return the rank whose process exactly this is, whatever its host is called."""
        return self._found(
            f"""SELECT r.job_id, r.attempt, r.rank FROM ranks r
                JOIN attempts a ON a.job_id = r.job_id AND a.number = r.attempt
                WHERE r.pid = :pid AND r.start_time = :start_time AND r.boot_id = :boot_id ORDER BY {_THERE_FIRST}""",
            {"pid": pid, "start_time": start_time, "boot_id": boot_id},
        )

    def of_token(self, token: str) -> list[Found]:
        """Return the attempt that processes with this mark are of."""
        return self._found(
            f"""SELECT a.job_id, a.number AS attempt, NULL AS rank FROM attempts a
                WHERE a.token = :token ORDER BY {_THERE_FIRST}""",
            {"token": token},
        )

    def of_yarn_container(self, container_id: str, application_id: str) -> list[Found]:
        """Return the rank in a container of an application, else the application's attempt."""
        return self._found(
            f"""SELECT a.job_id, a.number AS attempt, r.rank FROM attempts a
                LEFT JOIN ranks r ON r.job_id = a.job_id AND r.attempt = a.number AND r.container_id = :container_id
                WHERE a.application_id = :application_id ORDER BY {_THERE_FIRST}""",
            {"container_id": container_id, "application_id": application_id},
        )

    def of_gpu(self, gpus: Collection[str], node: str | None) -> list[Found]:
        """Return the ranks that have or had a GPU, called by any of these names, of a node or host, or of any.

        Without a node only names count that no other GPU has: not mere numbers. A node has had very many: beyond those
        that run, the jobs queued last are looked at first.
        """
        names = json.dumps(sorted(gpus))
        if node is None:
            return self._found(
                f"""SELECT g.job_id, g.attempt, g.rank FROM gpu_ranks g
                    JOIN attempts a ON a.job_id = g.job_id AND a.number = g.attempt
                    WHERE g.gpu IN (SELECT value FROM json_each(:names)) ORDER BY {_THERE_FIRST}""",
                {"names": names},
            )
        found = self._of_gpu(f"r.job_id IN (SELECT id FROM jobs WHERE state IN {HOLDING})", names, node)
        gone = [one for place in ("node", "host") for one in self._of_gpu(f"r.{place} = :node", names, node)]
        gone.sort(key=lambda one: (one.job_id, one.attempt), reverse=True)
        return list(dict.fromkeys((*found, *gone)))[:MOST]

    def _of_gpu(self, where: str, names: str, node: str) -> list[Found]:
        return self._found(
            f"""SELECT r.job_id, r.attempt, r.rank FROM ranks r
                WHERE {where} AND :node IN (r.node, r.host)
                  AND EXISTS (SELECT 1 FROM json_each(r.gpus) WHERE value IN (SELECT value FROM json_each(:names)))
                ORDER BY r.job_id DESC, r.attempt DESC LIMIT :most""",
            {"names": names, "node": node},
        )

    def of_node(self, node: str) -> list[Found]:
        """Return the attempts that have or had ranks on a node or host, the newest first."""
        found = [
            one
            for place in ("node", "host")
            for one in self._found(
                f"""SELECT DISTINCT r.job_id, r.attempt, NULL AS rank FROM ranks r WHERE r.{place} = :node
                    ORDER BY r.job_id DESC, r.attempt DESC LIMIT :most""",
                {"node": node},
            )
        ]
        return sorted(set(found), key=lambda one: (one.job_id, one.attempt), reverse=True)[:MOST]

    def of_driver(self, pid: int) -> list[Found]:
        """Return the attempts whose driver had a process number; drivers that are no pods run where gpuqd does."""
        return self._found(
            f"""SELECT a.job_id, a.number AS attempt, NULL AS rank FROM attempts a
                WHERE a.driver_pid = :pid ORDER BY {_THERE_FIRST}""",
            {"pid": pid},
        )

    def of_job_name(self, name: str) -> list[Found]:
        """Return the newest attempts of the jobs of a name: those that hold GPUs first, then those that wait."""
        asked = "SELECT id AS job_id, max(attempt, 1) AS attempt, NULL AS rank FROM jobs WHERE name = :name"
        held, live = (
            self._found(f"{asked} AND state IN {states} ORDER BY id DESC LIMIT :most", {"name": name})
            for states in (HOLDING, LIVE)
        )
        ended = self._found(f"{asked} AND ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT :most", {"name": name})
        return list(dict.fromkeys((*held, *live, *ended)))[:MOST]

    def of_pod(self, name: str, namespace: str | None) -> list[Found]:
        """Return the attempts of the pods of a name, in one namespace or in any."""
        return self._of_pods("p.name = :name AND (:namespace IS NULL OR p.namespace = :namespace)", name, namespace)

    def of_pod_uid(self, uid: str) -> list[Found]:
        """Return the attempt of a pod."""
        return self._of_pods("p.uid = :name", uid, None)

    def of_container(self, container_id: str) -> list[Found]:
        """Return the attempts of the pods that a container is in, of which this is the number or its beginning.

        The runtime's name before it plays no part.
        """
        begins = (f"(p.container_id >= '{r}' || :name AND p.container_id < '{r}' || :name || 'g')" for r in _RUNTIMES)
        return self._of_pods(" OR ".join(begins), container_id, None)

    def attempt(self, job_id: int, number: int) -> AttemptRow | None:
        """Return an attempt by its number."""
        rows = self._db.rows(
            """SELECT application_id, driver_pid, started_at, ended_at, end_reason FROM attempts
               WHERE job_id = :job_id AND number = :number""",
            {"job_id": job_id, "number": number},
        )
        return AttemptRow(**rows[0]) if rows else None

    def ranks(self, job_id: int, number: int) -> list[Rank]:
        """Return the ranks of any attempt, by number."""
        rows = self._db.rows(
            """SELECT rank, role, host, node, pid, executor_id, gpus, state, exit_code, rows,
                   start_time, boot_id, container_id, disagrees FROM ranks
               WHERE job_id = :job_id AND attempt = :number ORDER BY rank""",
            {"job_id": job_id, "number": number},
        )
        return [rank_of(row) for row in rows]

    def since(self) -> float | None:
        """Return when the first attempt of the oldest job that is kept and was started began."""
        rows = self._db.rows("SELECT started_at FROM attempts ORDER BY job_id, number LIMIT 1", {})
        return rows[0]["started_at"] if rows else None

    def _of_pods(self, where: str, name: str, namespace: str | None) -> list[Found]:
        return self._found(
            f"""SELECT p.job_id, p.attempt, (SELECT r.rank FROM ranks r WHERE r.job_id = p.job_id
                  AND r.attempt = p.attempt AND r.executor_id = p.executor_id AND p.role = 'executor' LIMIT 1) AS rank
                FROM pods p WHERE {where} ORDER BY p.gone_at IS NOT NULL, p.last_seen DESC LIMIT :most""",
            {"name": name, "namespace": namespace},
        )

    def _found(self, sql: str, params: dict[str, Any]) -> list[Found]:
        rows: Sequence[dict[str, Any]] = self._db.rows(sql, {**params, "most": MOST})
        return [Found(job_id=row["job_id"], attempt=row["attempt"], rank=row["rank"]) for row in rows]
