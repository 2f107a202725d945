"""What the stores do when there is no room, on a small disk of their own, or when another program is in the way."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gpuq.errors import FullError, UnavailableError
from gpuq.identity import TokenRow
from gpuq.summaries import SeriesKind
from gpuq_daemon.api.caller import Caller, Role
from gpuq_daemon.api.recording import Entry
from gpuq_daemon.series.points import Batch, FilePosition, ScalarPoint, ScalarPoints, SeriesKey
from gpuq_daemon.store.audit import AuditStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore, Owner, Request
from gpuq_daemon.store.metrics import MetricsStore
from gpuq_daemon.store.tokens import TokenStore, token_text
from tests.support.disk import filled, small_disk
from tests.support.values import a_spec

ANN = Owner(user="ann", uid=1000)


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    with small_disk(mib=4) as folder:
        yield folder


def a_request(script: str = "def main_fun(args, ctx): pass") -> Request:
    return Request(
        spec=a_spec(script=script), owner=ANN, name="t", partition="p", account="root", qos="normal", sha256=script[:64]
    )


def with_store(path: Path, course: Callable[[JobStore], Awaitable[None]]) -> None:
    async def run() -> None:
        database = Database(path, "state")
        try:
            await course(JobStore(database))
        finally:
            database.close()

    asyncio.run(run())


def test_a_full_disk_refuses_in_one_sentence_and_service_resumes_by_itself(disk: Path) -> None:
    async def course(store: JobStore) -> None:
        kept = await store.add_all(a_request(), now=1.0)
        with filled(disk):
            for _ in range(3):
                with pytest.raises(FullError, match=r"is full, so nothing was changed: free some space") as refused:
                    await store.add_all(a_request("#" * 100_000), now=2.0)
                assert "\n" not in str(refused.value)
            assert [job.id for job in store.jobs()] == list(kept)

        again = await store.add_all(a_request("#" * 100_000), now=3.0)

        assert list(again) == [kept[-1] + 1]

    with_store(disk / "state.db", course)


def test_what_has_no_room_does_not_keep_the_others_from_being_written(disk: Path) -> None:
    async def course(store: JobStore) -> None:
        with filled(disk, leaving=512 * 1024):
            huge = [store.add_all(a_request(f"{n}" * 1_000_000), now=1.0) for n in range(3)]
            small = [store.add_all(a_request(), now=1.0) for _ in range(5)]
            answers = await asyncio.gather(*huge, *small, return_exceptions=True)

        assert [type(answer) for answer in answers] == [FullError] * 3 + [range] * 5
        assert len(store.jobs()) == 5

    with_store(disk / "others.db", course)


def test_a_change_that_is_committed_at_a_second_try_is_recorded(disk: Path) -> None:
    database = Database(disk / "recorded.db", "state")
    jobs, audit = JobStore(database), AuditStore(database)

    async def change(number: int, script: str) -> None:
        entry = Entry(
            at=float(number), who=Caller(owner=ANN, role=Role.USER, source="pid 1"), verb="enqueue", target=""
        )
        with audit.along(entry.next_row, keep_s=1e9):
            await jobs.add_all(a_request(script), now=1.0)

    async def course() -> None:
        with filled(disk, leaving=512 * 1024):
            changes = (change(n, f"{n}" * (10 if n < 5 else 1_000_000)) for n in range(8))
            await asyncio.gather(*changes, return_exceptions=True)

    try:
        asyncio.run(course())
        assert [row.at for row in audit.rows()] == [0.0, 1.0, 2.0, 3.0, 4.0]
    finally:
        database.close()


def test_a_token_is_good_also_where_there_is_no_room_to_note_its_use(disk: Path) -> None:
    database = Database(disk / "tokens.db", "state")
    tokens, secret = TokenStore(database), "x" * 43

    async def course() -> TokenRow | None:
        new = TokenRow(id=0, user="ann", name="laptop", created_at=1.0, created_by="ann")
        made = await tokens.create(new, secret)
        with filled(disk, leaving=0):
            return await tokens.shown(token_text(made.id, secret), now=2.0)

    try:
        shown = asyncio.run(course())
    finally:
        database.close()

    assert shown is not None
    assert shown.last_used_at is None


def test_points_that_have_no_room_are_stored_when_there_is(disk: Path) -> None:
    store = MetricsStore(disk / "metrics.db")
    key = SeriesKey(rank=0, run=".", tag="loss", kind=SeriesKind.SCALAR)
    points: list[ScalarPoint] = [(n, float(n), 0.5) for n in range(20_000)]
    at = FilePosition(path="rank-0/events", identity="1:1", offset=10)
    batch = Batch(job_id=1, attempt=1, scalars={key: ScalarPoints(points)}, histograms={}, before={}, positions=(at,))
    try:
        with filled(disk):
            for _ in range(3):
                with pytest.raises(FullError):
                    store.append(batch)
            assert store.series(1) == []
            assert store.positions(1, 1) == {}

        assert store.append(batch)
        assert store.series(1)[0].count == 20_000
    finally:
        store.close()


def test_a_lock_of_another_program_is_waited_for_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuq_daemon.store.database.LOCK_WAIT_S", 0.3)

    async def course(store: JobStore) -> None:
        kept = await store.add_all(a_request(), now=1.0)
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            with pytest.raises(UnavailableError, match=r"Another program keeps .* locked, so nothing was changed"):
                await store.add_all(a_request(), now=2.0)
            assert [job.id for job in store.jobs()] == list(kept)
        finally:
            other.execute("ROLLBACK")
            other.close()

        assert len(await store.add_all(a_request(), now=3.0)) == 1

    with_store(tmp_path / "state.db", course)


def test_a_damaged_page_is_a_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def fill(store: JobStore) -> None:
        for n in range(30):
            await store.add_all(a_request(f"{n}" * 3_000), now=1.0)

    with_store(path, fill)
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(whole - 4096))

    async def ask(store: JobStore) -> None:
        with pytest.raises(UnavailableError, match="is damaged: stop gpuqd, look with `gpuqd verify`"):
            store.jobs()
        with pytest.raises(UnavailableError, match="is damaged"):
            await store.add_all(a_request(), now=2.0)

    with pytest.raises(UnavailableError, match="damaged"):
        with_store(path, ask)
