"""Which jobs words and options mean: numbers, ranges, tasks, filters."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.errors import NotFoundError, UsageError
from gpuq.filters import NUMBERS, TEXTS, is_expression, matcher
from gpuq.models import Job
from gpuq.selection import Selection, task_of
from gpuq.units import parse_past

NOW = 1_800_000_000.0


def a_job(number: int = 12, **changes: Any) -> dict[str, Any]:
    """Return a job as the API tells it."""
    job: dict[str, Any] = {
        "id": number, "name": "resnet50", "user": "ann", "account": "vision", "partition": "a100", "qos": "normal",
        "state": "PENDING", "reason": "Priority", "gpus": 8, "workers": 4, "gpus_per_worker": 2, "priority": 900,
        "nice": 0, "attempt": 0, "array_id": None, "array_index": None, "nodes": [], "gpu_type": None,
        "reservation": None, "submitted_at": NOW - 3600,
    }  # fmt: skip
    return job | changes


def a_selection(*words: str, **asked: str) -> Selection:
    return Selection(words, asked, now=NOW)


@pytest.mark.parametrize(
    ("words", "named", "spans"),
    [
        (("12",), [(12, None)], []),
        (("1,2,7",), [(1, None), (2, None), (7, None)], []),
        (("12-15", "20"), [(20, None)], [(12, 15)]),
        (("120_3",), [(120, 3)], []),
        (("120_3-5,9",), [(120, 3), (120, 4), (120, 5), (120, 9)], []),
        (("120_[0-1,7%4]",), [(120, 0), (120, 1), (120, 7)], []),
    ],
)
def test_numbers_ranges_and_tasks_are_read(words: tuple[str, ...], named: list[Any], spans: list[Any]) -> None:
    selected = a_selection(*words)

    assert (selected.named, selected.spans) == (named, spans)


@pytest.mark.parametrize(
    "word",
    ["0", "12-", "-12", "15-12", "12_", "12_x", "12_5-3", "12_0-99999999", "1,,2", "resnet", "", "12x", "colour=red",
     "gpus>many", "user>4", "/(/", "12_[3", "\x1b[31m", "gpus~4",
     "!", "!!"],
)  # fmt: skip
def test_what_names_no_job_is_refused_in_one_clean_sentence(word: str) -> None:
    with pytest.raises(UsageError) as refused:
        a_selection(word)

    assert str(refused.value).isprintable()
    assert str(refused.value).endswith(".")


def test_a_number_beyond_all_jobs_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        a_selection("9" * 30)


@given(st.text(max_size=40))
def test_any_word_is_read_or_refused(word: str) -> None:
    try:
        selected = a_selection(word)
    except (UsageError, NotFoundError):
        return
    assert selected.has_numbers or selected.narrows


@pytest.mark.parametrize(
    ("words", "asked", "kept"),
    [
        (("12",), {}, True), (("13",), {}, False), (("10-14",), {}, True), (("13-14",), {}, False),
        (("gpus>4",), {}, True), (("gpus>8",), {}, False), (("gpus>=8", "name=re*"), {}, True),
        (("name=res",), {}, False), (("name~NET",), {}, True), (("!name~net",), {}, False), (("user!=bob",), {}, True),
        (("/^12 res.*50/",), {}, True), (("state=pd",), {}, True), (("state=pend",), {}, True),
        (("state=R",), {}, False),
        (("gpus-per-worker=2",), {}, True), (("node=n1",), {}, False),
        ((), {"account": "vision"}, True), ((), {"account": "vis"}, False), ((), {"state": "PD,R"}, True),
        ((), {"state": "R"}, False), ((), {"name": "RES*"}, True), ((), {"since": "2h"}, True),
        ((), {"since": "30m"}, False), (("12",), {"user": "bob"}, False), (("13", "12"), {"user": "ann"}, True),
    ],
)  # fmt: skip
def test_a_selection_keeps_what_passes_all_of_it(words: tuple[str, ...], asked: dict[str, str], kept: bool) -> None:
    assert a_selection(*words, **asked).keeps(a_job()) is kept


def test_an_array_is_meant_as_a_whole_by_its_number_and_a_task_by_its_index() -> None:
    task = a_job(125, array_id=120, array_index=5)

    assert a_selection("120", user="ann").keeps(task)
    assert a_selection("120_5", user="ann").keeps(task)
    assert not a_selection("120_4", user="ann").keeps(task)
    assert task_of(task) == (120, 5)
    assert task_of(a_job(7)) == (7, None)


def test_every_field_of_a_filter_is_one_of_a_job() -> None:
    fields = set(Job.__dataclass_fields__)

    assert {*TEXTS, *NUMBERS} - {"node"} <= fields | {"gpus"}


def test_a_filter_with_many_stars_ends() -> None:
    assert not matcher(("name=" + "*a" * 40 + "b",), operator.getitem)(a_job(name="a" * 128))


@pytest.mark.parametrize(
    ("word", "is_one"),
    [("gpus>4", True), ("name=x", True), ("!bert", True), ("/x/", True), ("bert", False), ("/", False), ("12", False)],
)
def test_an_expression_says_what_it_looks_at(word: str, is_one: bool) -> None:
    assert is_expression(word) is is_one


@pytest.mark.parametrize(
    ("word", "ago_s"), [("2d", 172_800), ("1h30m", 5400), ("now-2hours", 7200), ("now", 0), ("now-90", 90)]
)
def test_times_that_have_passed_count_back(word: str, ago_s: float) -> None:
    assert parse_past(word, now=NOW) == NOW - ago_s


@pytest.mark.parametrize("word", ["00:00", "23:59", "noon", "midnight", "yesterday"])
def test_a_time_of_day_that_has_passed_is_the_last_such(word: str) -> None:
    assert 0 <= NOW - parse_past(word, now=NOW) <= 25 * 3600


def test_the_user_all_is_everybody() -> None:
    selected = a_selection(user="all")

    assert (selected.user, selected.is_everybodys, selected.narrows) == (None, True, False)
    assert selected.keeps(a_job(7) | {"user": "bob"})
