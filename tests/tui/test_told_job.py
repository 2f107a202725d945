"""Jobs that are kept by column are those that would be read at once; what is wrong with them is found at once."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from gpuq.client import Json
from gpuq.models import EndReason, Job, JobState, Reason
from gpuq.wire import decode
from gpuq_daemon.feed.columns import by_column
from gpuq_tui.foreign import cleaned
from gpuq_tui.lines.line import Look
from gpuq_tui.told_job import told_job, told_jobs, told_table
from tests.tui.scripted import HOSTILE, a_job, a_running_job, as_json


@pytest.mark.parametrize("look", [Look(), Look(is_ascii=True)])
@pytest.mark.parametrize(
    "job",
    [
        a_job(1),
        a_job(2, name=HOSTILE, args=("--lr", HOSTILE), user="bücher", reason=None, array_id=2, array_index=7),
        a_job(3, state=JobState.FAILED, error=HOSTILE, error_tail=("a", HOSTILE), end_reason=EndReason.NODE_LOST),
        a_job(4, reason=Reason.PRIORITY, nodes=("n1", "n2"), p50_at=3.5),
        a_running_job(5),
    ],
)
def test_it_is_the_job_that_would_be_read_at_once(job: Job, look: Look) -> None:
    row = as_json(job)

    told, whole = told_job(row, look), decode(Job, cleaned(row, look))

    assert told == whole
    assert whole == told
    assert [type(getattr(told, one.name)) for one in fields(Job)] == [
        type(getattr(whole, one.name)) for one in fields(Job)
    ]
    assert told.shown_id == whole.shown_id


_WAITING = [
    a_job(1),
    a_job(2, name=HOSTILE, args=("--lr", HOSTILE), user="bücher", reason=None, array_id=2, array_index=7),
    a_job(4, reason=Reason.PRIORITY, p50_at=3.5, priority=7),
]


@pytest.mark.parametrize("look", [Look(), Look(is_ascii=True)])
@pytest.mark.parametrize("jobs", [_WAITING, _WAITING[:1], [*_WAITING, a_running_job(5)]])
def test_rows_and_a_table_are_the_jobs_that_would_be_read_one_by_one(jobs: list[Job], look: Look) -> None:
    rows = [as_json(job) for job in jobs]
    waiting = [row for row in rows if row["state"] == "PENDING"]

    one_by_one = [decode(Job, cleaned(row, look)) for row in rows]

    assert sorted(told_jobs(rows, look), key=lambda job: job.id) == one_by_one
    assert told_table(by_column(list(waiting[0]), [list(row.values()) for row in waiting]), look) == [
        job for job in one_by_one if job.state is JobState.PENDING
    ]


def test_like_texts_of_a_table_are_kept_once() -> None:
    rows = [as_json(a_job(number, name=f"{'x' * 50}{number % 2}")) for number in range(4)]

    jobs = told_jobs(json.loads(json.dumps(rows)), Look())

    assert jobs[0].name is jobs[2].name
    assert jobs[0].name != jobs[1].name


def test_a_job_has_no_fields_but_its_own() -> None:
    with pytest.raises(AttributeError):
        _ = told_job(as_json(a_job(1)), Look()).colour  # pyright: ignore - there is none


def test_a_field_that_this_version_does_not_know_is_left_out_and_one_that_was_not_told_is_as_usual() -> None:
    row = {**as_json(a_job(1)), "colour": "red"}
    del row["nice"]

    (job,) = told_table({"same": row, "columns": {}}, Look())

    assert job == a_job(1)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"id": [1, 2], "gpus": [1]}, ValueError),
        ({"id": [1, 2], "state": ["PENDING", "ODD"]}, ValueError),
        ({"id": [1], "name": [{"a": 1}]}, TypeError),
        ({"id": [1], "ranks": [[{"rank": 0}]]}, ValueError),
    ],
)
def test_what_is_wrong_with_a_table_is_found_before_it_is_shown(changes: Json, error: type[Exception]) -> None:
    same = {name: value for name, value in as_json(a_job(1)).items() if name not in changes}

    with pytest.raises(error):
        told_table({"same": same, "columns": changes}, Look())
    with pytest.raises(KeyError):
        told_table({"same": {"state": "PENDING"}, "columns": {"id": [1]}}, Look())


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"state": "ODD"}, ValueError), ({"reason": "Odd"}, ValueError), ({"end_reason": "Odd"}, ValueError)],
)
def test_what_is_wrong_with_a_row_is_found_before_it_is_shown(changes: Json, error: type[Exception]) -> None:
    with pytest.raises(error):
        told_job({**as_json(a_job(1)), **changes}, Look())
    with pytest.raises(KeyError):
        told_job({"id": 1, "state": "PENDING"}, Look())
