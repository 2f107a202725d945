"""The life of a job as a table: (state, event) → step. A pair that is missing is an error, not a no-op."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from gpuq.models import FINAL_STATES, EndReason, JobState, Rank

CANCELLED_EXIT = 143  # 128 + SIGTERM
TIMEOUT_EXIT = 124  # as timeout(1)
DEADLINE_EXIT = TIMEOUT_EXIT
_SIGNALLED = 128
_CLOCK_WAS_SET_S = 60.0
_LONGEST_S = 100 * 365 * 86_400.0


class Event(StrEnum):
    """What can happen to a job."""

    PLANNED = "planned"
    FUNCTION_BEGAN = "function began"
    CANCEL_REQUESTED = "cancel requested"
    LIMIT_REACHED = "limit reached"
    REQUEUE_REQUESTED = "requeue requested"
    DEADLINE_PASSED = "deadline passed"
    PREEMPTED = "preempted"
    NODES_MISSING = "nodes missing"
    TRAINING_ENDED = "training ended"
    DRIVER_ENDED = "driver ended"
    GONE_COMPLETED = "gone, completed"
    GONE_FAILED = "gone, failed"
    GONE_CANCELLED = "gone, cancelled"
    GONE_TIMEOUT = "gone, timed out"
    GONE_DEADLINE = "gone, past its deadline"
    GONE_REQUEUED = "gone, to run again"
    GONE_PREEMPTED = "gone, preempted"
    GONE_RETRIED = "gone, to be tried again"


class Action(StrEnum):
    """What has to be done after a step is committed; each may be repeated safely."""

    LAUNCH = "launch"
    END = "end"
    RECLAIM = "reclaim"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, and what it asks for."""

    state: JobState
    actions: tuple[Action, ...] = ()


_S, _E, _A = JobState, Event, Action

TRANSITIONS: dict[tuple[JobState, Event], Step] = {
    (_S.PENDING, _E.PLANNED): Step(_S.CONFIGURING, (_A.LAUNCH,)),
    (_S.PENDING, _E.CANCEL_REQUESTED): Step(_S.CANCELLED),
    (_S.PENDING, _E.DEADLINE_PASSED): Step(_S.DEADLINE),
    (_S.CONFIGURING, _E.FUNCTION_BEGAN): Step(_S.RUNNING),
    (_S.CONFIGURING, _E.CANCEL_REQUESTED): Step(_S.COMPLETING, (_A.END,)),
    (_S.CONFIGURING, _E.LIMIT_REACHED): Step(_S.COMPLETING, (_A.END,)),
    (_S.CONFIGURING, _E.REQUEUE_REQUESTED): Step(_S.COMPLETING, (_A.END,)),
    (_S.CONFIGURING, _E.DEADLINE_PASSED): Step(_S.COMPLETING, (_A.END,)),
    (_S.CONFIGURING, _E.PREEMPTED): Step(_S.COMPLETING, (_A.END,)),
    (_S.CONFIGURING, _E.NODES_MISSING): Step(_S.COMPLETING, (_A.END,)),
    (_S.CONFIGURING, _E.TRAINING_ENDED): Step(_S.COMPLETING),
    (_S.CONFIGURING, _E.DRIVER_ENDED): Step(_S.COMPLETING, (_A.RECLAIM,)),
    (_S.RUNNING, _E.FUNCTION_BEGAN): Step(_S.RUNNING),
    (_S.RUNNING, _E.CANCEL_REQUESTED): Step(_S.COMPLETING, (_A.END,)),
    (_S.RUNNING, _E.LIMIT_REACHED): Step(_S.COMPLETING, (_A.END,)),
    (_S.RUNNING, _E.REQUEUE_REQUESTED): Step(_S.COMPLETING, (_A.END,)),
    (_S.RUNNING, _E.DEADLINE_PASSED): Step(_S.COMPLETING, (_A.END,)),
    (_S.RUNNING, _E.PREEMPTED): Step(_S.COMPLETING, (_A.END,)),
    (_S.RUNNING, _E.TRAINING_ENDED): Step(_S.COMPLETING),
    (_S.RUNNING, _E.DRIVER_ENDED): Step(_S.COMPLETING, (_A.RECLAIM,)),
    (_S.COMPLETING, _E.FUNCTION_BEGAN): Step(_S.COMPLETING),
    (_S.COMPLETING, _E.CANCEL_REQUESTED): Step(_S.COMPLETING, (_A.END,)),
    (_S.COMPLETING, _E.LIMIT_REACHED): Step(_S.COMPLETING, (_A.END,)),
    (_S.COMPLETING, _E.REQUEUE_REQUESTED): Step(_S.COMPLETING, (_A.END,)),
    (_S.COMPLETING, _E.DEADLINE_PASSED): Step(_S.COMPLETING, (_A.END,)),
    (_S.COMPLETING, _E.PREEMPTED): Step(_S.COMPLETING, (_A.END,)),
    (_S.COMPLETING, _E.TRAINING_ENDED): Step(_S.COMPLETING),
    (_S.COMPLETING, _E.DRIVER_ENDED): Step(_S.COMPLETING, (_A.RECLAIM,)),
    (_S.COMPLETING, _E.GONE_COMPLETED): Step(_S.COMPLETED, (_A.RELEASE,)),
    (_S.COMPLETING, _E.GONE_FAILED): Step(_S.FAILED, (_A.RELEASE,)),
    (_S.COMPLETING, _E.GONE_CANCELLED): Step(_S.CANCELLED, (_A.RELEASE,)),
    (_S.COMPLETING, _E.GONE_TIMEOUT): Step(_S.TIMEOUT, (_A.RELEASE,)),
    (_S.COMPLETING, _E.GONE_DEADLINE): Step(_S.DEADLINE, (_A.RELEASE,)),
    (_S.COMPLETING, _E.GONE_REQUEUED): Step(_S.PENDING, (_A.RELEASE,)),
    (_S.COMPLETING, _E.GONE_PREEMPTED): Step(_S.PENDING, (_A.RELEASE,)),
    (_S.COMPLETING, _E.GONE_RETRIED): Step(_S.PENDING, (_A.RELEASE,)),
    **{(state, _E.REQUEUE_REQUESTED): Step(_S.PENDING) for state in FINAL_STATES},
}


def step(state: JobState, event: Event) -> Step:
    """Return the step that `event` makes in `state`.

    Raises:
        ValueError: the table has no such pair.
    """
    found = TRANSITIONS.get((state, event))
    if found is None:
        raise ValueError(f"no transition from {state} on {event}")
    return found


class Intent(StrEnum):
    """Why gpuq ends an attempt itself; the first one stands, but a cancel takes the place of what would run again.

    A PREEMPTed attempt's job waits again, as of a REQUEUE. NO_NODES: they did not all come up in time.
    """

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    REQUEUE = "requeue"
    DEADLINE = "deadline"
    PREEMPT = "preempt"
    NO_NODES = "no nodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the training ended, as the driver told it.

    `stopped`: it ended early because it was asked to, with the reason that it was given.
    """

    exit_code: int
    error: str | None = None
    failed_rank: int | None = None
    tail: tuple[str, ...] = ()
    reason: EndReason | None = None
    stopped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A program of the site's failed beside a rank: health, prolog or epilog. `node` is what the rank says."""

    rank: int
    hook: str
    text: str
    node: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a driver has said since the last look; `offset` is how far its report file has been read."""

    offset: int
    application_id: str | None = None
    driver_pid: int | None = None
    ranks: tuple[Rank, ...] = ()
    began_at: float | None = None
    outcome: Outcome | None = None
    unfit: tuple[Unfit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverEnd:
    """How spark-submit ended: `signal` if one killed it. Both None: its shim was killed, nobody knows.

    `error` says why it could not be started at all, or what the engine knows of its end, and then `reason` whose fault
    that was. `ended_at` is by the machine's
    clock, which may have been set meanwhile; `ran_s` is how long it ran.
    """

    exit_code: int | None = None
    signal: int | None = None
    ended_at: float | None = None
    error: str | None = None
    reason: EndReason | None = None
    ran_s: float | None = None

    def __post_init__(self) -> None:
        # Read from a file: whatever is no exit code, signal or time counts as not known.
        for name, highest in (("exit_code", 255), ("signal", 127)):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= highest:
                object.__setattr__(self, name, None)
        if self.ran_s is not None and not 0 <= self.ran_s < _LONGEST_S:
            object.__setattr__(self, "ran_s", None)


def end_of(started_at: float, *, said: float | None, now: float, ran_s: float | None) -> float:
    """Return when an attempt ended, never before it began.

    `said` is the time by the clock of then, None if nobody has told. Where that does not agree with how long the
    attempt ran, somebody has set the clock meanwhile (or its start had to wait): then what it ran counts.
    """
    at = now if said is None else min(said, now)
    if ran_s is not None and abs(at - started_at - ran_s) > _CLOCK_WAS_SET_S:
        at = started_at + ran_s
    return max(at, started_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the job ends; `reason` None: it has completed."""

    event: Event
    exit_code: int
    reason: EndReason | None = None
    error: str | None = None
    failed_rank: int | None = None
    tail: tuple[str, ...] = ()


_INTENDED = {
    Intent.CANCEL: Verdict(event=Event.GONE_CANCELLED, exit_code=CANCELLED_EXIT, reason=EndReason.CANCELLED),
    Intent.TIMEOUT: Verdict(
        event=Event.GONE_TIMEOUT, exit_code=TIMEOUT_EXIT, reason=EndReason.TIME_LIMIT, error="reached its time limit"
    ),
    Intent.DEADLINE: Verdict(
        event=Event.GONE_DEADLINE, exit_code=DEADLINE_EXIT, reason=EndReason.DEADLINE, error="ran into its deadline"
    ),
    Intent.REQUEUE: Verdict(event=Event.GONE_REQUEUED, exit_code=CANCELLED_EXIT, reason=EndReason.REQUEUED),
    Intent.PREEMPT: Verdict(event=Event.GONE_PREEMPTED, exit_code=CANCELLED_EXIT, reason=EndReason.PREEMPTED),
    Intent.NO_NODES: Verdict(
        event=Event.GONE_FAILED,
        exit_code=1,
        reason=EndReason.RESERVATION_TIMEOUT,
        error="its nodes did not all come up in time",
    ),
}
_AGAIN = frozenset({Intent.REQUEUE, Intent.PREEMPT, Intent.CANCEL})
RETRIED = frozenset({EndReason.NODE_LOST, EndReason.GPU_LOST, EndReason.RESERVATION_TIMEOUT, EndReason.ENGINE_FAILED})


def verdict(intent: Intent | None, outcome: Outcome | None, end: DriverEnd, *, was_asked: bool = False) -> Verdict:
    """Return how an attempt ended, from what was wanted, what the driver said and how it died.

    A training that reported its end before it was stopped has completed, whatever came after. One that was asked to
    stop first (`was_asked`), and ended well then, has done as it was asked: it is not taken to be complete.
    """
    if outcome is not None and outcome.exit_code == 0:
        if intent is not None and intent in _AGAIN and was_asked:
            return _INTENDED[intent]
        if outcome.stopped is not None:
            return _INTENDED[_stopped_for(intent, outcome.stopped)]
        return Verdict(event=Event.GONE_COMPLETED, exit_code=0)
    if intent is not None:
        return _INTENDED[intent]
    if outcome is not None:
        # Of a rank that was killed nobody inside knows why.
        is_known_outside = end.error is not None and outcome.exit_code == _SIGNALLED + 9
        reason = end.reason if is_known_outside and end.reason is not None else outcome.reason
        return Verdict(
            event=Event.GONE_FAILED,
            exit_code=outcome.exit_code,
            reason=reason if reason is not None else EndReason.USER_ERROR,
            error=end.error if is_known_outside else outcome.error,
            failed_rank=outcome.failed_rank,
            tail=outcome.tail,
        )
    return _unexplained(end)


def grace_s(intent: Intent, signal_s: int | None, preempt_grace_s: float) -> float:
    """Return for how many seconds a training that is asked to stop may go on; 0: it is not asked, but ended at once.

    `signal_s` is what the job asked for. Before its own limits it was asked that much earlier.
    """
    if intent not in _AGAIN:
        return 0.0
    if signal_s is not None:
        return float(signal_s)
    return preempt_grace_s if intent is Intent.PREEMPT else 0.0


def tried_again(ending: Verdict, retries_left: int) -> Verdict:
    """Return an attempt's end as it counts for a job that may be tried again, which no error of its own script is."""
    if ending.event is not Event.GONE_FAILED or ending.reason not in RETRIED or retries_left < 1:
        return ending
    return replace(ending, event=Event.GONE_RETRIED)


def _stopped_for(intent: Intent | None, stopped: str) -> Intent:
    """Return what a training that says it was asked to stop was stopped for."""
    if intent is not None:
        return intent
    return Intent.DEADLINE if stopped == "deadline" else Intent.TIMEOUT


def _unexplained(end: DriverEnd) -> Verdict:
    reason = EndReason.NODE_LOST
    if end.error is not None:
        code, error, reason = end.exit_code or 1, end.error, end.reason or EndReason.NOT_STARTED
    elif end.signal is not None:
        code, error = _SIGNALLED + end.signal, f"the driver was killed by signal {end.signal}"
    elif end.exit_code is None:
        code, error = _SIGNALLED + 9, "the driver and its shim were killed"
    elif end.exit_code == 0:
        code, error, reason = 1, "the driver ended without a report of the training's end", EndReason.USER_ERROR
    elif end.exit_code in (_SIGNALLED + 9, _SIGNALLED + 15):  # as spark-submit tells of the driver that it started
        code, error = end.exit_code, f"the driver was killed by signal {end.exit_code - _SIGNALLED}"
    else:
        code, error = end.exit_code, f"the driver ended with exit code {end.exit_code} before the training"
        reason = EndReason.ENGINE_FAILED
    return Verdict(event=Event.GONE_FAILED, exit_code=code, error=error, reason=reason)
