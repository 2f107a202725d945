"""What has ended is found by what people ask for, the newest first."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpuq.errors import UnavailableError, UsageError
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.history import COLUMNS, History, Wanted
from gpuq_daemon.store.jobs import JobStore
from tests.store.test_features import a_request, ended, started, with_store
from tests.support.daemon import until

_NAMES = ("train-a", "train-b", "eval-a", "train-a")


def a_history(path: Path) -> History:
    """Return four jobs that have ended, at 101 to 104, and one that waits."""

    async def course(store: JobStore) -> None:
        for at, name in enumerate(_NAMES, 101):
            job_id = (await store.add_all(a_request(name=name), now=10.0))[0]
            await ended(store, await started(store, job_id), at=float(at), exit_code=at % 2)
        await store.add_all(a_request(name="train-a"), now=10.0)

    with_store(path, course)
    return History(path / "state.db")


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(), [4, 3, 2, 1]),
        (Wanted(limit=2), [4, 3]),
        (Wanted(before=(103.0, 3)), [2, 1]),
        (Wanted(user="ann", state="FAILED"), [3, 1]),
        (Wanted(account="bio", partition="p", since=102.0, until=104.0), [3, 2]),
        (Wanted(user="bob"), []),
        (Wanted(glob="train-*"), [4, 2, 1]),
        (Wanted(glob="*-b", user="ann"), [2]),
        (Wanted(regex="^e.*a$|b"), [3, 2]),
        (Wanted(regex="a$", state="COMPLETED"), [4]),
        (Wanted(regex="nothing"), []),
    ],
)
def test_history_tells_what_was_asked_for(tmp_path: Path, wanted: Wanted, ids: list[int]) -> None:
    history = a_history(tmp_path)

    rows = [dict(zip(COLUMNS, row, strict=True)) for row in history.jobs(wanted)]

    assert [row["id"] for row in rows] == ids
    assert all(row["charged_gpu_s"] == row["gpus"] * (row["ended_at"] - 20.0) for row in rows)


def test_a_pattern_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no regular expression"):
        a_history(tmp_path).jobs(Wanted(regex="("))


def test_a_pattern_that_is_none_is_refused_also_before_any_job_has_ended(tmp_path: Path) -> None:
    Database(tmp_path / "state.db", "state").close()
    history = History(tmp_path / "state.db")

    with pytest.raises(UsageError, match="no regular expression"):
        history.jobs(Wanted(regex="("))
    assert history.jobs(Wanted(regex=".*")) == []


def test_a_pattern_that_takes_for_ever_is_stopped_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuq_daemon.store.history._LONGEST_REGEX_S", 0.5)

    async def course(store: JobStore) -> None:
        job_id = (await store.add_all(a_request(name="a" * 40 + "!"), now=10.0))[0]
        await ended(store, await started(store, job_id))

    with_store(tmp_path, course)
    history = History(tmp_path / "state.db")

    async def both() -> None:
        asked = asyncio.create_task(asyncio.to_thread(history.jobs, Wanted(regex="(a+)+$")))
        with sqlite3.connect(tmp_path / "state.db") as beside:
            assert beside.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
        with pytest.raises(UsageError, match="simpler"):
            await asked

    asyncio.run(both())


def test_patterns_that_take_for_ever_hold_up_no_other_question_and_are_two_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuq_daemon.store.history._LONGEST_REGEX_S", 600.0)

    async def course(store: JobStore) -> None:
        job_id = (await store.add_all(a_request(name="a" * 40 + "!"), now=10.0))[0]
        await ended(store, await started(store, job_id))

    with_store(tmp_path, course)
    history, before = History(tmp_path / "state.db"), children()
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(history.jobs, Wanted(regex="(a+)+$")) for _ in range(2)]
        until(lambda: len(children() - before) == 2, timeout_s=30, what="two patterns that are looked for")
        try:
            assert len(history.jobs(Wanted())) == 1
            with pytest.raises(UnavailableError, match="2 patterns are looked for already"):
                history.jobs(Wanted(regex="a"))
            assert not any(one.done() for one in asked)
        finally:
            for child in children() - before:
                os.kill(child, signal.SIGKILL)
    assert len(history.jobs(Wanted(regex="a"))) == 1


def children() -> set[int]:
    """Return this process's own."""
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}
