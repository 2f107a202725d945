"""When a change is only tried."""

from __future__ import annotations

import pytest

from gpuq_daemon.api.trying import can_be_tried, is_trial


@pytest.mark.parametrize(
    ("query", "is_it"),
    [
        ("", False),
        ("dry_run=false", False),
        ("dry_run=0&x=1", False),
        ("dry_run=true", True),
        ("dry_run", True),
        ("dry_run=", True),
        ("dry_run=%FF%00", True),
        ("dry_run=true&dry_run=false", True),
        ("dry_run=false&dry_run=true", True),
        ("dry_runs=true", False),
    ],
)
def test_in_doubt_a_change_is_tried_and_not_made(query: str, is_it: bool) -> None:
    assert is_trial({"query_string": query.encode()}) == is_it


def test_only_what_operators_decide_can_be_tried() -> None:
    assert can_be_tried("PATCH", "/v1/limits/user/ann")
    assert not can_be_tried("GET", "/v1/limits")
    assert not can_be_tried("DELETE", "/v1/jobs/1")
    assert not can_be_tried("POST", "/v1/jobs")
