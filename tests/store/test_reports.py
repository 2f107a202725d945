"""What was used, for nothing, and how long was waited adds up, whatever days it lies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuq_daemon.api.usage import Per, period_of
from gpuq_daemon.policy.rollup import DAY_S, day_of
from gpuq_daemon.store.history import History
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.reports import Asked, Use
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
def test_waits_are_told_by_the_period_in_which_they_ended(tmp_path: Path, per: Per) -> None:
    found = a_history(tmp_path).waits(asked("account"), per.value)

    assert {(key, period_of(day, per)) for key, day in found} == {
        (("bio",), period_of(day_of(BEGIN), per)),
        (("chem",), period_of(day_of(BEGIN), per)),
    }


@pytest.mark.parametrize(
    ("per", "first"),
    [(Per.TOTAL, None), (Per.DAY, "2026-11-26"), (Per.WEEK, "2026-11-23"), (Per.MONTH, "2026-11-01")],
)
def test_a_day_lies_in_its_period(per: Per, first: str | None) -> None:
    assert period_of(day_of(1_795_651_200.0), per) == first
