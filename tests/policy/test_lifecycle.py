from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.models import JobState
from gpuq_daemon.policy.lifecycle import (
    TRANSITIONS,
    DriverEnd,
    Event,
    Intent,
    Outcome,
    step,
    verdict,
)

_ENDS = st.builds(DriverEnd, exit_code=st.none() | st.integers(0, 255), signal=st.none() | st.integers(1, 31))
_OUTCOMES = st.none() | st.builds(Outcome, exit_code=st.integers(0, 255))
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


def test_the_failed_ranks_own_exit_code_is_the_jobs() -> None:
    outcome = Outcome(exit_code=3, error="ValueError: no", failed_rank=1, tail=("a", "b"))

    decided = verdict(None, outcome, DriverEnd(exit_code=1))

    assert (decided.exit_code, decided.error, decided.failed_rank, decided.tail) == (3, "ValueError: no", 1, ("a", "b"))


@pytest.mark.parametrize(
    ("end", "code", "says"),
    [
        (DriverEnd(signal=9), 137, "killed by signal 9"),
        (DriverEnd(), 137, "its shim were killed"),
        (DriverEnd(exit_code=0), 1, "without a report"),
        (DriverEnd(exit_code=127), 127, "exit code 127"),
    ],
)
def test_a_driver_that_says_nothing_is_judged_by_how_it_ended(end: DriverEnd, code: int, says: str) -> None:
    decided = verdict(None, None, end)

    assert decided.event is Event.GONE_FAILED
    assert decided.exit_code == code
    assert says in (decided.error or "")
