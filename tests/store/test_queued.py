"""The count of those that wait is kept, whatever happens to them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gpuq_daemon.policy.lifecycle import DriverEnd, Intent, Outcome, verdict
from gpuq_daemon.policy.snapshot import Hold, Start
from gpuq_daemon.store.job_changes import asked_of
from gpuq_daemon.store.job_rows import Queued
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.queued import QueueCounts
from tests.store.test_features import a_request, with_store
from tests.support.values import a_spec

_STEPS = 150


async def one_change(store: JobStore, rng: random.Random, turn: int) -> None:
    """Do to some job what may be done to it."""
    jobs = store.jobs(everything=True)
    waiting = [job.id for job in jobs if job.state == "PENDING"]
    holding = [job.id for job in jobs if job.state.holds_gpus]
    match rng.choice(("add", "array", "hold", "move", "cancel", "start", "start", "end", "again")):
        case "add":
            await store.add_all(a_request(qos=rng.choice(("normal", "high"))), now=10.0)
        case "array":
            await store.add_all(a_request(array="0-4"), now=10.0)
        case "hold" if waiting:
            await store.hold([rng.choice(waiting)], Hold.USER)
        case "move" if waiting:
            columns = asked_of(a_spec(), name="n", partition="p", account=rng.choice("abc"), qos="normal")
            await store.update({rng.choice(waiting): columns})
        case "cancel" if waiting:
            await store.intend(rng.choice(waiting), Intent.CANCEL, now=20.0)
        case "start" if waiting:
            start = Start(job_id=rng.choice(waiting), workers_by_node={"a": 1})
            await store.start([(start, f"t{turn}")], now=20.0)
        case "end" if holding:
            job_id = rng.choice(holding)
            if rng.random() < 0.5:
                await store.requeue(job_id)
            await store.driver_ended(job_id)
            intent = store.active_attempt(job_id).intent
            outcome = None if intent else Outcome(exit_code=0)
            await store.finish(job_id, verdict(intent, outcome, DriverEnd(exit_code=0)), ended_at=50.0)
        case "again" if over := [job.id for job in jobs if job.state.is_final]:
            await store.requeue(rng.choice(over))
        case _:
            pass


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_kept_count_is_the_counted_one(tmp_path: Path, seed: int) -> None:
    async def course(store: JobStore) -> None:
        rng = random.Random(seed)
        counted = list[Queued]()
        for turn in range(_STEPS):
            await one_change(store, rng, turn)
            await store.add_all(a_request(), now=1.0, admit=lambda there: counted.extend(there.by_owner()))
            expected: dict[tuple[str, str, str], int] = {}
            for job in store.pending()[:-1]:  # all but the one just added
                key = (job.user, job.account, job.qos)
                expected[key] = expected.get(key, 0) + 1
            assert {(one.user, one.account, one.qos): one.jobs for one in counted} == expected
            counted.clear()

    with_store(tmp_path, course)


def test_the_total_is_the_sum(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        totals = list[int]()
        await store.add_all(a_request(array="0-9", qos="high"), now=1.0)
        await store.add_all(a_request(), now=1.0)

        def note(there: QueueCounts) -> None:
            totals.append(there.refuse_vanished("ann", "root", "normal", None))

        await store.add_all(a_request(), now=1.0, admit=note)
        assert totals == [11]

    with_store(tmp_path, course)
