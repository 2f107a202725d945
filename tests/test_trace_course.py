"""From what a person has in hand to the job and back, while it runs and when it is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gpuq.cli import main
from gpuq.errors import NotFoundError, UsageError
from tests.support.daemon import Gpuqd, plain_gpuqd

SLEEPS = "import time\ndef main_fun(args, ctx):\n    while True:\n        time.sleep(0.1)\n"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Gpuqd]:
    with plain_gpuqd() as found:
        yield found


def test_every_handle_of_a_job_leads_to_it_while_it_runs_and_when_it_is_gone(
    daemon: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", daemon.client.path)
    job = daemon.reaches(daemon.enqueue(SLEEPS, name="sleeps"), "RUNNING")
    rank = job["ranks"][0]
    handles = [
        str(job["id"]),
        f"{rank['host']}:{rank['pid']}",
        job["log_uri"],
        job["log_uri"].removeprefix("file://") + "/logs/rank-0.log",
        *([f"gpu:{rank['node']}/{rank['gpus'][0]}"] if rank["node"] and rank["gpus"] else []),
        *([job["application_id"]] if job["application_id"] else []),
    ]

    live = {handle: daemon.client.trace(handle)["traces"][0] for handle in handles}
    for handle, trace in live.items():
        assert (trace["job_id"], trace["attempt"], trace["ended_at"]) == (job["id"], 1, None), handle
        assert trace["ranks"][0]["pid"] == rank["pid"]
    assert live[f"{rank['host']}:{rank['pid']}"]["rank"] == 0

    assert main(["trace", f"{rank['host']}:{rank['pid']}"]) == 0
    said = capfd.readouterr().out
    for part in ("account root", f"job {job['id']} sleeps  RUNNING", "attempt 1, since", f"pid {rank['pid']}"):
        assert part in said
    assert f">       rank 0 {rank['role']} RUNNING" in said

    daemon.client.cancel(job["id"])
    daemon.ended(job["id"])
    for handle in handles:
        trace = daemon.client.trace(handle)["traces"][0]
        assert trace["job_id"] == job["id"], handle
        assert trace["ended_at"] is not None
        assert trace["state"] == "CANCELLED"
    assert main(["trace", str(job["id"]), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["traces"][0]["end_reason"] is not None


def test_what_nobody_knows_is_said_with_where_it_was_looked_for(daemon: Gpuqd) -> None:
    with pytest.raises(NotFoundError, match="Looked for a pod among all attempts since"):
        daemon.client.trace("prod/no-such-pod")
    with pytest.raises(NotFoundError, match="Looked for a job"):
        daemon.client.trace("999999")
    with pytest.raises(UsageError, match="no form that can be traced"):
        daemon.client.trace("what is this?")


def test_a_job_that_waits_is_traced_too(daemon: Gpuqd) -> None:
    waiting = daemon.enqueue(SLEEPS, hold=True)

    [trace] = daemon.client.trace(str(waiting))["traces"]

    assert (trace["job_id"], trace["attempt"], trace["started_at"], trace["ranks"]) == (waiting, 0, None, [])
