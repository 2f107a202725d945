"""`gpuq admin diag` against a scripted daemon on a real socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gpuq.cli.views.diag import seconds
from gpuq.diagnosis import Diagnosis, EngineHealth, RouteSpread, Spread
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, as_json


def a_spread(name: str, **named: Any) -> Spread:
    plain: dict[str, Any] = {"count": 7, "mean_s": 0.5, "p50_s": 0.5, "p99_s": 2.0, "max_s": 2.0, "last_s": 0.000213}
    return Spread(name=name, **(plain | named))


def a_diagnosis(**named: Any) -> Diagnosis:
    plain: dict[str, Any] = {
        "at": 4000.0,
        "started_at": 400.0,
        "since": 1000.0,
        "version": "0.1.0",
        "pid": 17,
        "pending": 12,
        "active": 3,
        "connections": 5,
        "in_flight": 2,
        "streaming": 1,
        "open_files": 30,
        "most_files": 1024,
        "threads": 4,
        "rss_mib": 41.4,
        "peak_rss_mib": 50.0,
        "cpu_s": 3.0,
        "writes": 99,
        "lag": a_spread("lag"),
        "looks": a_spread("look", count=0),
        "point_age": a_spread("age", count=0),
        "passes": (a_spread("plan"),),
        "commits": (),
        "queries": (),
        "slow": (a_spread("SELECT * FROM \x1b[31mjob"),),
        "routes": (RouteSpread(spread=a_spread("GET /v1/jobs"), failed=1, refused=22),),
        "engines": (
            EngineHealth(partition="a", nodes=1, wrong=None),
            EngineHealth(partition="b", nodes=2, wrong="the master is gone"),
        ),
    }
    return Diagnosis(**(plain | named))


def test_diag_shows_what_was_counted_and_leaves_out_what_was_not(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/diag"] = a_diagnosis()

    done = gpuq("admin", "diag")

    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert "jobs           12 pending, 3 active" in lines
    assert "engine a       well, 1 node" in lines
    assert "engine b       the master is gone" in lines
    assert [line.split()[0] for line in lines if line.split()[1:2] == ["N"]] == ["SCHEDULING", "API"]
    assert "plan        7  500 ms  500 ms  2.00 s  2.00 s  213 us" in lines
    assert next(line for line in lines if line.startswith("GET")).split()[-2:] == ["22", "1"]
    assert not any(one in done.out for one in ("COMMITS", "INGEST", "\x1b"))


def test_diag_in_json_is_what_the_daemon_said(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/diag"] = a_diagnosis()

    assert json.loads(gpuq("admin", "diag", "--json").out) == as_json(a_diagnosis())


def test_reset_is_asked_for_only_when_wanted(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["DELETE /v1/diag"] = a_diagnosis()

    done = gpuq("admin", "diag", "--reset")

    assert done.out.endswith("The counts begin anew.\n")
    assert [asked[:2] for asked in daemon.asked] == [("DELETE", "/v1/diag")]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0.00 us"),
        (0.000_000_4, "0.40 us"),
        (0.000_999_4, "999 us"),
        (0.000_999_6, "1.00 ms"),
        (0.009_99, "9.99 ms"),
        (0.009_999, "10.0 ms"),
        (0.999_4, "999 ms"),
        (0.999_9, "1.00 s"),
        (123.4, "123 s"),
    ],
)
def test_durations_have_three_digits(value: float, said: str) -> None:
    assert seconds(value) == said
