"""What is said of a job that has nothing to draw."""

from __future__ import annotations

import pytest

from gpuq.cli.views.silence import why_nothing


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("PENDING", "has not started, so it has no curve yet: `gpuq why 7`"),
        ("CONFIGURING", "is starting"),
        ("CANCELLED", "ended before it started"),
    ],
)
def test_a_job_that_has_not_started_has_nothing_to_draw(state: str, said: str) -> None:
    assert f"Job 7 {said}" in why_nothing("7", state, has_started=False)


@pytest.mark.parametrize(
    ("state", "known", "said"),
    [
        ("RUNNING", {"files": 0}, "runs, and has not begun an event file: its script writes"),
        ("FAILED", {"files": 0, "error": "ValueError"}, "ended without an event file: its script"),
        ("RUNNING", {"files": 1}, "has 1 event file, without a curve in it so far: TensorFlow holds back"),
        ("COMPLETED", {"files": 2}, "wrote 2 event files, without a curve in them."),
        ("RUNNING", {"files": 1, "tags": 3}, "has written no curve, but 3 other tags: `gpuq plot --list 7`"),
        ("RUNNING", {"files": 0, "error": "hdfs://a is away."}, "has no curve that could be read: hdfs://a is away."),
        ("RUNNING", {}, "runs, and has not written a curve yet."),
    ],
)
def test_a_job_without_curves_is_explained(state: str, known: dict[str, object], said: str) -> None:
    assert f"Job 7 {said}" in why_nothing("7", state, has_started=True, **known)  # type: ignore[arg-type]


def test_what_comes_from_elsewhere_is_made_harmless() -> None:
    assert "\x1b" not in why_nothing("7", "RUNNING", has_started=True, error="\x1b[2J" + "x" * 1000)
