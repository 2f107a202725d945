"""Attempts of jobs: what is known of one that runs, its start, and what its driver says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
from sqlite_utils import Database as Tables

from gpuq.models import JobState
from gpuq_daemon.policy.lifecycle import Event, Intent, Outcome, Reported
from gpuq_daemon.policy.snapshot import Start
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.job_rows import HOLDING, args_of, flags_of
from gpuq_daemon.store.job_states import advance, state_of
from gpuq_daemon.store.sums import count_start


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAttempt:
    """An attempt that has started and has not been proven gone.

    `first_started_at` is when its job's first one began.
    """

    job_id: int
    number: int
    token: str
    name: str
    user: str
    uid: int
    account: str
    state: JobState
    partition: str
    workers: int
    gpus_per_worker: int
    script_name: str
    script: str
    args: tuple[str, ...]
    started_at: float
    time_limit_s: int | None
    deadline: float | None
    application_id: str | None
    shim: str | None
    intent: Intent | None
    outcome: Outcome | None
    reports_offset: int
    gpus_by_node: dict[str, int]
    signal_s: int | None = None
    array_id: int | None = None
    array_index: int | None = None
    ps: int = 0
    evaluator: bool = False
    ps_by_node: Mapping[str, int] = field(default_factory=dict[str, int])
    epochs: int = 0
    independent: bool = False
    driver: bool = False
    stop_on: str | None = None
    running_at: float | None = None
    retries_left: int = 0
    code_sha256: str | None = None
    first_started_at: float = 0.0

    @property
    def rank_count(self) -> int:
        """Its TFoS nodes: workers, parameter servers and the evaluator."""
        return self.workers + self.ps + self.evaluator

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that its workers were given."""
        return tuple(self.gpus_by_node)


def active_attempts(database: Database, job_id: int | None = None) -> list[ActiveAttempt]:
    """Return the attempts that are not proven gone, by job; of one job if it is named."""
    rows = database.rows(
        f"""SELECT j.id AS job_id, a.number, a.token, j.name, j.user, j.uid, j.account, j.state, j.partition,
                   j.workers, j.gpus_per_worker, j.script_name, s.content AS script, j.args, j.sweep, a.started_at,
                   j.time_limit_s, j.deadline, a.application_id, a.shim, a.intent, a.outcome, a.reports_offset,
                   j.signal_s, j.array_id, j.array_index, j.ps, j.evaluator,
                   j.epochs, j.independent, j.driver, j.stop_on, j.code_sha256,
                   a.running_at, j.retries - j.retried AS retries_left,
                   (SELECT f.started_at FROM attempts f WHERE f.job_id = j.id
                    ORDER BY f.number LIMIT 1) AS first_started_at,
                   (SELECT json_group_object(l.node, l.gpus) FROM allocations l
                    WHERE l.job_id = a.job_id AND l.attempt = a.number AND l.gpus > 0) AS gpus_by_node,
                   (SELECT json_group_object(l.node, l.servers) FROM allocations l
                    WHERE l.job_id = a.job_id AND l.attempt = a.number AND l.servers > 0) AS ps_by_node
            FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
            JOIN scripts s ON s.sha256 = j.script_sha256
            WHERE j.state IN {HOLDING} AND (:job_id IS NULL OR j.id = :job_id) ORDER BY j.id""",
        {"job_id": job_id},
    )
    return [_attempt(row) for row in rows]


def start(tables: Tables, start: Start, token: str, now: float, gpus_of: Mapping[str, int]) -> bool:
    """Turn a planned start into the job's next attempt; False if the job does not wait any more."""
    if state_of(tables, start.job_id) is not JobState.PENDING:
        return False  # cancelled while the plan was made
    advance(tables, start.job_id, Event.PLANNED)
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
    for node, servers in start.ps_by_node.items():
        tables.execute(
            """INSERT INTO allocations (job_id, attempt, node, gpus, servers)
               SELECT id, attempt, :node, 0, :servers FROM jobs WHERE id = :job_id
               ON CONFLICT (job_id, attempt, node) DO UPDATE SET servers = excluded.servers""",
            {**key, "node": node, "servers": servers},
        )
    count_start(tables, start.job_id)
    return True


def record(tables: Tables, job_id: int, attempt: int, reported: Reported) -> None:
    """Keep what the driver said; what was read before is not kept twice."""
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
                                  exit_code, rows, start_time, boot_id, container_id, disagrees)
               VALUES (:job_id, :attempt, :rank, :role, :host, :node, :pid, :executor_id, :gpus, :state,
                       :exit_code, :rows, :start_time, :boot_id, :container_id, :disagrees)
               ON CONFLICT (job_id, attempt, rank) DO UPDATE SET role = excluded.role, host = excluded.host,
                 node = coalesce(excluded.node, node), pid = coalesce(excluded.pid, pid),
                 executor_id = coalesce(excluded.executor_id, executor_id),
                 gpus = CASE excluded.gpus WHEN '[]' THEN gpus ELSE excluded.gpus END,
                 state = excluded.state, exit_code = excluded.exit_code, rows = coalesce(excluded.rows, rows),
                 start_time = coalesce(excluded.start_time, start_time), boot_id = coalesce(excluded.boot_id, boot_id),
                 container_id = coalesce(excluded.container_id, container_id),
                 disagrees = coalesce(excluded.disagrees, disagrees)""",
            row,
        )
    _correct_allocations(tables, key)
    if reported.began_at is not None:
        tables.execute(
            """UPDATE attempts SET running_at = :at
               WHERE job_id = :job_id AND number = :attempt AND running_at IS NULL""",
            {**key, "at": reported.began_at},
        )
        advance(tables, job_id, Event.FUNCTION_BEGAN)
    if reported.outcome is not None:
        tables.execute(
            """UPDATE attempts SET outcome = :outcome
               WHERE job_id = :job_id AND number = :attempt AND outcome IS NULL""",
            {**key, "outcome": msgspec.json.encode(reported.outcome).decode()},
        )
        advance(tables, job_id, Event.TRAINING_ENDED)


def _correct_allocations(tables: Tables, key: dict[str, Any]) -> None:
    """Once every rank has told its node, hold what is really held: the engine may have chosen other nodes."""
    tables.execute(
        """DELETE FROM allocations WHERE job_id = :job_id AND attempt = :attempt AND
             NOT (SELECT exclusive FROM jobs WHERE id = :job_id) AND
             (SELECT workers + ps + evaluator FROM jobs WHERE id = :job_id) =
             (SELECT count(node) FROM ranks WHERE job_id = :job_id AND attempt = :attempt)""",
        key,
    )
    tables.execute(
        """INSERT INTO allocations (job_id, attempt, node, gpus, servers)
           SELECT r.job_id, r.attempt, r.node, sum(r.rank < j.workers) * j.gpus_per_worker, sum(r.rank >= j.workers)
           FROM ranks r JOIN jobs j ON j.id = r.job_id
           WHERE r.job_id = :job_id AND r.attempt = :attempt AND NOT EXISTS
             (SELECT 1 FROM allocations a WHERE a.job_id = r.job_id AND a.attempt = r.attempt)
           GROUP BY r.node""",
        key,
    )


def _attempt(row: dict[str, Any]) -> ActiveAttempt:
    outcome = None if row["outcome"] is None else json.loads(row["outcome"])
    parsed = {name: json.loads(row[name]) for name in ("args", "gpus_by_node", "ps_by_node")}
    parsed["args"] = args_of(parsed["args"], row["sweep"], row["array_index"])
    return msgspec.convert({**row, **parsed, **flags_of(row), "outcome": outcome}, ActiveAttempt)
