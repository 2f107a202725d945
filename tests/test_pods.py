"""Pods are linked to the attempts that they are of by what cannot be mistaken, and stay known when they are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from gpuq_daemon.bell import Bell
from gpuq_daemon.kubernetes.labels import APPLICATION, EXECUTOR, ROLE, TOKEN
from gpuq_daemon.kubernetes.mirror import Change, PodEvent, PodSight
from gpuq_daemon.pods import PodLinks
from gpuq_daemon.policy.lifecycle import Reported
from gpuq_daemon.policy.snapshot import Start
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore, Owner, Request
from gpuq_daemon.store.pods import PodStore
from gpuq_daemon.store.tracing import TraceStore
from tests.support.values import a_spec


class SetClock:
    """A clock that a test sets."""

    at = 100.0

    def now(self) -> float:
        return self.at

    def uptime(self) -> float:
        return self.at


@dataclass(slots=True)
class House:
    """A store with two jobs that run, and the links of their partition."""

    store: PodStore
    traces: TraceStore
    links: PodLinks
    clock: SetClock
    first: int
    second: int


def with_house(path: Path, course: Callable[[House], Awaitable[None]]) -> None:
    async def run() -> None:
        database = Database(path / "state.db", "state")
        try:
            jobs = JobStore(database)
            first, second = [await _started(jobs, token) for token in ("t1", "t2")]
            await jobs.record(second, 1, Reported(offset=1, application_id="spark-2"))
            clock, store = SetClock(), PodStore(database)
            links = PodLinks(store, "p", clock=clock, bell=Bell())
            await course(House(store, TraceStore(database), links, clock, first, second))
        finally:
            database.close()

    asyncio.run(run())


async def _started(jobs: JobStore, token: str) -> int:
    owner = Owner(user="ann", uid=1000)
    request = Request(
        spec=a_spec(),
        owner=owner,
        name="train",
        partition="p",
        account="bio",
        qos="normal",
        sha256="0" * 64,
        array=None,
    )
    job_id = (await jobs.add_all(request, now=10.0))[0]
    await jobs.start([(Start(job_id=job_id, workers_by_node={"n": 1}), token)], now=11.0)
    return job_id


def a_sight(uid: str = "u", *, owners: tuple[str, ...] = (), phase: str = "Running", **labels: str) -> PodSight:
    names = {"token": TOKEN, "application": APPLICATION, "role": ROLE, "executor": EXECUTOR}
    return PodSight(
        uid=uid,
        namespace="gpuq",
        name=f"pod-{uid}",
        node="n",
        phase=phase,
        labels=tuple(sorted((names[name], value) for name, value in labels.items())),
        owners=owners,
        container_id=None,
        waits_for=None,
        exit_code=None,
        reason=None,
    )


def seen(pod: PodSight, change: Change = Change.SEEN) -> list[PodEvent]:
    return [PodEvent(change=change, pod=pod)]


def test_a_pod_is_known_after_it_is_gone_with_its_times_and_how_it_ended(tmp_path: Path) -> None:
    async def course(house: House) -> None:
        pod = a_sight(token="t1", role="executor", executor="2")
        await house.links.take_in(seen(pod))
        house.clock.at = 105.0
        ended = replace(pod, phase="Failed", exit_code=137, reason="OOMKilled")
        await house.links.take_in(seen(ended, Change.CHANGED))
        house.clock.at = 107.0
        uids = await house.links.take_in(seen(pod, Change.GONE))  # the last event may say less than one before

        row = house.store.pod("u")
        assert row is not None
        assert uids == ["u"]
        assert (row.job_id, row.attempt, row.role, row.executor_id) == (house.first, 1, "executor", "2")
        assert (row.first_seen, row.last_seen, row.gone_at) == (100.0, 107.0, 107.0)
        assert (row.exit_code, row.reason) == (137, "OOMKilled")

    with_house(tmp_path, course)


def test_without_its_label_a_pod_is_of_its_application_or_of_the_pod_that_it_belongs_to(tmp_path: Path) -> None:
    async def course(house: House) -> None:
        await house.links.take_in(seen(a_sight("driver", application="spark-2", role="driver")))
        await house.links.take_in(seen(a_sight("executor", owners=("driver",))))
        await house.links.take_in(seen(a_sight("stranger", owners=("nobody",))))

        assert [row.uid for row in house.store.of_job(house.second, 1)] == ["driver", "executor"]
        assert house.store.pod("stranger") is None

    with_house(tmp_path, course)


def test_a_label_that_disagrees_with_the_application_is_reported_and_not_believed(tmp_path: Path) -> None:
    async def course(house: House) -> None:
        await house.links.take_in(seen(a_sight("u", token="t1", application="spark-2")))

        row = house.store.pod("u")
        assert row is not None
        assert row.job_id == house.second
        assert row.disagrees == f"its label names job {house.first}, but its application is of job {house.second}"

    with_house(tmp_path, course)


def test_what_went_while_nobody_watched_is_noted_as_gone(tmp_path: Path) -> None:
    async def course(house: House) -> None:
        await house.links.take_in(seen(a_sight("stays", token="t1")) + seen(a_sight("went", token="t2")))
        house.clock.at = 200.0

        assert await house.store.sweep("p", {"stays"}, now=200.0) == ["went"]
        assert await house.store.sweep("other", set(), now=200.0) == []

        gone = {uid: row.gone_at for uid in ("stays", "went") if (row := house.store.pod(uid)) is not None}
        assert gone == {"stays": None, "went": 200.0}

    with_house(tmp_path, course)


def test_links_are_those_of_a_clean_list_whatever_the_watch_lost_doubled_delayed_and_mixed_up(tmp_path: Path) -> None:
    random = Random(5)
    told = [seen(a_sight(f"u{n}", token="t1" if n % 2 else "t2", executor=str(n))) for n in range(20)]
    told += [seen(a_sight(f"u{n}", token="t1" if n % 2 else "t2", phase="Failed"), Change.CHANGED) for n in range(20)]
    told += [
        seen(a_sight(f"u{n}", token="t1" if n % 2 else "t2", phase="Failed"), Change.GONE) for n in range(0, 20, 3)
    ]
    faulty = [event for event in told if random.random() > 0.3 for _ in range(random.randint(1, 2))]
    random.shuffle(faulty)
    there = {f"u{n}" for n in range(20) if n % 3}
    clean = [seen(a_sight(uid, token="t1" if int(uid[1:]) % 2 else "t2", phase="Failed")) for uid in sorted(there)]

    async def course(house: House) -> None:
        for event in faulty:
            await house.links.take_in(event)
        for event in clean:  # the list that a broken watch is begun anew with
            await house.links.take_in(event)
        await house.store.sweep("p", there, now=900.0)

        for job_id in (house.first, house.second):
            rows = house.store.of_job(job_id, 1)
            its = [f"u{n}" for n in range(20) if (n % 2 == 1) == (job_id == house.first)]
            assert {row.uid for row in rows if row.gone_at is None} == {uid for uid in its if uid in there}
            assert {row.uid for row in rows} <= set(its)
            assert {row.phase for row in rows if row.gone_at is None} == {"Failed"}

    with_house(tmp_path, course)
