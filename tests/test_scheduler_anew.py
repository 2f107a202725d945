"""A job that starts while everything is read anew, for whoever asks in that very moment, holds its GPUs once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import WallClock
from gpuq_daemon.config import Config
from gpuq_daemon.partitions import EmbeddedPartition
from gpuq_daemon.policy.lifecycle import Event, Verdict
from gpuq_daemon.policy.snapshot import NodeView, Start
from gpuq_daemon.scheduler import Scheduler
from gpuq_daemon.standing import Standing
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.promises import PromiseStore
from tests.test_scheduler_memory import queued


class AskedMeanwhile(JobStore):
    """A store of which somebody is asked something as soon as starts are committed, before anybody is told of them."""

    ask: Callable[[], object]

    async def start(
        self, starts: Sequence[tuple[Start, str]], *, now: float, gpus_of: Mapping[str, int] | None = None
    ) -> list[int]:
        """Commit the starts."""
        began = await super().start(starts, now=now, gpus_of=gpus_of)
        self.ask()
        return began


def test_a_job_that_starts_while_everything_is_read_anew_holds_its_gpus_once(tmp_path: Path) -> None:
    node = NodeView(name="a", partition="p", gpus=1)
    started: list[int] = []

    async def course() -> None:
        database = Database(tmp_path / "state.db", "state")
        jobs = AskedMeanwhile(database)
        config = Config(state_dir=str(tmp_path), partition={"p": EmbeddedPartition()})
        scheduler = Scheduler(
            jobs=jobs,
            standing=Standing(config, database, AccountStore(database), jobs),
            promises=PromiseStore(database),
            clock=WallClock(),
            bell=Bell(),
            nodes=lambda: (node,),
            down=dict,
            new_token=lambda: f"t{len(started)}",
            started=started.append,
            recalculate_every_s=lambda: 60.0,
            passed=lambda: None,
            recalculated=lambda _: None,
        )

        def ask() -> None:
            scheduler.rules_changed()
            scheduler.reason(1)

        jobs.ask = ask
        for number in (1, 2):
            assert list(await queued(jobs)) == [number]
        scheduler.submitted([1, 2])
        await scheduler.pass_once()
        await jobs.driver_ended(1)
        await jobs.finish(1, Verdict(event=Event.GONE_COMPLETED, exit_code=0), ended_at=15.0, rate=1.0, half_life_s=1e6)
        scheduler.ended(1)
        await scheduler.pass_once()

        assert started == [1, 2]
        database.close()

    asyncio.run(course())
