"""A task of an array is called `12_3` wherever it is spoken of, not by the number that it has besides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpuq.client import Client
from gpuq.client_admin import AdminClient
from tests.cli.conftest import Gpuq
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.support.page_world import a_script

_SLEEPS = "import time\ndef main_fun(args, ctx):\n    while True: time.sleep(0.1)\n"


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        daemon.enqueue(a_script([1.0, 0.5]), array="0-1")  # jobs 1 and 2
        for job_id in (1, 2):
            daemon.ended(job_id)
        daemon.enqueue(_SLEEPS, array="5-6", time_limit_s=36000)  # 3 and 4
        for job_id in (3, 4):
            daemon.reaches(job_id, "RUNNING")
        daemon.enqueue(_SLEEPS, array="7")  # 5, which waits
        daemon.enqueue(_SLEEPS, dependency="afterok:4")  # 6
        until(lambda: bool(daemon.client.series(2)), timeout_s=20, what="its points")
        yield daemon


@pytest.fixture(autouse=True)
def _asks(gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] - pytest's
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("hold 1_1", "Job 1_1 is COMPLETED: only a pending job can be held."),
        ("hold 2", "Job 1_1 is COMPLETED: only a pending job can be held."),
        ("update 1_1 time=1h", "Job 1_1 is COMPLETED: only a pending job can be changed."),
        ("update 5_7 dependency=afterok:5_7", "Job 5_7 would wait for itself, by way of array 5"),
        ("requeue 5_7", "Job 5_7 is pending already."),
        ("requeue 3_9", "Array 3 has no task 9."),
        ("checkpoint 1_1", "Job 1_1 has no checkpoint"),
        ("plot 1_1 none", "Job 1_1 has no tag 'none'"),
        ("plot 1_1 --run x", "Job 1_1 has no run 'x'"),
        ("plot 5_7", "Job 5_7 has not started, so it has no curve yet"),
        ("logs 5_7", "Job 5_7 waits (Resources): needs 1 GPU, 0 of 2 free: job 3_5 ("),
    ],
)
def test_what_is_refused_names_it(gpuq: Gpuq, line: str, told: str) -> None:
    found = gpuq(*line.split())

    assert told.replace("1 GPU", "1 virtual GPU") in found.err or told in found.err


def test_who_holds_what_it_waits_for_and_what_it_depends_on_are_named(gpuq: Gpuq) -> None:
    why, when, after = gpuq("why", "5_7").out, gpuq("when", "5_7").out, gpuq("why", "6").out

    assert why.startswith("Job 5_7 is PENDING (Resources)")
    assert ": job 3_5 (" in why
    assert when.startswith("Job 5_7 ")
    assert "waits for job 3_6 (afterok)" in after


def test_charts_and_tables_of_tags_name_it(gpuq: Gpuq) -> None:
    assert "jobs 1_0, 1_1: loss" in gpuq("plot", "1_0", "1_1", "loss").out
    assert "1_1 loss: last 0.5" in gpuq("plot", "1_0", "1_1", "loss").out
    assert "\n1_1 " in gpuq("plot", "--list", "1_1").out


def test_the_past_names_it(gpuqd: Gpuqd, gpuq: Gpuq) -> None:
    started = gpuqd.client.job(3)["started_at"]
    until(lambda: "3_6" in gpuq("queue", "--at", "now").out, timeout_s=20, what="the pass on record")
    admin = AdminClient(gpuqd.client.path)

    starts = {one["task"] for one in admin.replay(started + 60, None)["recorded"]}

    queue = gpuq("queue", "--at", "now").out
    assert {"3_5", "3_6"} <= set(queue.split())
    assert starts <= {None, "1_0", "1_1", "3_5", "3_6"}


def test_changes_name_it(gpuq: Gpuq, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpuq.cli.commands import events

    def heard(client: Client, *_: object, **__: object) -> Iterator[tuple[str, object]]:
        with client.stream(job_ids=(), user=None, last=None) as stream:
            for kind, data in stream:
                yield kind, data
                if kind == "ready":
                    client.hold(5)
                if kind == "job" and data.get("reason") == "JobHeldUser":
                    client.release(5)
                    return

    monkeypatch.setattr(events, "heard", heard)

    assert "job 5_7  JobHeldUser" in gpuq("events").out
