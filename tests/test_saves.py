"""When running jobs last saved, from the files in their folders; and that it decides who is stopped for others."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import WallClock
from gpuq_daemon.config import load
from gpuq_daemon.files.door import Door
from gpuq_daemon.places import place_of
from gpuq_daemon.saves import Saves
from gpuq_daemon.scheduler import Scheduler
from gpuq_daemon.simulate.nodes import PARTITION, parse_nodes
from gpuq_daemon.standing import Standing
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore, Owner, Request
from gpuq_daemon.store.promises import PromiseStore
from tests.support.values import a_spec

SETTINGS = "preemption = true\nleast_run_s = 0\nsmall_patience_s = 0"


def test_who_saved_last_is_stopped_first_also_after_everything_was_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "gpuqd.toml"
    file.write_text(
        f'state_dir = "{tmp_path}"\n[scheduler]\n{SETTINGS}\n[partition.{PARTITION}]\nengine = "embedded"\n'
    )
    config, database = load(file), Database(tmp_path / "state.db", "state")
    jobs, tokens, stopped = JobStore(database), iter("abcdef"), list[int]()

    async def course() -> None:
        scheduler = Scheduler(
            jobs=jobs,
            standing=Standing(config, database, AccountStore(database), jobs),
            promises=PromiseStore(database),
            clock=WallClock(),
            bell=Bell(),
            nodes=lambda: parse_nodes("2x1"),
            down=dict,
            new_token=lambda: next(tokens),
            started=lambda _: None,
            recalculate_every_s=lambda: 60.0,
            passed=lambda: None,
            recalculated=lambda _: None,
            stopped=stopped.append,
        )
        saves = Saves(
            jobs,
            lambda attempt: place_of(config, attempt.job_id, attempt.number),
            Door({}),
            is_wanted=lambda: True,
            saved=scheduler.saved,
        )
        ids = [await queued(scheduler) for _ in range(2)]
        await scheduler.pass_once()
        checkpoints = place_of(config, ids[1], 1).checkpoints
        checkpoints.mkdir(parents=True)
        for name in ("ckpt-5.index", "ckpt-5.data-00000-of-00001"):
            (checkpoints / name).write_bytes(b"x")
            os.utime(checkpoints / name, (time.time() + 1000, time.time() + 1000))

        await saves.look()
        scheduler.rules_changed()

        known = {job.job_id: job.saved_at for job in scheduler.scene().snapshot.active}
        assert known[ids[0]] == 0.0
        assert (known[ids[1]] or 0.0) > time.time()
        first = await queued(scheduler)
        await jobs.set_top([first], is_top=True)
        scheduler.changed(first)
        await scheduler.pass_once()
        assert stopped == [ids[1]]

    async def queued(scheduler: Scheduler) -> int:
        request = Request(
            spec=a_spec(signal_s=60, retries=1),
            owner=Owner(user="ann", uid=1000),
            name="train",
            partition=PARTITION,
            account="root",
            qos="normal",
            sha256="0" * 64,
        )
        [job_id] = await jobs.add_all(request, now=time.time())
        scheduler.submitted([job_id])
        return job_id

    try:
        asyncio.run(course())
    finally:
        database.close()
