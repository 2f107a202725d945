"""The first rank that fails decides the outcome; all ranks done is a success."""

from __future__ import annotations

from typing import Any

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


def test_a_failure_of_the_cluster_has_no_rank() -> None:
    ranks = Ranks(workers=2)

    ranks.broke("no executors")

    assert ranks.outcome is not None
    assert (ranks.outcome["exit_code"], ranks.outcome["failed_rank"]) == (1, None)


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
