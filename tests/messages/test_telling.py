"""What is told of a job, in which words; and that nothing in it can be more than words."""

from __future__ import annotations

import email
import email.policy
from typing import Any

import pytest

from gpuq.models import JobState, Signal, SignalKind
from gpuq_daemon.messages.mail import written
from gpuq_daemon.messages.messenger import pause_s
from gpuq_daemon.policy import telling
from gpuq_daemon.policy.telling import Subject


def a_subject(**named: Any) -> Subject:
    """Return a job of ann's that has run for ten seconds and failed."""
    values: dict[str, Any] = {
        "job_id": 12, "name": "train", "user": "ann", "uid": 1001, "account": "vision", "partition": "p",
        "state": JobState.FAILED, "attempt": 1, "notify": "ended", "exit_code": 1, "error": "ValueError: no",
        "submitted_at": 50.0, "started_at": 100.0, "ended_at": 110.0, **named,
    }  # fmt: skip
    return Subject(**values)


@pytest.mark.parametrize(
    ("notify", "state", "event"),
    [
        ("ended", JobState.COMPLETED, "ended"),
        ("ended", JobState.FAILED, "failed"),
        ("failed", JobState.FAILED, "failed"),
        ("failed", JobState.TIMEOUT, "failed"),
        ("failed", JobState.CANCELLED, None),
        ("failed", JobState.COMPLETED, None),
        ("started", JobState.RUNNING, "started"),
        ("ended", JobState.RUNNING, None),
        ("requeued", JobState.PENDING, "requeued"),
    ],
)
def test_what_was_asked_for_is_told_and_nothing_else(notify: str, state: JobState, event: str | None) -> None:
    notice = telling.of_state(a_subject(notify=notify, state=state), state, 111.0)

    assert (None if notice is None else notice.event) == event


def test_an_end_is_told_with_what_came_of_it() -> None:
    notice = telling.of_state(a_subject(), JobState.FAILED, 111.0)

    assert notice is not None
    assert notice.text == "Job 12 (train) is FAILED after 00:00:10, exit code 1: ValueError: no."
    assert (notice.id, notice.ran_s, notice.exit_code) == ("12.1.FAILED", 10.0, 1)


def test_a_state_that_has_passed_is_told_without_what_came_after() -> None:
    notice = telling.of_state(a_subject(state=JobState.PENDING, exit_code=None), JobState.FAILED, 111.0)

    assert notice is not None
    assert "was FAILED" in notice.text
    assert notice.exit_code is None


def test_an_array_is_told_once_as_a_whole_with_its_counts() -> None:
    task = a_subject(array_id=10, array_index=2, notify="failed")

    assert telling.of_state(task, JobState.FAILED, 1.0) is None
    notice = telling.of_array(task, {"COMPLETED": 7, "FAILED": 2}, 9, 1.0)
    assert notice is not None
    assert notice.text == "Array 10 (train) has ended: of 9 tasks 7 COMPLETED, 2 FAILED."
    assert (notice.job_id, notice.event, notice.tasks) == (10, "failed", {"COMPLETED": 7, "FAILED": 2})
    assert telling.of_array(task, {"COMPLETED": 9}, 9, 1.0) is None


def test_each_task_is_told_where_that_was_asked_for() -> None:
    task = a_subject(array_id=10, array_index=2, notify="ended,tasks")

    notice = telling.of_state(task, JobState.FAILED, 1.0)

    assert notice is not None
    assert notice.text.startswith("Job 10_2 (train) is FAILED")


def test_a_limit_is_told_before_it_is_hit_and_a_signal_once_for_all_ranks() -> None:
    signals = [
        Signal(kind=SignalKind.NAN, attempt=1, rank=rank, tag="loss", step=3, wall_time=1.0, text="loss is NaN")
        for rank in (0, 1)
    ]
    running = a_subject(state=JobState.RUNNING, notify="limit,nan", time_limit_s=100, ended_at=None)

    def ids(now: float) -> list[str]:
        return [n.id for n in telling.of_course(running, signals, silent_since=None, now=now)]

    assert ids(189.0) == ["12.1.nan"]
    assert ids(191.0) == ["12.1.nan", "12.1.limit"]


@pytest.mark.parametrize("name", ["x\r\nBcc: all@example.org", "\x1b[31mred", "a\n\n.\nQUIT", "<!channel>", "ünïcode"])
def test_a_name_is_one_line_of_a_mail_and_calls_nobody_in_a_chat(name: str) -> None:
    notice = telling.of_state(a_subject(name=name, error=f"e{name}"), JobState.FAILED, 111.0)
    assert notice is not None

    raw = written(notice, "12.1.FAILED#0", to="ann@example.org", sender="gpuq@host", cluster="c")

    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail["To"] == "ann@example.org"
    assert mail["Bcc"] is None
    assert set(mail.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Gpuq-Id", "X-Gpuq-Event", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert "\x1b" not in str(mail["Subject"]) + mail.get_content()
    assert "<!" not in telling.chat_text(notice, "c")


def test_tries_come_ever_more_rarely() -> None:
    assert [pause_s(n) for n in (1, 2, 3, 8, 60)] == [10.0, 40.0, 160.0, 3600.0, 3600.0]
