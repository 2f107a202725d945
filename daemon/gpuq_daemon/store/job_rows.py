"""Rows of the jobs' tables as the values they stand for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple

import msgspec

from gpuq.models import Code, Job, JobSpec, JobState, Rank
from gpuq.sweep import parse, words
from gpuq_daemon.policy.dependency import Dependency, Fate, Kind
from gpuq_daemon.policy.gang import Gang, Layout
from gpuq_daemon.policy.snapshot import NO_PAST, ActiveJob, Hold, Past, PendingJob

HOLDING = "('CONFIGURING', 'RUNNING', 'COMPLETING')"
QUEUED_ASKS = """id, user, partition, submitted_at, account, qos, name, time_limit_s, nice, is_top, hold,
  begin_at, deadline, waits_for, reservation, array_id, array_index, throttle,
  workers, gpus_per_worker, gpu_type, cpus_per_worker, memory_mib_per_worker, nodes_wanted, exclusive, layout,
  ps, evaluator, cpus_per_ps, memory_mib_per_ps"""
# A job that saves when it is asked to stop (`signal_s`), and may be run again (`retries`), may be stopped for another.
PAST = """(SELECT json_array(coalesce(sum(t.ended_at - t.started_at), 0), coalesce(sum(t.charged_gpu_s), 0),
    coalesce(sum(t.end_reason = 'Preempted'), 0), max(t.ended_at))
  FROM attempts t WHERE t.job_id = {job}.id AND t.ended_at IS NOT NULL)"""
QUEUED_COLUMNS = f"""CASE WHEN attempt > 0 THEN {PAST.format(job="jobs")} END, signal_s IS NOT NULL AND retries > 0,
  {QUEUED_ASKS}"""
ACTIVE_COLUMNS = f"""CASE WHEN j.attempt > 1 THEN {PAST.format(job="j")} END AS past, j.submitted_at, j.reservation,
  j.state != 'COMPLETING' AND a.intent IS NULL AND j.signal_s IS NOT NULL AND j.retries > 0 AS is_preemptible,
  j.workers, j.gpu_type, j.nodes_wanted, j.layout, j.ps, j.evaluator, j.id, j.user, j.partition, j.account, j.qos,
  j.name, j.exclusive, j.array_id, j.throttle, j.gpus_per_worker, j.cpus_per_worker, j.memory_mib_per_worker,
  a.started_at, coalesce(a.started_at + j.time_limit_s, j.deadline) AS until, l.node, l.gpus, l.servers,
  j.cpus_per_ps, j.memory_mib_per_ps"""

_GANG = (
    *("workers", "gpus_per_worker", "gpu_type", "cpus_per_worker", "memory_mib_per_worker", "nodes_wanted"),
    *("exclusive", "layout", "ps", "evaluator", "cpus_per_ps", "memory_mib_per_ps"),
)
_HOLDS = {str(hold): hold for hold in Hold}  # ten times as quick as asking the enum
_FATES = {
    JobState.CONFIGURING: Fate.STARTED,
    JobState.RUNNING: Fate.STARTED,
    JobState.COMPLETING: Fate.STARTED,
    JobState.COMPLETED: Fate.OK,
    JobState.FAILED: Fate.FAILED,
    JobState.CANCELLED: Fate.FAILED,
    JobState.TIMEOUT: Fate.FAILED,
    JobState.DEADLINE: Fate.FAILED,
}


class Charged(NamedTuple):
    """An active job as the accounting sees it: what it holds, since when, and who pays."""

    job_id: int
    user: str
    account: str
    qos: str
    partition: str
    gpu_type: str
    gpus: int
    cpus: int
    memory_mib: int
    started_at: float


class Queued(NamedTuple):
    """How many jobs of one user in one account and QOS are pending."""

    user: str
    account: str
    qos: str
    jobs: int


def fate_of(state: str) -> Fate | None:
    """Return what has become of a job in this state, None before its start."""
    return _FATES.get(JobState(state))


def pending_jobs(rows: Iterable[tuple[Any, ...]]) -> tuple[PendingJob, ...]:
    """Return rows of `QUEUED_COLUMNS` as the policy sees them; like gangs and names are one object."""
    return tuple(_pending_job(*row) for row in rows)


def _pending_job(
    past: str | None,
    is_preemptible: int,
    job_id: int,
    user: str,
    partition: str,
    submitted_at: float,
    account: str,
    qos: str,
    name: str,
    time_limit_s: int | None,
    nice: int,
    is_top: int,
    hold: str | None,
    begin_at: float | None,
    deadline: float | None,
    waits_for: str | None,
    reservation: str | None,
    array_id: int | None,
    array_index: int | None,
    throttle: int | None,
    *gang: Any,
) -> PendingJob:
    return PendingJob(
        job_id=job_id,
        user=intern(user),
        partition=intern(partition),
        submitted_at=submitted_at,
        gang=one_gang(*gang),
        account=intern(account),
        qos=intern(qos),
        name=intern(name),
        time_limit_s=time_limit_s,
        nice=nice,
        is_top=is_top == 1,
        hold=None if hold is None else _HOLDS[hold],
        begin_at=begin_at,
        deadline=deadline,
        dependencies=() if waits_for is None else dependencies_of(waits_for),
        reservation=reservation,
        array_id=array_id,
        array_index=array_index,
        throttle=throttle,
        is_preemptible=is_preemptible == 1,
        past=_past(past),
    )


def _past(text: str | None) -> Past:
    if text is None:
        return NO_PAST
    ran_s, attained_gpu_s, preempted, stopped_at = json.loads(text)
    return Past(ran_s=ran_s, attained_gpu_s=attained_gpu_s, preempted=preempted, stopped_at=stopped_at)


@lru_cache(maxsize=4096)
def one_gang(
    workers: int,
    gpus: int,
    gpu_type: str | None,
    cpus: int,
    memory: int,
    nodes: int | None,
    exclusive: int | bool,
    layout: str,
    ps: int,
    evaluator: int | bool,
    cpus_per_ps: int,
    memory_per_ps: int,
) -> Gang:
    """Return a gang by its columns; like ones are one object."""
    return Gang(
        workers=workers,
        gpus_per_worker=gpus,
        gpu_type=gpu_type,
        cpus_per_worker=cpus,
        memory_mib_per_worker=memory,
        nodes=nodes,
        is_exclusive=exclusive == 1,
        layout=Layout(layout),
        ps=ps,
        evaluator=evaluator == 1,
        cpus_per_ps=cpus_per_ps,
        memory_mib_per_ps=memory_per_ps,
    )


@lru_cache(maxsize=4096)
def dependencies_of(waits_for: str) -> tuple[Dependency, ...]:
    """Return the column `waits_for` as dependencies; arrays are their ids below zero."""
    return tuple(Dependency(kind=Kind(kind), targets=tuple(targets)) for kind, targets in json.loads(waits_for))


def waits_for_of(dependencies: Iterable[Dependency]) -> str | None:
    """Return dependencies as the column `waits_for`."""
    made = [[one.kind, list(one.targets)] for one in dependencies]
    return json.dumps(made) if made else None


def active_jobs(rows: Iterable[dict[str, Any]]) -> tuple[ActiveJob, ...]:
    """Return rows of `ACTIVE_COLUMNS`, one a node, as jobs in the order of the rows."""
    by_job: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_job[row["id"]].append(row)
    return tuple(_active_job(rows) for rows in by_job.values())


def _active_job(rows: list[dict[str, Any]]) -> ActiveJob:
    first = rows[0]
    gpus = {intern(row["node"]): row["gpus"] for row in rows}
    counts = [(intern(row["node"]), row["gpus"] // row["gpus_per_worker"], row["servers"]) for row in rows]

    def held(per_worker: int, per_server: int) -> dict[str, int]:
        return {node: n for node, w, s in counts if (n := w * per_worker + s * per_server)}

    return ActiveJob(
        job_id=first["id"],
        user=first["user"],
        partition=first["partition"],
        gpus_by_node=gpus,
        until=first["until"],
        started_at=first["started_at"],
        account=first["account"],
        qos=first["qos"],
        name=first["name"],
        cpus_by_node=held(first["cpus_per_worker"], first["cpus_per_ps"]),
        memory_mib_by_node=held(first["memory_mib_per_worker"], first["memory_mib_per_ps"]),
        is_exclusive=first["exclusive"] == 1,
        array_id=first["array_id"],
        throttle=first["throttle"],
        submitted_at=first["submitted_at"],
        gang=one_gang(*(first[name] for name in _GANG)),
        reservation=first["reservation"],
        is_preemptible=first["is_preemptible"] == 1,
        past=_past(first["past"]),
    )


def job_of(row: dict[str, Any], nodes: list[str], ranks: list[Rank]) -> Job:
    """Return a row of jobs, with its current attempt's, as everybody sees it."""
    values = {
        **row,
        "gpus": row["workers"] * row["gpus_per_worker"],
        "gpu_kind": "GPU",
        "args": args_of(json.loads(row["args"]), row["sweep"], row["array_index"]),
        "error_tail": json.loads(row["error_tail"]),
        "charged_gpu_s": row["charged_gpu_s"] or 0.0,
        "exclusive": row["exclusive"] == 1,
        **flags_of(row),
        "is_top": row["is_top"] == 1,
        "nodes": tuple(nodes),
        "ranks": tuple(ranks),
    }
    return msgspec.convert(values, Job)


ORIGIN = (
    *("script_name", "script_sha256", "args", "sweep", "array_index", "evaluator", "independent", "driver"),
    *("submitted_at", "array_id", "ps", "cpus_per_ps", "memory_mib_per_ps", "epochs", "code_sha256"),
)
"""Fields of a job that never change, and are columns by the same names."""


def origin_of(
    script_name: str,
    script_sha256: str,
    args: str,
    sweep: str | None,
    array_index: int | None,
    evaluator: int,
    independent: int,
    driver: int,
    *plain: Any,
) -> tuple[Any, ...]:
    """Return a row of `ORIGIN` as everybody sees it."""
    words = () if args == "[]" and sweep is None else args_of(json.loads(args), sweep, array_index)
    flags = (evaluator == 1, independent == 1, driver == 1)
    return (script_name, script_sha256, words, sweep, array_index, *flags, *plain)


ASKED = (
    *("name", "partition", "workers", "gpus_per_worker", "time_limit_s", "account", "qos", "gpu_type", "nodes_wanted"),
    *("exclusive", "layout", "cpus_per_worker", "memory_mib_per_worker", "nice", "is_top", "hold", "begin_at"),
    *("deadline", "dependency", "throttle", "reservation", "signal_s", "stop_on", "retries", "notify"),
)
"""Fields of a pending job that may be changed, and are columns by the same names."""


def asked_of(*values: Any) -> dict[str, Any]:
    """Return a row of `ASKED` as everybody sees it, by field."""
    asked = dict(zip(ASKED, values, strict=True))
    asked["exclusive"], asked["is_top"] = asked["exclusive"] == 1, asked["is_top"] == 1
    asked["gpus"] = asked["workers"] * asked["gpus_per_worker"]
    return asked


_axes = lru_cache(256)(parse)


def args_of(args: Sequence[str], sweep: str | None, index: int | None) -> tuple[str, ...]:
    """Return the words of a job, of a task of a sweep with those of its combination."""
    return tuple(args) if sweep is None or index is None else (*args, *words(_axes(sweep), index))


def flags_of(row: dict[str, Any]) -> dict[str, bool]:
    """Return the columns of a job that say how it trains and are true or false."""
    return {name: row[name] == 1 for name in ("evaluator", "independent", "driver")}


def rank_of(row: dict[str, Any]) -> Rank:
    """Return a row of ranks."""
    return msgspec.convert({**row, "gpus": json.loads(row["gpus"])}, Rank)


def spec_of(row: dict[str, Any]) -> JobSpec:
    """Return a row of jobs, with its script's `content`, as what would ask for the like."""
    values = {
        **row,
        "script": row["content"],
        "args": args_of(json.loads(row["args"]), row["sweep"], row["array_index"]),
        "sweep": None,  # a task has its words
        "nodes": row["nodes_wanted"],
        "exclusive": row["exclusive"] == 1,
        **flags_of(row),
        "hold": row["hold"] is not None,
        "code": None if row["code"] is None else code_of(row["code"]),
    }
    return msgspec.convert(values, JobSpec)


def code_of(text: str) -> Code:
    """Return what goes with a script, as it is kept."""
    return msgspec.json.decode(text, type=Code)
