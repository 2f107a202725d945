"""What streams are told, put together again, is what there is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.client import Json
from gpuq.gpus import Gpu, GpuState, Stranger
from gpuq.models import Cluster, Job, JobState, Reason
from gpuq.tracing import TracedPod
from gpuq_daemon.feed.feed import Feed, MaySee
from gpuq_daemon.feed.listener import Listener, Wants
from gpuq_daemon.feed.position import Position, parse_position
from gpuq_daemon.feed.ring import Event, Ring
from tests.support.fake_daemon import a_cluster, a_job

_UNTOLD = ("priority", "charged_gpu_s")


class World:
    """Jobs and nodes as a test has them."""

    def __init__(self) -> None:
        self.all: dict[int, Job] = {}
        self.reads = 0
        self.nodes = a_cluster()
        self.slots: list[Gpu] = []

    def jobs(self, job_ids: Sequence[int]) -> list[Job]:
        self.reads += len(job_ids)
        return [self.all[job_id] for job_id in job_ids if job_id in self.all]

    def unbegun(self, job_ids: Sequence[int]) -> dict[int, tuple[str, dict[str, Any]]]:
        fresh = (job for job_id in job_ids if (job := self.all.get(job_id)) is not None)
        return {job.id: (job.user, asdict(job)) for job in fresh if job.state is JobState.PENDING and job.attempt == 0}

    def live_ids(self) -> list[int]:
        return [job.id for job in self.all.values() if not job.state.is_final]

    def waiting(self) -> Iterable[tuple[int, Reason, float | None]]:
        for job in self.all.values():
            if job.state is JobState.PENDING:
                yield job.id, job.reason or Reason.PRIORITY, job.start_at

    def cluster(self) -> Cluster:
        return self.nodes

    def gpus(self) -> list[Gpu]:
        return self.slots


class Mirror:
    """What a client knows that has heard everything it was sent, and reads anew when told to."""

    def __init__(self, feed: Feed, world: World, listener: Listener) -> None:
        self.rows: dict[int, Json] = {}
        self.resets = 0
        self._feed, self._world, self._listener = feed, world, listener

    def hear(self) -> None:
        while (text := self._feed.read(self._listener)) != b"":
            if text is None:
                self.resets += 1
                self._listener.seen = self._feed.position.number
                rows = self._world.jobs(self._world.live_ids())
                self.rows = {row["id"]: row for row in json.loads(msgspec.json.encode(rows))}
                continue
            for _, kind, data in events(text):
                self._take(kind, data)

    def _take(self, kind: str, data: Json) -> None:
        if kind == "job":
            self.rows[data["id"]] = {**self.rows.get(data["id"], {}), **data}
        elif kind == "removed":
            self.rows.pop(data["id"], None)


def events(text: bytes) -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []
    for part in text.decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in part.split("\n"))
        found.append((lines["id"], lines["event"], json.loads(lines["data"])))
    return found


def told(job: Job) -> Json:
    row = json.loads(msgspec.json.encode(job))
    return {name: value for name, value in row.items() if name not in _UNTOLD}


_CHANGES = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 6)),
    st.tuples(st.just("reason"), st.integers(1, 6), st.sampled_from(list(Reason))),
    st.tuples(st.just("start_at"), st.integers(1, 6), st.none() | st.floats(1, 9)),
    st.tuples(st.just("hold"), st.integers(1, 6), st.none() | st.just("user")),
    st.tuples(st.just("state"), st.integers(1, 6), st.sampled_from(list(JobState))),
    st.tuples(st.just("drop"), st.integers(1, 6)),
    st.tuples(st.just("hear")),
    st.tuples(st.just("settle")),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_CHANGES, max_size=40), st.sampled_from([2, 5, 1000]))
def test_deltas_put_together_are_the_rows(changes: list[tuple[Any, ...]], most_events: int) -> None:
    async def run() -> None:
        world = World()
        feed = Feed(world, epoch="e", ticks=lambda: 0.0, ring=Ring(most_events=most_events))
        with feed.listening(Wants()) as listener:
            await feed.warm_up()
            listener.seen = feed.position.number
            mirror = Mirror(feed, world, listener)
            for change in changes:
                _carry_out(world, feed, change)
                if change[0] == "settle":
                    await feed.warm_up()
                elif change[0] == "hear":
                    mirror.hear()
            feed.passed()
            await feed.warm_up()
            mirror.hear()
        for job in world.all.values():
            if not job.state.is_final:
                assert {k: v for k, v in mirror.rows[job.id].items() if k not in _UNTOLD} == told(job)
        alive = {number for number, row in mirror.rows.items() if row["state"] not in ("COMPLETED", "FAILED")}
        assert alive - set(world.all) == set()

    asyncio.run(run())


def _carry_out(world: World, feed: Feed, change: tuple[Any, ...]) -> None:
    kind, job_id = change[0], change[1] if len(change) > 1 else 0
    if kind == "add" and job_id not in world.all:
        world.all[job_id] = a_job(id=job_id, reason=Reason.PRIORITY)
    elif kind == "drop":
        world.all.pop(job_id, None)
    elif len(change) == 3 and job_id in world.all:
        world.all[job_id] = replace(world.all[job_id], **{kind: change[2]})
        if world.all[job_id].state is JobState.PENDING and world.all[job_id].reason is None:
            world.all[job_id] = replace(world.all[job_id], reason=Reason.PRIORITY)
    if kind in ("reason", "start_at"):
        feed.passed()
    if job_id:
        feed.jobs([job_id])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 20), st.integers(1, 900))
def test_a_ring_gives_all_after_a_number_or_says_that_some_are_gone(
    sizes: list[int], most_events: int, most_bytes: int
) -> None:
    ring = Ring(most_events=most_events, most_bytes=most_bytes)
    added = [Event(bytes([number % 256]) * size) for number, size in enumerate(sizes)]
    for event in added:
        ring.add(event)

    for seen in range(len(added) + 1):
        found = ring.after(seen)
        assert (found is None) == (seen < ring.floor)
        assert found is None or list(found) == added[seen:]
    kept = ring.after(ring.floor) or ()
    assert len(kept) <= most_events
    assert sum(len(event.text) for event in kept) <= most_bytes


def test_nothing_is_read_while_nobody_listens() -> None:
    async def run() -> None:
        world = World()
        feed = Feed(world, epoch="e", ticks=lambda: 0.0)
        world.all[1] = a_job(id=1)
        feed.jobs([1])
        feed.passed()
        assert world.reads == 0
        before = feed.position
        await feed.warm_up()
        assert not feed.knows(before), "what happened meanwhile was not told"
        assert feed.knows(feed.position)

    asyncio.run(run())


def test_a_reason_of_thousands_is_told_once_and_only_where_it_differs() -> None:
    async def run() -> None:
        world = World()
        world.all = {number: a_job(id=number, reason=Reason.PRIORITY) for number in range(1, 3001)}
        feed = Feed(world, epoch="e", ticks=lambda: 0.0)
        await feed.warm_up()
        at, reads = feed.position, world.reads
        world.all[7] = replace(world.all[7], reason=Reason.RESOURCES)
        for _ in range(5):
            feed.passed()
            await feed.warm_up()
        assert feed.changed_since(at) == {7}
        assert feed.position.number == at.number + 1
        assert world.reads == reads, "no row is read for a reason"

    asyncio.run(run())


def test_listeners_of_everything_are_given_the_same_bytes() -> None:
    async def run() -> None:
        world = World()
        feed = Feed(world, epoch="e", ticks=lambda: 0.0)
        with feed.listening(Wants()) as one, feed.listening(Wants()) as other, feed.listening(Wants(user="bo")) as bo:
            await feed.warm_up()
            for listener in (one, other, bo):
                listener.seen = feed.position.number
            world.all[1] = a_job(id=1, user="ada")
            feed.jobs([1])
            await feed.warm_up()
            heard = feed.read(one)
            assert heard
            assert feed.read(other) is heard
            assert feed.read(bo) == b""
            assert bo.seen == one.seen == feed.position.number

    asyncio.run(run())


def test_a_listener_of_one_job_sleeps_through_all_others() -> None:
    async def run() -> None:
        world = World()
        feed = Feed(world, epoch="e", ticks=lambda: 0.0)
        with feed.listening(Wants(job_ids=frozenset([1]))) as listener:
            await feed.warm_up()
            world.all = {1: a_job(id=1), 2: a_job(id=2)}
            feed.jobs([2])
            await feed.warm_up()
            assert not await listener.sleep(0.0)
            feed.jobs([1])
            await feed.warm_up()
            assert await listener.sleep(60.0)

    asyncio.run(run())


def a_gpu(node: str, place: int, **more: Any) -> Gpu:
    state = GpuState.FREE if more["job_id"] is None else GpuState.BUSY
    return Gpu(node=node, partition="p", place=place, kind="GPU", state=state, **more)


_GPU_CHANGES = st.one_of(
    st.tuples(
        st.just("put"), st.sampled_from("ab"), st.integers(0, 2), st.sampled_from([None, 1, 2]), st.floats(0, 100)
    ),
    st.tuples(st.just("take"), st.sampled_from("ab"), st.integers(0, 2)),
    st.tuples(st.just("settle")),
)
_USERS = {None: None, 1: "ann", 2: "bo"}
_STRANGERS = (), (Stranger(pid=1, user="eve", command="mine"),)


@settings(max_examples=200, deadline=None)
@given(st.lists(_GPU_CHANGES, max_size=30))
def test_rows_of_gpus_put_together_are_the_gpus_and_of_others_jobs_nothing_is_told(changes: list[Any]) -> None:
    async def run() -> None:
        world, there = World(), dict[tuple[str, int], Gpu]()
        feed = Feed(world, epoch="e", ticks=lambda: 0.0)
        sees: dict[str, MaySee | None] = {"all": None, "ann": lambda user: user in (None, "ann")}
        known = {name: dict[tuple[str, int], Json]() for name in sees}
        with feed.listening(Wants()) as one, feed.listening(Wants()) as two:
            await feed.warm_up()
            one.seen = two.seen = feed.position.number
            for change in [*changes, ("settle",)]:
                match change:
                    case ("put", node, place, job_id, util):
                        user = _USERS[job_id]
                        there[node, place] = a_gpu(
                            node,
                            place,
                            job_id=job_id,
                            user=user,
                            rank=job_id,
                            util=util,
                            strangers=_STRANGERS[util > 50],
                        )
                    case ("take", node, place):
                        there.pop((node, place), None)
                    case _:
                        world.slots = list(there.values())
                        feed.used()
                        await feed.warm_up()
                        for name, listener in (("all", one), ("ann", two)):
                            for _, kind, data in events(feed.read(listener, sees[name]) or b""):
                                assert (kind, data["is_whole"]) == ("gpus", False)
                                known[name].update(((row["node"], row["place"]), row) for row in data["gpus"])
                                for row in data["gone"]:
                                    del known[name][row["node"], row["place"]]
        for name, rows in known.items():
            assert rows.keys() == there.keys()
            for key, row in rows.items():
                is_seen = name == "all" or there[key].user in (None, "ann")
                assert (row["job_id"], row["user"]) == (
                    (there[key].job_id, there[key].user) if is_seen else (None, None)
                )
                assert (row["state"], row["rank"]) == (there[key].state, there[key].rank if is_seen else None)
                knows_strangers = name == "all" or there[key].user == "ann"
                assert len(row["strangers"]) == (len(there[key].strangers) if knows_strangers else 0)
                assert abs(row["util"] - (there[key].util or 0.0)) <= 20

    asyncio.run(run())


def test_pods_are_told_to_those_who_may_see_their_job_and_to_its_own_stream() -> None:
    def a_pod(uid: str, phase: str) -> TracedPod:
        return TracedPod(
            uid=uid, namespace="prod", name=uid, role="driver", executor_id=None, node=None, phase=phase,
            exit_code=None, reason=None, first_seen=1.0, last_seen=2.0, gone_at=None,
        )  # fmt: skip

    async def run() -> None:
        world = World()
        world.all = {1: a_job(id=1, user="ann"), 2: a_job(id=2, user="bo", state=JobState.COMPLETED)}
        feed = Feed(world, epoch="e", ticks=lambda: 0.0)
        with (
            feed.listening(Wants()) as everything,
            feed.listening(Wants(job_ids=frozenset([2]))) as second,
            feed.listening(Wants()) as anns,
        ):
            await feed.warm_up()
            for listener in (everything, second, anns):
                listener.seen = feed.position.number
            feed.pods(1, 3, [a_pod("u", "Pending"), a_pod("v", "Pending")])
            feed.pods(1, 3, [a_pod("u", "Running")])
            feed.pods(2, 1, [a_pod("w", "Failed")])
            feed.pods(9, 1, [a_pod("x", "Failed")])
            await feed.warm_up()
            assert await second.sleep(60.0)
            heard = events(feed.read(everything) or b"")
            of_ann = events(feed.read(anns, lambda user: user == "ann") or b"")
            of_second = events(feed.read(second) or b"")
        told = [(d["job_id"], d["attempt"], [(p["uid"], p["phase"]) for p in d["pods"]]) for _, _, d in heard]
        assert told == [(1, 3, [("u", "Running"), ("v", "Pending")]), (2, 1, [("w", "Failed")])]
        assert [kind for _, kind, _ in heard] == ["pods", "pods"]
        assert of_ann == heard[:1]
        assert of_second == heard[1:]

    asyncio.run(run())


@pytest.mark.parametrize("text", ["", "x", "ab-", "-1", "ab-1x", "AB-1", "ab--1", "ab-1\n", "a" * 33 + "-1"])
def test_what_is_no_position_is_none(text: str) -> None:
    assert parse_position(text) is None


@given(st.from_regex(r"[0-9a-f]{1,32}", fullmatch=True), st.integers(0, 10**18 - 1))
def test_a_position_is_read_as_it_was_written(epoch: str, number: int) -> None:
    assert parse_position(str(Position(epoch, number))) == Position(epoch, number)
