"""A job that is read field by field is the one that would be read at once; what is wrong with it is found at once."""

from __future__ import annotations

from dataclasses import fields

import pytest

from gpuq.client import Json
from gpuq.models import EndReason, Job, JobState, Reason
from gpuq.wire import decode
from gpuq_tui.foreign import cleaned
from gpuq_tui.lines.line import Look
from gpuq_tui.told_job import ToldJob, told_job
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
    assert whole == told or isinstance(told, ToldJob)
    assert [type(getattr(told, one.name)) for one in fields(Job)] == [
        type(getattr(whole, one.name)) for one in fields(Job)
    ]
    assert told.shown_id == whole.shown_id


def test_nothing_is_read_before_it_is_asked_for() -> None:
    row = as_json(a_job(1))

    job = told_job(row, Look())
    row["name"] = "only now"

    assert job.name == "only now"
    with pytest.raises(AttributeError):
        _ = job.colour  # pyright: ignore - there is none


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"state": "ODD"}, ValueError), ({"reason": "Odd"}, ValueError), ({"end_reason": "Odd"}, ValueError)],
)
def test_what_is_wrong_with_a_row_is_found_before_it_is_shown(changes: Json, error: type[Exception]) -> None:
    with pytest.raises(error):
        told_job({**as_json(a_job(1)), **changes}, Look())
    with pytest.raises(KeyError):
        told_job({"id": 1, "state": "PENDING"}, Look())
