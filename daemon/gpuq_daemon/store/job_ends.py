"""How jobs and attempts end: what is intended, what is charged, and what runs again."""

from __future__ import annotations

import json

from sqlite_utils import Database as Tables

from gpuq.errors import UsageError
from gpuq.models import EndReason, JobState
from gpuq_daemon.policy import usage
from gpuq_daemon.policy.lifecycle import CANCELLED_EXIT, DEADLINE_EXIT, Action, Event, Intent, Verdict
from gpuq_daemon.policy.usage import Charge
from gpuq_daemon.store.accounts import charge
from gpuq_daemon.store.job_rows import dependencies_of
from gpuq_daemon.store.job_states import advance, state_of
from gpuq_daemon.store.sums import count_again, count_end

_LONGEST_TAIL = 50
_EVENTS = {
    Intent.CANCEL: Event.CANCEL_REQUESTED,
    Intent.TIMEOUT: Event.LIMIT_REACHED,
    Intent.REQUEUE: Event.REQUEUE_REQUESTED,
    Intent.DEADLINE: Event.DEADLINE_PASSED,
    Intent.PREEMPT: Event.PREEMPTED,
    Intent.NO_NODES: Event.NODES_MISSING,
}
_UNSTARTED: dict[Intent, tuple[int, str | None, EndReason]] = {
    Intent.CANCEL: (CANCELLED_EXIT, None, EndReason.CANCELLED),
    Intent.DEADLINE: (DEADLINE_EXIT, "could not start in time to end by its deadline", EndReason.DEADLINE),
}


def intend(tables: Tables, job_id: int, intent: Intent, now: float) -> tuple[Action, ...]:
    """Note that gpuqd ends the job; return what has to be done. A job that has ended is left alone."""
    state = state_of(tables, job_id)
    if state.is_final or _is_too_late(tables, job_id, state, intent, now):
        return ()
    _note_intent(tables, job_id, intent)
    made = advance(tables, job_id, _EVENTS[intent])
    if made.state.is_final:
        exit_code, error, reason = _UNSTARTED[intent]
        tables.execute(
            """UPDATE jobs SET ended_at = :now, exit_code = :exit_code, error = :error, end_reason = :reason
               WHERE id = :job_id""",
            {"job_id": job_id, "now": now, "exit_code": exit_code, "error": error, "reason": reason},
        )
    return made.actions


def _is_too_late(tables: Tables, job_id: int, state: JobState, intent: Intent, now: float) -> bool:
    """Return whether what was seen of the job, and led to the intent, is not so any more."""
    match intent:
        case Intent.DEADLINE:
            return state is JobState.PENDING and not _is_late(tables, job_id, now)
        case Intent.PREEMPT:
            return state is JobState.PENDING
        case Intent.NO_NODES:
            return state is not JobState.CONFIGURING
        case _:
            return False


def _is_late(tables: Tables, job_id: int, now: float) -> bool:
    """Return whether a pending job still cannot meet its deadline: that may have been changed since it was seen."""
    return (
        tables.execute(
            "SELECT 1 FROM jobs WHERE id = :id AND deadline - coalesce(time_limit_s, 0) < :now",
            {"id": job_id, "now": now},
        ).fetchone()
        is not None
    )


def requeue(tables: Tables, job_id: int, *, is_held: bool) -> tuple[Action, ...]:
    """Let a job run again: one that has ended waits at once, one that runs is ended first.

    Raises:
        UsageError: it waits, or its training has just ended, or what it depends on is not kept any more.
    """
    before = state_of(tables, job_id)
    _refuse_requeue(tables, job_id, before)
    if before.is_final:
        _refuse_forgotten(tables, job_id)
    if is_held:
        tables.execute("UPDATE jobs SET hold = 'user' WHERE id = :id AND hold IS NOT 'admin'", {"id": job_id})
    made = advance(tables, job_id, Event.REQUEUE_REQUESTED)
    if before.is_final:
        _wait_again(tables, job_id)
        count_again(tables, job_id, _number(tables, job_id))
        tables.execute("UPDATE jobs SET retried = 0 WHERE id = :id", {"id": job_id})
    else:
        _note_intent(tables, job_id, Intent.REQUEUE)
    return made.actions


def driver_ended(tables: Tables, job_id: int) -> None:
    """Note that the driver is gone; its GPUs are not free before `finish`."""
    advance(tables, job_id, Event.DRIVER_ENDED)


def finish(
    tables: Tables, job_id: int, verdict: Verdict, *, ended_at: float, rate: float, half_life_s: float | None
) -> None:
    """End the job, or let it wait again if that is the verdict, and charge its attempt, once."""
    made = advance(tables, job_id, verdict.event)
    values = {
        "job_id": job_id,
        "ended_at": ended_at,
        "exit_code": verdict.exit_code,
        "error": verdict.error,
        "tail": json.dumps(verdict.tail[-_LONGEST_TAIL:]),
        "failed_rank": verdict.failed_rank,
        "reason": verdict.reason,
        "tries": verdict.event is Event.GONE_RETRIED,
        "ended_as": _ended_as(verdict.event, made.state),
    }
    tables.execute(
        """UPDATE jobs SET ended_at = :ended_at, exit_code = :exit_code, error = :error,
           error_tail = :tail, failed_rank = :failed_rank, end_reason = :reason, retried = retried + :tries
           WHERE id = :job_id""",
        values,
    )
    tables.execute(
        """UPDATE ranks SET state = 'KILLED' WHERE job_id = :job_id AND state IN ('RESERVED', 'RUNNING')
           AND attempt = (SELECT attempt FROM jobs WHERE id = :job_id)""",
        values,
    )
    charged_now = tables.execute(
        """UPDATE attempts SET ended_at = :ended_at, end_reason = :reason, ended_as = :ended_as, charged_gpu_s =
             max(0, :ended_at - started_at) * (SELECT sum(gpus) FROM allocations l
               WHERE l.job_id = attempts.job_id AND l.attempt = attempts.number)
           WHERE job_id = :job_id AND charged_gpu_s IS NULL
           AND number = (SELECT attempt FROM jobs WHERE id = :job_id)""",
        values,
    )
    if charged_now.rowcount:
        count_end(tables, job_id, _number(tables, job_id))
        if half_life_s is not None:
            _charge(tables, job_id, rate, ended_at, half_life_s)
    if made.state is JobState.PENDING:
        _wait_again(tables, job_id)


def _ended_as(event: Event, state: JobState) -> str:
    """Return what an attempt counts as: its job's final state, or what let the job run again."""
    if state is not JobState.PENDING:
        return state.value
    return "RETRIED" if event is Event.GONE_RETRIED else "REQUEUED"


def _number(tables: Tables, job_id: int) -> int:
    """Return the number of a job's last attempt, 0 if it had none."""
    return tables.execute("SELECT attempt FROM jobs WHERE id = :id", {"id": job_id}).fetchone()[0]


def _charge(tables: Tables, job_id: int, rate: float, ended_at: float, half_life_s: float) -> None:
    account, user, started_at = tables.execute(
        """SELECT j.account, j.user, a.started_at
           FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
           WHERE j.id = :job_id""",
        {"job_id": job_id},
    ).fetchone()
    used = usage.charged(Charge(rate=rate, since=started_at, until=ended_at), ended_at, half_life_s)
    charge(tables, account, user, used, half_life_s)


def _note_intent(tables: Tables, job_id: int, intent: Intent) -> None:
    """Note the first intent; only a cancel comes after what would run again.

    What has told its outcome has ended by itself.
    """
    tables.execute(
        """UPDATE attempts SET intent = :intent WHERE job_id = :job_id AND outcome IS NULL
           AND (intent IS NULL OR (intent IN ('requeue', 'preempt') AND :intent = 'cancel'))
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


def _refuse_forgotten(tables: Tables, job_id: int) -> None:
    """Refuse to let a job wait for one that is not kept any more: it would do so for ever."""
    row = tables.execute("SELECT waits_for, dependency FROM jobs WHERE id = :id", {"id": job_id}).fetchone()
    if row[0] is None:
        return
    sql = "SELECT EXISTS (SELECT 1 FROM jobs WHERE id = :target OR array_id = -:target)"
    for target in {target for one in dependencies_of(row[0]) for target in one.targets}:
        if not tables.execute(sql, {"target": target}).fetchone()[0]:
            raise UsageError(
                f"Job {job_id} depends on job {abs(target)} ({row[1]}), which is not kept any more: "
                "queue it as a new job, without that."
            )


def _wait_again(tables: Tables, job_id: int) -> None:
    """Take off a job what its last attempt left on it."""
    tables.execute(
        """UPDATE jobs SET is_requeued = 1, ended_at = NULL, exit_code = NULL, error = NULL, error_tail = '[]',
           failed_rank = NULL WHERE id = :id""",
        {"id": job_id},
    )
