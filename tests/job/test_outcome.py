"""The first rank that fails decides the outcome; all ranks done is a success."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_job.outcome import LOST_EXIT_CODE, Ranks


def kinds(reports: list[dict[str, Any]]) -> list[str]:
    return [report["kind"] for report in reports]


def test_a_rank_keeps_what_was_known_of_it() -> None:
    ranks = Ranks(workers=2)
    ranks.reserved(1, "worker", "10.0.0.2")

    told = ranks.heard({"rank": 1, "state": "RUNNING", "pid": 7, "gpus": ["3"]})

    assert (told[0]["role"], told[0]["host"], told[0]["pid"], told[0]["gpus"]) == ("worker", "10.0.0.2", 7, ["3"])


def test_what_is_known_already_is_not_reported_again() -> None:
    ranks = Ranks(workers=2)

    assert kinds(ranks.reserved(0, "chief", "h")) == ["rank"]
    assert ranks.reserved(0, "chief", "h") == []


def test_all_done_is_a_success() -> None:
    ranks = Ranks(workers=2)

    assert kinds(ranks.heard({"rank": 0, "state": "DONE", "exit_code": 0})) == ["rank"]
    assert ranks.outcome is None
    assert kinds(ranks.heard({"rank": 1, "state": "DONE", "exit_code": 0})) == ["rank", "outcome"]
    assert ranks.outcome is not None
    assert ranks.outcome["exit_code"] == 0


def test_a_rank_that_hangs_up_after_it_is_done_is_not_lost() -> None:
    ranks = Ranks(workers=2)
    ranks.heard({"rank": 0, "state": "DONE", "exit_code": 0})

    assert ranks.hung_up(0, []) == []


def test_a_rank_that_hangs_up_without_a_word_is_lost() -> None:
    ranks = Ranks(workers=2)
    ranks.heard({"rank": 1, "state": "RUNNING"})

    ranks.hung_up(1, ["last line"])

    assert ranks.known[1]["state"] == "LOST"
    assert ranks.outcome is not None
    assert (ranks.outcome["exit_code"], ranks.outcome["failed_rank"]) == (LOST_EXIT_CODE, 1)
    assert ranks.outcome["tail"] == ["last line"]


def test_a_lost_rank_is_told_by_what_is_left_of_it() -> None:
    for tail, was_killed, reason in (
        (["step 3"], False, "NodeLost"),
        (["step 3"], True, "OutOfMemory"),
        (["Fatal Python error: Segmentation fault", "  File ..."], False, "UserError"),
        (["NVRM: GPU at PCI:0000:3b:00: GPU has fallen off the bus."], False, "GpuLost"),
    ):
        ranks = Ranks(workers=1)

        ranks.hung_up(0, tail, was_killed_for_memory=was_killed)

        assert ranks.outcome is not None
        assert ranks.outcome["reason"] == reason


def test_ranks_that_stop_as_asked_are_no_failure_and_neither_is_who_misses_them() -> None:
    ranks = Ranks(workers=2)
    ranks.heard(done(0) | {"stopped": "preempted"})
    assert ranks.outcome is None

    ranks.heard({"rank": 1, "state": "FAILED", "exit_code": 1, "error": "UnavailableError"})

    assert ranks.outcome is not None
    assert (ranks.outcome["exit_code"], ranks.outcome["stopped"]) == (0, "preempted")


def test_a_failure_of_the_cluster_has_no_rank() -> None:
    ranks = Ranks(workers=2)

    ranks.broke("no executors", "EngineFailed")

    assert ranks.outcome is not None
    assert (ranks.outcome["exit_code"], ranks.outcome["failed_rank"]) == (1, None)


def done(rank: int) -> dict[str, Any]:
    return {"rank": rank, "state": "DONE", "exit_code": 0}


def test_the_training_is_over_though_parameter_servers_and_the_evaluator_run_on() -> None:
    ranks = Ranks(workers=2, servers=2)
    ranks.heard({"rank": 2, "state": "RUNNING", "role": "ps"})
    ranks.heard(done(0))
    assert ranks.outcome is None

    told = ranks.heard(done(1))

    assert kinds(told) == ["rank", "outcome"]
    assert (ranks.hung_up(2, [])[0]["state"], ranks.outcome and ranks.outcome["exit_code"]) == ("KILLED", 0)


def test_a_worker_that_only_serves_is_not_waited_for_but_the_chief_is() -> None:
    ranks = Ranks(workers=3)
    ranks.heard({"rank": 0, "state": "RUNNING", "is_serving": True})
    ranks.heard({"rank": 1, "state": "RUNNING", "is_serving": True})
    ranks.heard(done(2))
    assert ranks.outcome is None

    assert kinds(ranks.heard(done(0))) == ["rank", "outcome"]
    assert kinds(ranks.heard(done(1))) == ["rank"], "the driver lets it go then, and it tells so"


@pytest.mark.parametrize("how", ["FAILED", "LOST"])
def test_a_parameter_server_that_fails_fails_the_training_at_once(how: str) -> None:
    ranks = Ranks(workers=2, servers=1)

    if how == "LOST":
        ranks.hung_up(2, ["last line"])
    else:
        ranks.heard({"rank": 2, "state": "FAILED", "exit_code": 7, "error": "ValueError", "tail": ["last line"]})

    assert ranks.outcome is not None
    assert (ranks.outcome["failed_rank"], ranks.outcome["tail"]) == (2, ["last line"])
    assert ranks.outcome["exit_code"] == (LOST_EXIT_CODE if how == "LOST" else 7)


def test_a_parameter_server_that_ends_early_is_no_end_of_the_training() -> None:
    ranks = Ranks(workers=1, servers=1)

    assert kinds(ranks.heard(done(1))) == ["rank"]
    assert kinds(ranks.heard(done(0))) == ["rank", "outcome"]


def test_a_rank_that_does_not_exist_is_ignored() -> None:
    assert Ranks(workers=2).heard({"rank": 2, "state": "FAILED", "exit_code": 1}) == []


MESSAGES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["RESERVED", "RUNNING", "DONE", "FAILED", None]), st.integers(0, 255))
)


@given(MESSAGES)
def test_there_is_one_outcome_and_it_names_the_first_that_failed(messages: list[tuple[int, str | None, int]]) -> None:
    ranks = Ranks(workers=4)
    reports: list[dict[str, Any]] = []
    for rank, state, code in messages:
        message = {"rank": rank, "state": state, "exit_code": code if state == "FAILED" else 0}
        reports += ranks.hung_up(rank, []) if state is None else ranks.heard(message)

    bad = [r["rank"] for r in reports if r["kind"] == "rank" and r["state"] in ("FAILED", "LOST")]
    outcomes = [report for report in reports if report["kind"] == "outcome"]
    done = {rank for rank, known in ranks.known.items() if known["state"] == "DONE"}
    assert len(outcomes) == (1 if bad or len(done) == 4 else 0)
    for outcome in outcomes:
        assert outcome["failed_rank"] == (bad[0] if bad else None)
        assert (outcome["exit_code"] == 0) == (not bad)


def test_independent_ranks_end_all_and_the_first_that_failed_decides() -> None:
    ranks = Ranks(workers=3, are_independent=True)

    ranks.heard({"rank": 2, "state": "FAILED", "exit_code": 7, "error": "boom", "tail": []})
    ranks.hung_up(0, [])
    assert ranks.outcome is None

    ranks.heard({"rank": 1, "state": "DONE", "exit_code": 0})
    assert ranks.outcome is not None
    assert (ranks.outcome["exit_code"], ranks.outcome["failed_rank"], ranks.outcome["error"]) == (7, 2, "boom")


def test_independent_ranks_that_are_all_done_are_a_success() -> None:
    ranks = Ranks(workers=2, are_independent=True)

    for rank in (1, 0):
        ranks.heard({"rank": rank, "state": "DONE", "exit_code": 0})

    assert ranks.outcome is not None
    assert ranks.outcome["exit_code"] == 0


def test_a_script_that_drives_its_ranks_decides_the_end_and_ends_its_parameter_servers() -> None:
    ranks = Ranks(workers=1, servers=1, are_driven=True)

    ranks.heard({"rank": 0, "state": "DONE", "exit_code": 0})
    assert ranks.is_over()
    assert kinds(ranks.hung_up(1, [])) == ["rank"]
    assert (ranks.known[1]["state"], ranks.outcome) == ("KILLED", None)

    assert [report["exit_code"] for report in ranks.ended(3, "the driver script ended with sys.exit(3)")] == [3]
    assert ranks.ended(0, "") == []


def test_a_script_that_leaves_a_worker_in_its_export_has_not_completed() -> None:
    ranks = Ranks(workers=2, are_driven=True)
    ranks.heard(done(1))
    ranks.heard({"rank": 0, "state": "RUNNING"})

    ranks.ended(0, "")

    assert ranks.outcome is not None
    assert ranks.outcome["exit_code"] == 1
    assert "cluster.shutdown()" in ranks.outcome["error"]
    assert [r["exit_code"] for r in Ranks(workers=2, are_driven=True).ended(0, "")] == [0], "one without a cluster"


def test_a_worker_that_fails_ends_the_script_that_drives_it() -> None:
    ranks = Ranks(workers=2, are_driven=True)

    ranks.hung_up(1, ["last words"])

    assert ranks.outcome is not None
    assert (ranks.outcome["exit_code"], ranks.outcome["failed_rank"]) == (LOST_EXIT_CODE, 1)
