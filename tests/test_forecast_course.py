"""What is to come, asked of a real daemon; only Spark is left out."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator

import pytest

from gpuq.client_admin import AdminClient, TrialClient, TriedError
from gpuq.errors import NotFoundError, UsageError
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.estimates import EstimateStore
from tests.support.daemon import Gpuqd, plain_gpuqd, until

ME = getpass.getuser()
LONG = "import time\ndef main_fun(args, ctx):\n    time.sleep(600)\n"


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def jobs(gpuqd: Gpuqd) -> tuple[int, int]:
    """Return a job that runs for an hour at most on all there is, and one that waits for it."""
    first = gpuqd.enqueue(LONG, workers=2, time_limit_s=3600)
    gpuqd.reaches(first, "RUNNING")
    return first, gpuqd.enqueue(LONG, workers=2, time_limit_s=1800)


def test_a_waiting_job_is_told_when_it_will_start_wherever_it_is_shown(gpuqd: Gpuqd, jobs: tuple[int, int]) -> None:
    _, waiting = jobs
    client, now = gpuqd.client, time.time()

    when = client.when(waiting)

    assert now < when["p50_at"] <= when["p90_at"] <= now + 3700
    shown = (client.job(waiting), client.why(waiting), client.jobs()[-1])
    assert [(one["p50_at"], one["p90_at"]) for one in shown] == [(when["p50_at"], when["p90_at"])] * 3
    assert client.queue()["pending"]["p50_at"] == [when["p50_at"]]


def test_a_script_that_is_not_queued_is_told_when_it_would_start(gpuqd: Gpuqd, jobs: tuple[int, int]) -> None:
    spec = {"script_name": "job.py", "script": LONG, "workers": 2, "time_limit_s": 60}

    would = gpuqd.client.test(spec, estimate=True)

    assert would["p50_at"] is not None
    assert "p50_at" not in gpuqd.client.job(jobs[0]) or gpuqd.client.job(jobs[0])["p50_at"] is None
    assert len(gpuqd.client.jobs()) == 2


def test_what_was_promised_is_on_record_and_judged(gpuqd: Gpuqd, jobs: tuple[int, int]) -> None:
    gpuqd.client.when(jobs[1])

    report = AdminClient(gpuqd.client.path).eta_report(0.0)

    assert [row["which"] for row in report["rows"]][:2] == ["all", "first of each job"]
    database = Database(gpuqd.folder / "flight.db", "flight")
    try:
        assert set(EstimateStore(database).last) == {jobs[1]}
    finally:
        database.close()


def test_what_would_start_sooner_is_named_behind_the_reason(gpuqd: Gpuqd, jobs: tuple[int, int]) -> None:
    as_it_is, *ways = gpuqd.client.sooner(jobs[1])

    assert as_it_is["words"] == ""
    assert ways == []  # everything is taken: nothing that it could ask for is there
    assert gpuqd.client.sooner(jobs[0]) == []


def test_a_change_is_tried_and_not_made(gpuqd: Gpuqd, jobs: tuple[int, int]) -> None:
    admin = AdminClient(gpuqd.client.path)

    found = admin.what_if("add 2")

    [moved] = found["moved"]
    assert moved["job_id"] == jobs[1]
    assert moved["after_at"] < moved["before_at"]
    assert (found["waiting"], len(gpuqd.client.cluster()["nodes"])) == (1, 2)
    with pytest.raises(UsageError, match="There is no node 'none'"):
        admin.what_if("drain none")


CHANGES: list[tuple[Callable[[AdminClient], object], bool]] = [
    (lambda admin: admin.set_limit("qos", "normal", {"running_gpus": 1}), True),
    (lambda admin: admin.drain("plain-1", "fan"), True),
    (lambda admin: admin.add_account("vision", parent=None, shares="3"), False),
    (lambda admin: admin.add_member(ME, "root"), False),
    (lambda admin: admin.add_qos("urgent", priority=5), False),
    (lambda admin: admin.modify_qos("normal", priority=7), False),
    (
        lambda admin: admin.add_reservation(
            {"name": "upgrade", "nodes": ["plain-1"], "end_at": time.time() + 9 * 86_400}
        ),
        True,
    ),
]


@pytest.mark.parametrize(("change", "moves"), CHANGES)
def test_what_an_operator_would_decide_is_tried_and_not_made(
    gpuqd: Gpuqd, jobs: tuple[int, int], change: Callable[[AdminClient], object], moves: bool
) -> None:
    admin = AdminClient(gpuqd.client.path)
    before = _decided(admin)

    with pytest.raises(TriedError) as tried:
        change(TrialClient(gpuqd.client.path))

    found = tried.value.found
    assert [one["job_id"] for one in found["moved"]] == ([jobs[1]] if moves else [])
    assert found["waiting"] == 1
    assert _decided(admin) == before


def test_a_trial_is_refused_as_the_change_would_be(gpuqd: Gpuqd, jobs: tuple[int, int]) -> None:
    trial = TrialClient(gpuqd.client.path)

    with pytest.raises(NotFoundError, match="no node 'none'"):
        trial.drain("none", "fan")
    with pytest.raises(UsageError, match="cannot be deleted"):
        trial.delete_qos("normal")
    with pytest.raises(UsageError, match="cannot be tried"):
        trial.cancel(jobs[1])
    assert gpuqd.client.job(jobs[1])["state"] == "PENDING"


def _decided(admin: AdminClient) -> tuple[object, ...]:
    tables = (admin.limits(), admin.drains(), admin.accounts(), admin.qos(), admin.reservations())
    return (*tables, [row for row in admin.audit(since=0.0) if row["verb"] != "enqueue"])


def test_a_pass_on_record_is_decided_again_and_the_queue_of_then_is_shown(gpuqd: Gpuqd, jobs: tuple[int, int]) -> None:
    first, waiting = jobs
    admin = AdminClient(gpuqd.client.path)
    started = gpuqd.client.job(first)["started_at"]

    until(lambda: _is_on_record(admin, started + 0.5), timeout_s=30, what="the pass on record")
    found = admin.replay(started + 0.5)
    other = admin.replay(started + 0.5, "fifo-best-effort")

    assert found["is_same"]
    assert [(one["job_id"], one["what"]) for one in found["recorded"]] == [(first, "start")]
    assert other["policy"] == "fifo-best-effort"
    then = gpuqd.client.queue_then(started + 0.5)["queue"]
    assert (then["pending"]["id"], [job["id"] for job in then["jobs"]]) == ([], [first])
    assert gpuqd.client.why(first, at=started + 0.5)["text"].startswith("was started in the pass of")
    with pytest.raises(NotFoundError, match="neither waited nor ran"):
        gpuqd.client.why(waiting, at=started + 0.5)
    with pytest.raises(NotFoundError, match="nothing is on record"):
        admin.replay(1.0)
    with pytest.raises(UsageError, match="no policy"):
        admin.replay(started + 0.5, "best")


def _is_on_record(admin: AdminClient, at: float) -> bool:
    try:
        return bool(admin.replay(at)["recorded"])
    except NotFoundError:
        return False


def test_the_ledger_is_told(gpuqd: Gpuqd, jobs: tuple[int, int]) -> None:
    answer = gpuqd.client.ledger()

    assert (answer["is_tiered"], answer["lent"], answer["half_life_s"]) == (False, [], 7 * 86_400.0)
    assert answer["wasted"] == []  # nothing has ended


def test_nothing_is_estimated_of_a_job_from_when_it_is_held(gpuqd: Gpuqd, jobs: tuple[int, int]) -> None:
    _, waiting = jobs
    client = gpuqd.client
    assert client.when(waiting)["p50_at"] is not None

    client.hold(waiting)

    assert client.queue()["pending"]["p50_at"] == [None]
    assert [client.job(waiting).get("p50_at"), client.why(waiting).get("p50_at")] == [None, None]
    client.release(waiting)
