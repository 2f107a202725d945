"""Changes of jobs that wait, each a function in the transaction of whoever calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

import msgspec
from sqlite_utils import Database as Tables

from gpuq.errors import UsageError
from gpuq.models import Code, Job, JobSpec, JobState
from gpuq_daemon.policy import dependency
from gpuq_daemon.policy.array import Array
from gpuq_daemon.policy.dependency import Dependency
from gpuq_daemon.policy.snapshot import Hold, PendingJob
from gpuq_daemon.store.job_rows import args_of, dependencies_of, one_gang, waits_for_of

_ASKED = (
    "name",
    "partition",
    "account",
    "qos",
    "workers",
    "gpus_per_worker",
    "time_limit_s",
    "gpu_type",
    "nodes_wanted",
    "exclusive",
    "layout",
    "cpus_per_worker",
    "memory_mib_per_worker",
    "nice",
    "begin_at",
    "deadline",
    "reservation",
    "signal_s",
    "dependency",
    "ps",
    "evaluator",
    "cpus_per_ps",
    "memory_mib_per_ps",
    "epochs",
    "independent",
    "driver",
    "stop_on",
    "retries",
    "notify",
    "notify_to",
)
_NEW = (
    *("user", "uid", "script_name", "script_sha256", "code_sha256", "args", "sweep", "submitted_at", "hold"),
    *("waits_for", "array_id", "array_index", "throttle"),
)
_INSERT = f"""INSERT INTO jobs (state, {", ".join((*_ASKED, *_NEW))})
              VALUES ('PENDING', {", ".join(f":{name}" for name in (*_ASKED, *_NEW))})"""
# The tasks of an array differ in nothing but their index: one statement for all of them.
_INSERT_TASKS = f"""INSERT INTO jobs (state, {", ".join((*_ASKED, *_NEW))})
                    SELECT 'PENDING', {", ".join(f":{n}" if n != "array_index" else "value" for n in (*_ASKED, *_NEW))}
                    FROM json_each(:indices)"""
_UPDATE = f"""UPDATE jobs SET waits_for = :waits_for, {", ".join(f"{name} = :{name}" for name in _ASKED)}
              WHERE id = :id AND state = 'PENDING'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who submits, as the kernel says."""

    user: str
    uid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A job as it is let in: what was asked for, and what was filled in. `array` None is a single job."""

    spec: JobSpec
    owner: Owner
    name: str
    partition: str
    account: str
    qos: str
    sha256: str
    array: Array | None = None
    code_sha256: str | None = None


def asked_of(spec: JobSpec, *, name: str, partition: str, account: str, qos: str) -> dict[str, Any]:
    """Return what can be asked for, and changed later, as columns of a job."""
    filled = {"name": name, "partition": partition, "account": account, "qos": qos, "nodes_wanted": spec.nodes}
    return {**{name: getattr(spec, name) for name in _ASKED if name not in filled}, **filled}


def code_text(code: Code) -> str:
    """Return what goes with a script as it is kept: the same text for the same code."""
    return msgspec.json.encode(code).decode()


def insert(tables: Tables, request: Request, now: float) -> range:
    """Queue a job, or every task of an array, and return their ids: consecutive, the tasks by index.

    Raises:
        UsageError: it depends on a job that is not there.
    """
    spec = request.spec
    tables.execute(
        "INSERT OR IGNORE INTO scripts (sha256, content) VALUES (:sha256, :content)",
        {"sha256": request.sha256, "content": spec.script},
    )
    if spec.code is not None:
        tables.execute(
            "INSERT OR IGNORE INTO scripts (sha256, content) VALUES (:sha256, :content)",
            {"sha256": request.code_sha256, "content": code_text(spec.code)},
        )
    wanted = () if spec.dependency is None else dependency.parse(spec.dependency)
    if wanted:
        refuse_unknown(tables, wanted)
    row = {
        **asked_of(spec, name=request.name, partition=request.partition, account=request.account, qos=request.qos),
        "user": request.owner.user,
        "uid": request.owner.uid,
        "script_name": spec.script_name,
        "script_sha256": request.sha256,
        "code_sha256": request.code_sha256,
        "args": json.dumps(spec.args),
        "sweep": spec.sweep,
        "submitted_at": now,
        "hold": "user" if spec.hold else None,
        "waits_for": None,
        "throttle": None if request.array is None else request.array.throttle,
        "array_id": None,
        "array_index": None,
    }
    if request.array is None:
        waits_for = waits_for_of(resolved(tables, wanted, None))
        first = int(tables.execute(_INSERT, {**row, "waits_for": waits_for}).lastrowid or 0)
        return range(first, first + 1)
    return _insert_tasks(tables, row, wanted, request.array.indices)


def as_job(request: Request, job_id: int, now: float, *, gpu_kind: str) -> Job:
    """Return the job, of an array the first task, that `insert` has queued under this id, without reading it back."""
    spec, array = request.spec, request.array
    return Job(
        id=job_id,
        name=request.name,
        user=request.owner.user,
        partition=request.partition,
        state=JobState.PENDING,
        workers=spec.workers,
        gpus_per_worker=spec.gpus_per_worker,
        gpus=spec.gpus,
        gpu_kind=gpu_kind,
        script_name=spec.script_name,
        script_sha256=request.sha256,
        args=spec.args if request.array is None else args_of(spec.args, spec.sweep, request.array.indices[0]),
        sweep=spec.sweep,
        time_limit_s=spec.time_limit_s,
        submitted_at=now,
        account=request.account,
        qos=request.qos,
        gpu_type=spec.gpu_type,
        nodes_wanted=spec.nodes,
        exclusive=spec.exclusive,
        layout=spec.layout,
        cpus_per_worker=spec.cpus_per_worker,
        memory_mib_per_worker=spec.memory_mib_per_worker,
        nice=spec.nice,
        hold="user" if spec.hold else None,
        begin_at=spec.begin_at,
        deadline=spec.deadline,
        dependency=spec.dependency,
        array_id=None if array is None else job_id,
        array_index=None if array is None else array.indices[0],
        throttle=None if array is None else array.throttle,
        reservation=spec.reservation,
        signal_s=spec.signal_s,
        ps=spec.ps,
        evaluator=spec.evaluator,
        cpus_per_ps=spec.cpus_per_ps,
        memory_mib_per_ps=spec.memory_mib_per_ps,
        epochs=spec.epochs,
        independent=spec.independent,
        driver=spec.driver,
        stop_on=spec.stop_on,
        retries=spec.retries,
        code_sha256=request.code_sha256,
        notify=spec.notify,
    )


def as_pending(request: Request, job_id: int, now: float) -> PendingJob | None:
    """Return the job that `insert` has queued under this id as the policy sees it, without reading it back.

    None for an array, and for a job that depends on others: what those stand for is found out when it is queued.
    """
    spec = request.spec
    if request.array is not None or spec.dependency is not None:
        return None
    return PendingJob(
        job_id=job_id,
        user=intern(request.owner.user),
        partition=intern(request.partition),
        submitted_at=now,
        gang=one_gang(
            spec.workers,
            spec.gpus_per_worker,
            spec.gpu_type,
            spec.cpus_per_worker,
            spec.memory_mib_per_worker,
            spec.nodes,
            spec.exclusive,
            spec.layout,
            spec.ps,
            spec.evaluator,
            spec.cpus_per_ps,
            spec.memory_mib_per_ps,
        ),
        account=intern(request.account),
        qos=intern(request.qos),
        name=intern(request.name),
        time_limit_s=spec.time_limit_s,
        nice=spec.nice,
        hold=Hold.USER if spec.hold else None,
        begin_at=spec.begin_at,
        deadline=spec.deadline,
        reservation=spec.reservation,
        is_preemptible=spec.signal_s is not None and spec.retries > 0,
    )


def _insert_tasks(tables: Tables, row: dict[str, Any], wanted: Sequence[Dependency], indices: tuple[int, ...]) -> range:
    # The ids of one transaction are consecutive: there is one writer, and ids only go up.
    last: int = tables.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'jobs'").fetchone()[0]
    first = last + 1
    row["array_id"] = first
    if any(one.kind is dependency.Kind.AFTER_CORR for one in wanted):
        each = (
            {**row, "array_index": index, "waits_for": waits_for_of(resolved(tables, wanted, index))}
            for index in indices
        )
        tables.conn.executemany(_INSERT, each)
    else:
        row["waits_for"] = waits_for_of(resolved(tables, wanted, None))
        tables.execute(_INSERT_TASKS, {**row, "indices": json.dumps(indices)})
    return range(first, first + len(indices))


def resolved(tables: Tables, wanted: Sequence[Dependency], index: int | None) -> tuple[Dependency, ...]:
    """Return dependencies as the policy wants them: whole arrays as their ids below zero, `aftercorr` by task."""

    def task(array: int, wanted_index: int) -> int | None:
        found = tables.execute(
            "SELECT id FROM jobs WHERE array_id = :array AND array_index = :index",
            {"array": -array, "index": wanted_index},
        ).fetchone()
        return None if found is None else found[0]

    return dependency.for_task(_marked(tables, wanted), index, task)


def _marked(tables: Tables, wanted: Sequence[Dependency]) -> tuple[Dependency, ...]:
    """Return dependencies with arrays as their ids below zero: the first task has the same id above."""
    return tuple(
        Dependency(kind=one.kind, targets=tuple(-t if _is_array(tables, t) else t for t in one.targets))
        for one in wanted
    )


def _is_array(tables: Tables, job_id: int) -> bool:
    return tables.execute("SELECT 1 FROM jobs WHERE array_id = :id LIMIT 1", {"id": job_id}).fetchone() is not None


def refuse_unknown(tables: Tables, wanted: tuple[Dependency, ...], job_id: int | None = None) -> None:
    """Check that all that is depended on exists, and that nothing waits for itself. `job_id` None is a new job.

    Raises:
        UsageError: it does not, or something would.
    """

    def known(target: int) -> bool:
        return tables.execute("SELECT 1 FROM jobs WHERE id = :id", {"id": abs(target)}).fetchone() is not None

    refused = dependency.refusal(
        job_id, _marked(tables, wanted), known=known, of=lambda target: _waits_for(tables, target)
    )
    if refused is not None:
        raise UsageError(re.sub(r"-(\d+)", r"array \1", refused))


def _waits_for(tables: Tables, target: int) -> tuple[Dependency, ...]:
    """Return what a pending job depends on, and an array on its tasks; nothing for any other job."""
    if target < 0:
        rows = tables.execute("SELECT id FROM jobs WHERE array_id = :id AND state = 'PENDING'", {"id": -target})
        return (Dependency(kind=dependency.Kind.AFTER_ANY, targets=tuple(row[0] for row in rows)),)
    row = tables.execute("SELECT waits_for FROM jobs WHERE id = :id AND state = 'PENDING'", {"id": target}).fetchone()
    return () if row is None or row[0] is None else dependencies_of(row[0])


def understood(tables: Tables, text: str | None, index: int | None) -> tuple[Dependency, ...]:
    """Return what a new job, or task, that says `text` would wait for.

    Raises:
        UsageError: there is no such job.
    """
    wanted = () if text is None else dependency.parse(text)
    refuse_unknown(tables, wanted)
    return resolved(tables, wanted, index)


def update(tables: Tables, job_id: int, asked: dict[str, Any]) -> None:
    """Change what a pending job asks for; `asked` as `asked_of` makes it.

    Raises:
        UsageError: the job does not wait any more, or would wait for itself.
    """
    require_pending(tables, job_id, "changed")
    text = asked["dependency"]
    wanted = () if text is None else dependency.parse(text)
    refuse_unknown(tables, wanted, job_id)
    index = tables.execute("SELECT array_index FROM jobs WHERE id = :id", {"id": job_id}).fetchone()[0]
    waits_for = waits_for_of(resolved(tables, wanted, index))
    tables.execute(_UPDATE, {**asked, "waits_for": waits_for, "id": job_id})


def require_pending(tables: Tables, job_id: int, what: str) -> None:
    """Refuse what can only be done to a job that waits.

    Raises:
        UsageError: this one does not.
    """
    state = tables.execute("SELECT state FROM jobs WHERE id = :id", {"id": job_id}).fetchone()[0]
    if state != JobState.PENDING:
        raise UsageError(f"Job {job_id} is {state}: only a pending job can be {what}.")
