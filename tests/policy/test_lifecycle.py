from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.models import EndReason, JobState
from gpuq_daemon.policy.lifecycle import (
    TRANSITIONS,
    DriverEnd,
    Event,
    Intent,
    Outcome,
    Verdict,
    grace_s,
    step,
    tried_again,
    verdict,
)

_ENDS = st.builds(DriverEnd, exit_code=st.none() | st.integers(0, 255), signal=st.none() | st.integers(1, 31))
_OUTCOMES = st.none() | st.builds(Outcome, exit_code=st.integers(0, 255), reason=st.none() | st.sampled_from(EndReason))
_INTENTS = st.none() | st.sampled_from(Intent)


def test_only_a_requeue_leads_out_of_an_end() -> None:
    ways = {(event, made.state) for (state, event), made in TRANSITIONS.items() if state.is_final}

    assert ways == {(Event.REQUEUE_REQUESTED, JobState.PENDING)}


def test_every_state_leads_to_an_end() -> None:
    reached = {state for state in JobState if state.is_final}
    while True:
        more = {state for (state, _), made in TRANSITIONS.items() if made.state in reached} - reached
        if not more:
            break
        reached |= more

    assert reached == set(JobState)


def test_gpus_are_given_back_only_by_the_proof_that_all_is_gone() -> None:
    for (state, event), made in TRANSITIONS.items():
        if state.holds_gpus and not made.state.holds_gpus:
            assert event.value.startswith("gone")


def test_a_pair_that_the_table_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="no transition from COMPLETED on planned"):
        step(JobState.COMPLETED, Event.PLANNED)


@given(_INTENTS, _OUTCOMES, _ENDS)
def test_only_a_reported_success_completes(intent: Intent | None, outcome: Outcome | None, end: DriverEnd) -> None:
    decided = verdict(intent, outcome, end)

    is_success = outcome is not None and outcome.exit_code == 0
    assert (decided.event is Event.GONE_COMPLETED) == is_success
    assert (decided.exit_code == 0) == is_success


@given(_OUTCOMES.filter(lambda outcome: outcome is None or outcome.exit_code != 0), _ENDS)
def test_what_gpuq_ended_is_not_called_a_failure(outcome: Outcome | None, end: DriverEnd) -> None:
    assert verdict(Intent.CANCEL, outcome, end).event is Event.GONE_CANCELLED
    assert verdict(Intent.TIMEOUT, outcome, end).event is Event.GONE_TIMEOUT
    assert verdict(Intent.REQUEUE, outcome, end).event is Event.GONE_REQUEUED
    assert verdict(Intent.PREEMPT, outcome, end).event is Event.GONE_PREEMPTED


@given(_INTENTS, _OUTCOMES, _ENDS, st.booleans())
def test_whatever_has_not_completed_has_a_reason(
    intent: Intent | None, outcome: Outcome | None, end: DriverEnd, was_asked: bool
) -> None:
    decided = verdict(intent, outcome, end, was_asked=was_asked)

    assert (decided.reason is None) == (decided.event is Event.GONE_COMPLETED)


@pytest.mark.parametrize("intent", [Intent.PREEMPT, Intent.REQUEUE, Intent.CANCEL])
def test_what_ends_well_after_it_was_asked_to_stop_has_not_completed(intent: Intent) -> None:
    well = Outcome(exit_code=0)

    assert verdict(intent, well, DriverEnd(exit_code=0), was_asked=True).event is not Event.GONE_COMPLETED
    assert verdict(intent, well, DriverEnd(exit_code=0)).event is Event.GONE_COMPLETED


def test_a_training_that_stops_before_its_limit_has_run_into_it() -> None:
    for stopped, event in (("time limit", Event.GONE_TIMEOUT), ("deadline", Event.GONE_DEADLINE)):
        decided = verdict(None, Outcome(exit_code=0, stopped=stopped), DriverEnd(exit_code=0))

        assert decided.event is event


@given(st.sampled_from(EndReason), st.integers(0, 3))
def test_only_what_is_not_the_scripts_own_fault_is_tried_again(reason: EndReason, left: int) -> None:
    failed = Verdict(event=Event.GONE_FAILED, exit_code=1, reason=reason)

    again = tried_again(failed, left).event is Event.GONE_RETRIED

    lost = (EndReason.NODE_LOST, EndReason.GPU_LOST, EndReason.RESERVATION_TIMEOUT, EndReason.ENGINE_FAILED)
    assert again == (left > 0 and reason in lost)


def test_who_is_preempted_gets_time_to_save_and_who_is_over_its_limit_has_had_it() -> None:
    assert grace_s(Intent.PREEMPT, None, 30) == 30
    assert grace_s(Intent.PREEMPT, 5, 30) == 5
    assert grace_s(Intent.CANCEL, None, 30) == 0
    assert grace_s(Intent.CANCEL, 60, 30) == 60
    assert grace_s(Intent.TIMEOUT, 60, 30) == 0


def test_the_failed_ranks_own_exit_code_is_the_jobs() -> None:
    outcome = Outcome(exit_code=3, error="ValueError: no", failed_rank=1, tail=("a", "b"))

    decided = verdict(None, outcome, DriverEnd(exit_code=1))

    assert (decided.exit_code, decided.error, decided.failed_rank, decided.tail) == (3, "ValueError: no", 1, ("a", "b"))


@pytest.mark.parametrize(
    ("exit_code", "reason", "error"),
    [(137, EndReason.OUT_OF_MEMORY, "its pod was full"), (3, EndReason.USER_ERROR, "ValueError: no")],
)
def test_of_a_rank_that_was_killed_the_engine_knows_more_than_who_was_inside(
    exit_code: int, reason: EndReason, error: str
) -> None:
    lost = EndReason.NODE_LOST if exit_code == 137 else EndReason.USER_ERROR
    outcome = Outcome(exit_code=exit_code, error="ValueError: no", failed_rank=1, tail=(), reason=lost)

    decided = verdict(None, outcome, DriverEnd(exit_code=1, error="its pod was full", reason=_FULL))

    assert (decided.reason, decided.error) == (reason, error)
    assert tried_again(decided, 1) == decided  # in vain


_FULL = EndReason.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("end", "code", "says", "reason"),
    [
        (DriverEnd(signal=9), 137, "killed by signal 9", EndReason.NODE_LOST),
        (DriverEnd(exit_code=137), 137, "killed by signal 9", EndReason.NODE_LOST),
        (DriverEnd(), 137, "its shim were killed", EndReason.NODE_LOST),
        (DriverEnd(exit_code=0), 1, "without a report", EndReason.USER_ERROR),
        (DriverEnd(exit_code=3), 3, "exit code 3", EndReason.ENGINE_FAILED),
        (DriverEnd(exit_code=127, error="cannot start java"), 127, "cannot start", EndReason.NOT_STARTED),
        (DriverEnd(exit_code=137, error="its pod was full", reason=EndReason.OUT_OF_MEMORY), 137, "full", _FULL),
    ],
)
def test_a_driver_that_says_nothing_is_judged_by_how_it_ended(
    end: DriverEnd, code: int, says: str, reason: EndReason
) -> None:
    decided = verdict(None, None, end)

    assert decided.event is Event.GONE_FAILED
    assert (decided.exit_code, decided.reason) == (code, reason)
    assert says in (decided.error or "")
