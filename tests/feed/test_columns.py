"""Rows by column say what the rows said."""

from __future__ import annotations

from dataclasses import fields

from gpuq.models import Job
from gpuq_daemon.api.snapshot import FIELDS
from gpuq_daemon.feed.columns import by_column


def test_what_is_the_same_in_all_rows_is_said_once() -> None:
    assert by_column(("id", "user", "reason"), [(1, "ann", None), (2, "ann", None)]) == {
        "same": {"user": "ann", "reason": None},
        "columns": {"id": (1, 2)},
    }


def test_of_one_row_all_is_the_same() -> None:
    assert by_column(("id", "user"), [(1, "ann")]) == {"same": {"id": 1, "user": "ann"}, "columns": {}}


def test_every_field_of_a_job_has_its_column_once() -> None:
    assert sorted(FIELDS) == sorted(field.name for field in fields(Job))
