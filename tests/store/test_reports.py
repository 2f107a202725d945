"""What was used, for nothing, and how long was waited adds up, whatever days it lies on."""

from __future__ import annotations

import sqlite3
import tempfile
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database as Tables

from gpuq_daemon.api.usage import Per
from gpuq_daemon.policy.lifecycle import Reported
from gpuq_daemon.policy.rollup import DAY_S, day_of, wait_band
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.history import History
from gpuq_daemon.store.invariants import state_findings
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.reports import FIRST_DAY, Asked, Use, date_of, first_day
from tests.store.test_features import a_request, ended, started, with_store

BEGIN = 20_000.0 * DAY_S


def a_history(path: Path) -> History:
    """Return four jobs of one GPU: a day's one, one over midnight, one that failed, and one that runs."""

    async def course(store: JobStore) -> None:
        courses = [("bio", 100.0, 200.0, 0), ("bio", DAY_S - 100.0, DAY_S + 300.0, 0), ("chem", 50.0, 150.0, 1)]
        for account, begun, until, exit_code in courses:
            job_id = (await store.add_all(a_request(account=account), now=BEGIN))[0]
            await started(store, job_id, now=BEGIN + begun)
            await ended(store, job_id, at=BEGIN + until, exit_code=exit_code)
        job_id = (await store.add_all(a_request(account="chem"), now=BEGIN))[0]
        await started(store, job_id, now=BEGIN + 1000.0)

    with_store(path, course)
    return History(path / "state.db")


def asked(*by: str, days: float = 3, account: str | None = None) -> Asked:
    return Asked(since=BEGIN, until=BEGIN + days * DAY_S, by=by, account=account)


def test_use_is_spread_over_the_days_in_which_it_was_held(tmp_path: Path) -> None:
    found = a_history(tmp_path).use(asked("account"), BEGIN + 2000.0)

    day = day_of(BEGIN)
    assert found == {
        (("bio",), day): Use(gpu_s=200.0, jobs=1),
        (("bio",), day + 1): Use(gpu_s=300.0, jobs=1),
        (("chem",), day): Use(gpu_s=1100.0, failed_gpu_s=100.0, jobs=1),
    }


@pytest.mark.parametrize("by", [(), ("account",), ("user", "gpu_type"), ("account", "user", "partition", "gpu_type")])
def test_the_sum_is_the_same_whatever_it_is_added_up_by(tmp_path: Path, by: tuple[str, ...]) -> None:
    history = a_history(tmp_path)

    assert sum(one.gpu_s for one in history.use(asked(*by), BEGIN + 2000.0).values()) == pytest.approx(1600.0)
    assert sum(wait.jobs for wait in history.waits(asked(*by)).values()) == 4


def test_only_what_was_asked_for_counts(tmp_path: Path) -> None:
    history = a_history(tmp_path)

    assert set(history.use(asked("account", account="bio"), BEGIN + 2000.0)) == {
        (("bio",), day_of(BEGIN)),
        (("bio",), day_of(BEGIN) + 1),
    }
    assert history.waits(Asked(since=BEGIN + DAY_S, until=BEGIN + 2 * DAY_S, by=())) == {}


def test_waits_are_told_by_their_quantiles(tmp_path: Path) -> None:
    wait = a_history(tmp_path).waits(asked())[(), 0]

    assert (wait.jobs, wait.p50_s, wait.p95_s, wait.longest_s) == (4, 100.0, DAY_S - 100.0, DAY_S - 100.0)


@pytest.mark.parametrize("per", list(Per))
def test_use_and_waits_are_told_by_the_period_in_which_they_were(tmp_path: Path, per: Per) -> None:
    history = a_history(tmp_path)
    first = first_day(day_of(BEGIN), per.value)

    assert set(history.waits(asked("account"), per.value)) == {(("bio",), first), (("chem",), first)}
    assert (("chem",), first) in history.use(asked("account"), BEGIN + 2000.0, per.value)


@pytest.mark.parametrize(
    ("per", "first"), [(Per.DAY, "2026-11-26"), (Per.WEEK, "2026-11-23"), (Per.MONTH, "2026-11-01")]
)
def test_a_day_lies_in_its_period_for_statements_as_for_us(tmp_path: Path, per: Per, first: str) -> None:
    day = day_of(1_795_651_200.0)

    assert date_of(first_day(day, per.value)) == first
    with sqlite3.connect(":memory:") as db:
        for at in range(day - 400, day + 400):
            said = db.execute(f"SELECT {FIRST_DAY[per.value]} FROM (SELECT {at} AS day)").fetchone()[0]
            assert said == first_day(at, per.value)
    db.close()


_COURSE = st.lists(
    st.tuples(
        st.sampled_from(["bio", "chem"]),
        st.floats(0, 3 * DAY_S),  # how long it waits
        st.floats(0, 9 * DAY_S),  # how long it runs
        st.sampled_from([0, 0, 1]),
        st.sampled_from(["", "again", "requeued while it runs"]),
    ),
    max_size=8,
)


@settings(max_examples=20, deadline=None)
@given(_COURSE)
def test_what_is_added_up_as_it_happens_is_what_adding_up_all_attempts_tells(
    jobs: list[tuple[str, float, float, int, str]],
) -> None:
    async def course(store: JobStore) -> None:
        for account, waits_s, runs_s, exit_code, then in jobs:
            job_id = (await store.add_all(a_request(account=account, retries=1), now=BEGIN))[0]
            at = BEGIN + waits_s
            await started(store, job_id, now=at)
            await store.record(job_id, 1, Reported(offset=1, began_at=at + runs_s / 3))
            if then == "requeued while it runs":
                await store.requeue(job_id)
            await ended(store, job_id, at=at + runs_s, exit_code=exit_code)
            if then:
                if then == "again":
                    await store.requeue(job_id)
                await started(store, job_id, now=at + runs_s + 5, token=f"again{job_id}")
                await ended(store, job_id, at=at + 2 * runs_s + 6)
        tables: Database = store._db  # pyright: ignore[reportPrivateUsage]  # what no question of the product asks
        kept = [tables.rows(f"SELECT * FROM {name}") for name in ("used", "waited")]
        await tables.write(_add_up_anew)
        assert kept == [tables.rows(f"SELECT * FROM {name}") for name in ("used", "waited")]

    with tempfile.TemporaryDirectory() as folder:
        with_store(Path(folder), course)
        assert [one for one in state_findings(Path(folder) / "state.db") if one.wrong is not None] == []


def _add_up_anew(tables: Tables) -> None:
    """Fill the sums as the schema does that brings them to a state of before."""
    text = resources.files("gpuq_daemon.store").joinpath("schema", "state", "0023_sums.sql").read_text()
    for name in ("used", "waited"):
        tables.execute(f"DELETE FROM {name}")
    for statement in text.split(";\n"):
        if "INSERT INTO" in statement and "FROM rollup" not in statement:
            tables.execute(statement)


@settings(deadline=None)
@given(st.floats(0, 1e9))
def test_a_wait_lies_in_its_band_which_is_narrow(wait_s: float) -> None:
    band = wait_band(wait_s)

    assert band <= wait_s < max(band * 1.25 + 1e-6, band + 1)
    assert wait_band(band) == band


def test_it_is_told_how_long_most_waited(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        for waited in range(100):
            job_id = (await store.add_all(a_request(workers=1 + waited % 2), now=BEGIN))[0]
            await started(store, job_id, now=BEGIN + waited * 60.0)

    with_store(tmp_path, course)
    found = History(tmp_path / "state.db").waits(asked())[(), 0]

    assert (found.p50_s, found.p90_s, found.p99_s) == (
        pytest.approx(49 * 60, rel=0.1), pytest.approx(89 * 60, rel=0.1), pytest.approx(98 * 60, rel=0.1),
    )  # fmt: skip
    assert found.longest_s == 99 * 60
    assert {key: wait.jobs for (key, _), wait in History(tmp_path / "state.db").waits(asked("gpus")).items()} == {
        ("1",): 50, ("2",): 50,
    }  # fmt: skip


def test_what_was_for_nothing_is_told_by_who_held_it(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        for account, exit_code in (("bio", 0), ("chem", 1)):
            job_id = (await store.add_all(a_request(account=account), now=BEGIN))[0]
            for number, begins in ((1, BEGIN), (2, BEGIN + 500.0)):
                await started(store, job_id, now=begins, token=f"{job_id}.{number}")
                await store.record(job_id, number, Reported(offset=1, began_at=begins + 10.0 * number))
                if number == 1:
                    await store.requeue(job_id)
                await ended(store, job_id, at=begins + 100.0, exit_code=exit_code)

    with_store(tmp_path, course)
    rows = History(tmp_path / "state.db").wasted(BEGIN + 50.0)

    assert [(r.account, r.held_gpu_s, r.failed_gpu_s, r.idle_gpu_s, r.restarts_gpu_s) for r in rows] == [
        ("chem", 200.0, 100.0, 10.0, 0.0),
        ("bio", 200.0, 0.0, 10.0, 20.0),
    ]
    assert History(tmp_path / "state.db").wasted(BEGIN + DAY_S) == []
