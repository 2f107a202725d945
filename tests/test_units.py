"""Times, counts and numbers as people write them."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.errors import GpuqError, NotFoundError, UsageError
from gpuq.units import (
    MAX_TIME_LIMIT_S,
    duration,
    number,
    parse_count,
    parse_job_id,
    parse_memory,
    parse_task,
    parse_time_limit,
    plural,
    size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("45s", 45),
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d", 86400),
        ("01:30", 90),
        ("02:00:00", 7200),
        ("1-12", 129_600),
        ("1-12:30", 131_400),
        ("1-12:00:00", 129_600),
        (" 2H ", 7200),
    ],
)
def test_time_limits(text: str, seconds: int) -> None:
    assert parse_time_limit(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "1h2d", "h", "2x", "1:2:3:4", "1--2", ":", "-", "٣", "9" * 30, "367d", "1.5h"]
)
def test_no_time_limits(text: str) -> None:
    with pytest.raises(UsageError):
        parse_time_limit(text)


@given(st.integers(1, MAX_TIME_LIMIT_S))
def test_a_duration_can_be_read_back(seconds: int) -> None:
    assert parse_time_limit(duration(seconds)) == seconds


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_time_limit, parse_job_id, partial(parse_count, what="GPUs")):
        try:
            assert parse(text) >= 1
        except GpuqError as error:
            assert str(error).isprintable()  # noqa: PT017 - refusing is one of two right answers


def test_job_numbers() -> None:
    assert parse_job_id("012") == 12
    with pytest.raises(NotFoundError):
        parse_job_id(str(2**63))


def test_numbers_for_people() -> None:
    assert (size(512), size(10 * 1024 * 1024)) == ("512 B", "10.0 MiB")
    assert (number(0.41234), number(None), number(0.0)) == ("0.4123", "-", "0")
    assert (plural(1, "GPU"), plural(2, "GPU")) == ("1 GPU", "2 GPUs")
    assert (duration(-5), duration(90_061.9)) == ("00:00:00", "1-01:01:01")


@pytest.mark.parametrize(
    ("text", "mib"), [("4096", 4096), ("512m", 512), ("16G", 16384), ("16GiB", 16384), ("1TB", 1 << 20)]
)
def test_memory(text: str, mib: int) -> None:
    assert parse_memory(text) == mib


def test_a_task_is_named_by_its_array_and_index() -> None:
    assert parse_task("12") == (12, None)
    assert parse_task("12_0") == (12, 0)


@pytest.mark.parametrize("text", ["", "b", "1x", "-1", "1e9", "٣"])
def test_what_is_no_memory_and_no_task_is_said(text: str) -> None:
    with pytest.raises(GpuqError):
        parse_memory(text)
    with pytest.raises(GpuqError):
        parse_task(f"12_{text}")
