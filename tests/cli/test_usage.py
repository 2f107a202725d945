"""What was used and what is free, as people see it."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gpuq.cli.views.free import free_rows
from gpuq.units import parse_day
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, a_cluster, as_json

ROW: dict[str, Any] = {
    "key": ["vision"], "period": None, "gpu_s": 7200.0, "failed_gpu_s": 3600.0, "lost_gpu_s": 0.0, "jobs": 3,
    "started": 4, "wait_p50_s": 60.0, "wait_p90_s": 3000.0, "wait_p95_s": 3600.0, "wait_p99_s": 7000.0,
    "wait_longest_s": 7200.0,
}  # fmt: skip
FOUND = {"since": 0.0, "until": 86_400.0, "by": ["account"], "rows": [ROW, ROW | {"key": ["nlp"], "gpu_s": 3600.0}]}


def test_use_is_a_table_with_its_sum(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/usage"] = FOUND

    shown = gpuq("usage", "--since", "2d", "--by", "account").out

    assert "3.0 GPU-h, 2.0 failed, 0.0 lost" in shown
    assert "vision" in shown
    assert "66.7" in shown
    assert "####################" in shown


def test_use_as_csv_reads_back(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/usage"] = FOUND

    rows = list(csv.DictReader(io.StringIO(gpuq("usage", "--csv").out)))

    assert [(row["account"], row["gpu_h"], row["wait_p95_s"]) for row in rows] == [
        ("vision", "2.000", "3600"),
        ("nlp", "1.000", "3600"),
    ]


@pytest.mark.parametrize("words", [("--by", "colour"), ("--since", "never"), ("--per", "hour")])
def test_what_cannot_be_added_up_is_refused(daemon: FakeDaemon, gpuq: Gpuq, words: tuple[str, ...]) -> None:
    done = gpuq("usage", *words)

    assert (done.code, done.err.count("\n")) == (2, 1)


def test_nothing_used_is_said(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/usage"] = FOUND | {"rows": []}

    assert "nothing was used" in gpuq("usage").out


@pytest.fixture(params=["Asia/Tokyo", "UTC", "America/New_York"])
def _somewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_somewhere")
@pytest.mark.parametrize("verb", [("usage",), ("admin", "report", "--csv")])
def test_a_month_is_the_same_month_wherever_it_is_asked_for(
    daemon: FakeDaemon, gpuq: Gpuq, verb: tuple[str, ...]
) -> None:
    daemon.answers["GET /v1/usage"] = FOUND

    assert gpuq(*verb, "--since", "2026-11-01", "--until", "2026-12-01").code == 0
    asked = daemon.asked[-1][2]
    assert (asked["since"], asked["until"]) == ("1793491200.0", "1796083200.0")


@pytest.mark.usefixtures("_somewhere")
def test_the_time_that_is_added_up_is_told_as_its_days_are_cut(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/usage"] = FOUND

    assert gpuq("usage").out.startswith("1970-01-01 00:00 to 1970-01-02 00:00 UTC: ")


@pytest.mark.usefixtures("_somewhere")
@pytest.mark.parametrize(
    ("word", "at"),
    [
        ("today", 1_793_491_200.0),
        ("yesterday", 1_793_404_800.0),
        ("2026-10-31", 1_793_404_800.0),
        ("1h", 1_793_495_400.0),
        ("now-1h", 1_793_495_400.0),
    ],
)
def test_days_are_utc_days(word: str, at: float) -> None:
    assert parse_day(word, now=1_793_499_000.0) == at  # 2026-11-01 02:10 UTC


def test_free_counts_what_is_out_apart(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    node = as_json(a_cluster(free_gpus=1).nodes[0]) | {"gpus": 8, "free_gpus": 3, "gpu_type": "a100"}
    nodes = [node, node | {"name": "b", "free_gpus": 8}, node | {"name": "c", "is_up": False, "free_gpus": 8}]

    (row,) = free_rows(nodes, {"b"})

    assert (row["gpus"], row["busy"], row["free"], row["out"], row["largest"]) == (24, 5, 3, 16, 3)
    daemon.answers |= {"GET /v1/cluster": {"nodes": nodes}, "GET /v1/drains": {"drains": []}}
    assert gpuq("free").out.splitlines()[1].split() == ["default", "a100", "3", "24", "5", "11", "8", "8"]
