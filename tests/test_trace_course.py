"""From what a person has in hand to the job and back, while it runs and when it is gone."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from gpuq.cli import main
from gpuq.errors import NotFoundError, UsageError
from tests.support.daemon import Gpuqd, plain_gpuqd, until

SAYS = """
import json, os, subprocess, sys, time
def main_fun(args, ctx):
    child = subprocess.Popen(["sleep", "600"])
    with open(os.path.join(os.environ["GPUQ_LOG_DIR"], "..", "..", "reports.jsonl"), "a") as file:
        for line in args[1:]:
            file.write(line + chr(10))
    print("child", child.pid, flush=True)
    time.sleep(600)
"""
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


_NAMES = (  # how what can be traced stands in what is printed, beside the columns of tables
    r"process (\S+)", r"executor (\S+)", r"container (\S+)", r"application (\S+?),?(?= |$)", r"Application +(\S+)",
    r"(gpu:\S+)", r"\bon (\S+?),?(?= |$)", r"\s((?:file://)?/\S+)", r"job (\d+)",
    r"(?m:^ *([1-9]\d*(?:_(?:\d+|\[\S+\]))?)  )", r"(?m:^(plain-\d)\b)", r"task (\d+_\d+)", r"  (sleeps|tasks)  ",
)  # fmt: skip


def test_every_name_that_is_printed_can_be_traced_while_it_runs_and_when_it_is_gone(
    daemon: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", daemon.client.path)
    monkeypatch.setenv("COLUMNS", "200")
    array = daemon.enqueue(SLEEPS, name="tasks", array="0-2%1")
    daemon.reaches(array, "RUNNING")
    job = daemon.reaches(daemon.enqueue(SLEEPS, name="sleeps"), "RUNNING")
    number = str(job["id"])

    def names() -> set[str]:
        lines = ("queue", "nodes", "gpus", f"show {number}", f"trace {number}", f"trace {array}_0", "history", "prio")
        assert all(main(words.split()) == 0 for words in (*lines, f"events {number}"))
        text = capfd.readouterr().out
        return {found for pattern in _NAMES for found in re.findall(pattern, text)}

    live = names()
    rank = job["ranks"][0]
    application = str(job["application_id"])
    process, executor = f"{rank['host']}:{rank['pid']}", f"{application}/{rank['executor_id']}"
    gpu = f"gpu:{rank['node']}/{rank['gpus'][0]}"
    assert {number, "sleeps", application, process, executor, gpu, "plain-1", "plain-2", job["log_uri"]} <= live
    assert {f"{array}_0", f"{array}_[1-2%1]"} <= live
    for name in live:  # a GPU may be free, a node empty
        assert (answer := daemon.client.trace(name))["traces"] or answer["is_known"], name
    for name in (array, job["id"]):
        daemon.client.cancel(name)
    daemon.ended(job["id"])
    daemon.ended(array)

    gone = names()
    assert {number, "sleeps", application, process, executor, gpu, "plain-1", "plain-2"} <= gone
    for name in live | gone:
        assert (answer := daemon.client.trace(name))["traces"] or answer["is_known"], name
    for name in (application, process, executor, gpu):
        assert job["id"] in [trace["job_id"] for trace in daemon.client.trace(name)["traces"]]


def test_a_gpu_and_a_node_that_nobody_has_are_known_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with plain_gpuqd() as fresh:
        monkeypatch.setenv("GPUQ_SOCKET", fresh.client.path)
        for handle, said in {
            "gpu:plain-2/0": "GPU 0 of plain-2 is free; no job has or had it.\n",
            "plain-1": "Node plain-1 is up; no job runs or ran there.\n",
        }.items():
            assert main(["trace", handle]) == 0
            assert capfd.readouterr().out == said
        for handle in ("gpu:plain-2/1", "gpu:plain-3/0", "plain-3"):
            with pytest.raises(NotFoundError, match="among nothing yet"):
                fresh.client.trace(handle)


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


def test_of_the_jobs_of_a_name_those_that_run_are_told_before_many_that_wait(daemon: Gpuqd) -> None:
    runs = daemon.enqueue(SLEEPS, name="many")
    daemon.reaches(runs, "RUNNING")
    waiting = [daemon.enqueue(SLEEPS, name="many", hold=True) for _ in range(6)]

    told = [trace["job_id"] for trace in daemon.client.trace("many")["traces"]]

    assert told == [runs, *waiting[:-5:-1]]
    for job_id in (runs, *waiting):
        daemon.client.cancel(job_id)
    daemon.ended(runs)


def says(**said: object) -> str:
    """Return a line that a job's driver might write, true or not."""
    rank = {"kind": "rank", "rank": 0, "role": "chief", "host": "127.0.0.1", "state": "RUNNING", "t": 1.0}
    return json.dumps({**rank, **said} if "kind" not in said else {"t": 1.0, **said})


def test_a_gpu_by_its_own_name_and_a_driver_are_known_when_they_are_gone(daemon: Gpuqd) -> None:
    uuid = "GPU-5f0c1a2b-77aa-4c1d-9c5e-0123456789ab"
    job_id = daemon.enqueue(SAYS, args=[says(gpus=[uuid, "0"])])
    until(lambda: uuid in str(daemon.client.job(job_id)["ranks"]), timeout_s=30, what="a GPU")
    live = daemon.client.trace(uuid)["traces"]
    daemon.client.cancel(job_id)
    driver = daemon.ended(job_id)["driver_pid"]

    (gone,) = daemon.client.trace(uuid)["traces"]
    assert [(trace["job_id"], trace["rank"]) for trace in (*live, gone)] == [(job_id, 0)] * 2
    assert gone["ended_at"] is not None
    assert job_id in [trace["job_id"] for trace in daemon.client.trace(f"localhost:{driver}")["traces"]]
    with pytest.raises(NotFoundError):
        daemon.client.trace(uuid[:-1] + "c")


def test_a_process_that_has_the_number_of_an_earlier_one_is_not_taken_for_it(daemon: Gpuqd) -> None:
    mine = os.getpid()
    line = says(pid=mine, start_time=5, boot_id="another")
    job_id = daemon.enqueue(SAYS, args=[line])
    until(lambda: [r["pid"] for r in daemon.client.job(job_id)["ranks"]] == [mine], timeout_s=30, what="a lie")

    for host in ("localhost", "127.0.0.1", "plain-1"):
        with pytest.raises(NotFoundError, match="Looked for a process"):
            daemon.client.trace(f"{host}:{mine}")
    daemon.client.cancel(job_id)
    daemon.ended(job_id)


def test_any_process_of_a_job_is_known_by_its_mark(daemon: Gpuqd) -> None:
    job_id = daemon.enqueue(SAYS)
    until(lambda: "child" in daemon.client.logs(job_id, rank=0)["data"], timeout_s=30, what="a child")
    pid = daemon.client.logs(job_id, rank=0)["data"].split()[1]

    (trace,) = daemon.client.trace(f"localhost:{pid}")["traces"]
    daemon.client.cancel(job_id)
    daemon.ended(job_id)

    assert (trace["job_id"], trace["rank"], trace["matched"]) == (job_id, None, "process")
    with pytest.raises(NotFoundError):
        daemon.client.trace(f"localhost:{pid}")


def test_a_yarn_container_leads_to_its_rank_and_only_within_its_application(daemon: Gpuqd) -> None:
    known, claimed = "container_e17_17_42_01_000003", "container_e17_17_43_01_000003"
    application = says(kind="application", application_id="application_17_42")
    job_id = daemon.enqueue(SAYS, args=[application, says(container_id=known)])
    other = daemon.enqueue(SAYS, args=[says(container_id=claimed)])
    for each, container in ((job_id, known), (other, claimed)):
        until(
            lambda each=each, container=container: (
                [r["container_id"] for r in daemon.client.job(each)["ranks"]] == [container]
            ),
            timeout_s=30,
            what="a container",
        )

    of_rank = daemon.client.trace(known)["traces"]
    of_application = daemon.client.trace("container_e17_17_42_01_000001")["traces"]
    with pytest.raises(NotFoundError, match="Looked for a YARN container"):
        daemon.client.trace(claimed)
    for each in (job_id, other):
        daemon.client.cancel(each)
        daemon.ended(each)
    gone = daemon.client.trace(known)["traces"]

    assert [(trace["job_id"], trace["rank"]) for trace in of_rank] == [(job_id, 0)]
    assert [(trace["job_id"], trace["rank"]) for trace in of_application] == [(job_id, None)]
    assert [(trace["job_id"], trace["rank"], trace["ranks"][0]["container_id"]) for trace in gone] == [
        (job_id, 0, known)
    ]


def test_a_job_whose_pods_a_quota_does_not_let_be_made_says_so(daemon: Gpuqd) -> None:
    job_id = daemon.enqueue(SLEEPS, args=["--never-begins"])
    until(lambda: bool(daemon.client.job(job_id)["ranks"]), timeout_s=30, what="a rank")
    said = "pods x is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2\n"
    (daemon.folder / f"attempts/{job_id}/1/driver.log").write_text(said)
    before = daemon.client.why(job_id)["text"]
    with closing(sqlite3.connect(daemon.folder / "state.db", timeout=30)) as database, database:
        database.execute(
            """INSERT INTO pods (uid, job_id, attempt, namespace, name, role, phase, first_seen, last_seen)
               VALUES ('u', ?, 1, 'prod', 'driver', 'driver', 'Running', 1, 1)""",
            (job_id,),
        )

    after = daemon.client.why(job_id)["text"]
    daemon.client.cancel(job_id)
    daemon.ended(job_id)

    assert "quota" not in before
    assert "The namespace's quota few lets no further pod be made: it allows pods=2;" in after


def test_the_logs_of_every_attempt_are_kept_apart(daemon: Gpuqd) -> None:
    told = "import os\ndef main_fun(args, ctx):\n    print('attempt', os.environ['GPUQ_ATTEMPT_NUMBER'], flush=True)\n"
    job_id = daemon.enqueue(told, name="twice")
    daemon.reaches(job_id, "COMPLETED")
    daemon.client.requeue(job_id)
    until(lambda: daemon.client.job(job_id)["attempt"] == 2, timeout_s=30, what="the second attempt")
    daemon.reaches(job_id, "COMPLETED")

    first, second = (daemon.client.logs(job_id, rank=0, attempt=number) for number in (1, 2))

    assert "attempt 1" in first["data"]
    assert "attempt 2" in second["data"]
    assert daemon.client.logs(job_id, rank=0) == second
    assert first["is_final"]
    with pytest.raises(NotFoundError, match="no attempt 3; it has had 2"):
        daemon.client.logs(job_id, rank=0, attempt=3)
