"""Nodes are recorded as they change, and how full the cluster was is told from that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from gpuq.models import Node
from gpuq.sharing import Drain, NodeState
from gpuq_daemon.api.usage import Per
from gpuq_daemon.api.utilisation import _rows  # pyright: ignore[reportPrivateUsage]  # what the route adds is a thread
from gpuq_daemon.node_record import NodeRecord
from gpuq_daemon.policy.rollup import DAY_S
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.history import History
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.nodes import NodeStore
from gpuq_daemon.store.reports import Asked
from tests.store.test_features import a_request, ended, started

BEGIN = 20_000.0 * DAY_S
NODE = Node(name="a", partition="p", host="h", gpu_kind="GPU", gpus=2, free_gpus=2, gpu_type="a100")
WHOLE = Asked(since=BEGIN - DAY_S, until=BEGIN + DAY_S, by=())


class SetClock:
    """A clock that stands where it was set."""

    def __init__(self) -> None:
        self.time = BEGIN

    def now(self) -> float:
        return self.time

    uptime = now


class Course:
    """A record of nodes of which one look is made after the other."""

    def __init__(self, path: Path) -> None:
        self.clock = SetClock()
        self.database = Database(path / "state.db", "state")
        self.history = History(self.database.path)
        self.accounts = AccountStore(self.database)
        self.nodes = [NODE]
        self.record = self.anew()

    def anew(self) -> NodeRecord:
        return NodeRecord(NodeStore(self.database, most_spans=5), self.accounts, self.clock, nodes=lambda: self.nodes)

    async def look(self, at: float) -> None:
        self.clock.time = BEGIN + at
        await self.record.look()


def test_a_day_of_a_node_is_told_whole(tmp_path: Path) -> None:
    async def run() -> None:
        course = Course(tmp_path)
        try:
            jobs = JobStore(course.database)
            await course.look(0)
            job_id = (await jobs.add_all(a_request(), now=BEGIN))[0]
            await started(jobs, job_id, now=BEGIN + 100.0)
            await ended(jobs, job_id, at=BEGIN + 400.0)
            await course.accounts.drain(Drain(node="a", reason="fan", since=BEGIN, by_user="ann"))
            await course.look(1000)
            course.record = course.anew()  # gpuqd is started anew
            await course.look(1500)
            await course.accounts.resume("a")
            course.nodes = [replace(NODE, is_up=False)]
            await course.look(2000)

            recorded, [row] = _rows(course.history, WHOLE, Per.TOTAL, BEGIN + 3000.0)
        finally:
            course.database.close()

        assert recorded == BEGIN
        assert (row.gpu_s, row.allocated_gpu_s, row.idle_gpu_s) == (6000.0, 300.0, 1700.0)
        assert (row.reserved_gpu_s, row.planned_gpu_s, row.down_gpu_s, row.is_assumed) == (0.0, 2000.0, 2000.0, False)
        spans = course.history.nodes(since=BEGIN, until=BEGIN + 3000.0, node="a")
        assert [(one.state, one.reason, one.by_user, one.ended_at) for one in spans] == [
            (NodeState.UP, "", "", BEGIN + 1000.0),
            (NodeState.DRAINED, "fan", "ann", BEGIN + 2000.0),
            (NodeState.DOWN, "", "", None),
        ]
        assert course.history.nodes(since=BEGIN, until=BEGIN + 3000.0, node="b") == []

    asyncio.run(run())


def test_jobs_of_before_the_record_are_counted_by_the_nodes_of_its_beginning_and_it_is_said(tmp_path: Path) -> None:
    async def run() -> None:
        course = Course(tmp_path)
        try:
            jobs = JobStore(course.database)
            job_id = (await jobs.add_all(a_request(), now=BEGIN))[0]
            await started(jobs, job_id, now=BEGIN - DAY_S / 2)
            await ended(jobs, job_id, at=BEGIN - DAY_S / 4)
            assert _rows(course.history, WHOLE, Per.DAY, BEGIN) == (None, [])
            await course.look(0)
            _, rows = _rows(course.history, WHOLE, Per.DAY, BEGIN + 600.0)
            _, [whole] = _rows(course.history, WHOLE, Per.TOTAL, BEGIN + 600.0)
        finally:
            course.database.close()

        assert [(row.gpu_s, row.allocated_gpu_s, row.is_assumed) for row in rows] == [
            (2 * DAY_S, DAY_S / 4, True), (1200.0, 0.0, False),
        ]  # fmt: skip
        assert whole.is_assumed

    asyncio.run(run())


def test_the_record_is_bounded(tmp_path: Path) -> None:
    async def run() -> None:
        course = Course(tmp_path)
        try:
            for look in range(12):
                course.nodes = [replace(NODE, gpus=1 + look % 2)]
                await course.look(60.0 * look)
        finally:
            course.database.close()

        assert len(course.history.nodes(since=0.0, until=BEGIN + DAY_S)) == 5
        recorded = course.history.nodes_recorded()
        assert recorded is not None
        assert recorded[0] == course.history.nodes(since=0.0, until=BEGIN + DAY_S)[0].began_at

    asyncio.run(run())
