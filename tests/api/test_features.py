"""What users ask of jobs, over a real socket to real stores; instead of the scheduler, a note of what it is told."""

from __future__ import annotations

import asyncio
import os
import pwd
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from gpuq.cli.naming import number_of
from gpuq.client import Client, Json
from gpuq.client_admin import AdminClient
from gpuq.errors import GpuqError, NotFoundError, UnavailableError, UsageError
from gpuq.models import Cluster, JobState, PriorityTerm, Reason, Why
from gpuq_daemon.api import snapshot as snapshot_module
from gpuq_daemon.api.app import make_app
from gpuq_daemon.api.caller import Caller, Role
from gpuq_daemon.api.charts import in_turn
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.gate import Gate
from gpuq_daemon.api.listing import Listing
from gpuq_daemon.api.server import listen, make_server
from gpuq_daemon.api.views import Sources
from gpuq_daemon.aside import Aside
from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import WallClock
from gpuq_daemon.config import Config
from gpuq_daemon.feed.deltas import told, told_unbegun
from gpuq_daemon.feed.feed import Feed
from gpuq_daemon.feed.listener import Wants
from gpuq_daemon.files.door import Door
from gpuq_daemon.forecast.packing import Scene
from gpuq_daemon.forecaster import Forecaster
from gpuq_daemon.hooks.submit_filter import SubmitFilter
from gpuq_daemon.partitions import EmbeddedPartition
from gpuq_daemon.places import place_of
from gpuq_daemon.policy import script
from gpuq_daemon.policy.fairtree import NO_SHARES
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import PendingJob, Snapshot, Start
from gpuq_daemon.record_reading import RecordReading
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.audit import AuditStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.estimates import EstimateStore
from gpuq_daemon.store.history import History
from gpuq_daemon.store.jobs import JobStore, Owner, Request
from gpuq_daemon.store.messages import MessageStore
from gpuq_daemon.store.metrics import MetricsStore
from gpuq_daemon.store.passes import PassStore
from gpuq_daemon.store.pods import PodStore
from gpuq_daemon.store.runs import RunStore
from gpuq_daemon.store.tokens import TokenStore
from gpuq_daemon.store.tracing import TraceStore
from gpuq_daemon.vitals import Vitals
from tests.support.daemon import short_folder, until
from tests.support.values import MAIN_FUN, a_node, a_spec


class EveryPendingJob:
    """A queue in which every job waits for its turn."""

    def __init__(self, jobs: JobStore) -> None:
        self.touched = set[int]()
        self._jobs = jobs

    def outlooks(self) -> Iterable[tuple[PendingJob, Reason, int, float | None]]:
        return [(job, Reason.PRIORITY, 0, None) for job in self._jobs.pending()]

    def reasons(self) -> Iterable[tuple[PendingJob, Reason]]:
        return [(job, reason) for job, reason, _, _ in self.outlooks()]

    def is_pending(self, job_id: int) -> bool:
        return any(job.job_id == job_id for job in self._jobs.pending())


class NothingAhead:
    """A scheduler of an empty cluster."""

    changes = 0

    def scene(self) -> Scene:
        return Scene(snapshot=Snapshot(now=0.0, nodes=(), pending=(), active=()), reserved={})

    def decided_by(self, accounts: AccountStore) -> Snapshot:
        return self.scene().snapshot

    def has_pending(self) -> bool:
        return False

    def is_pending(self, job_id: int) -> bool:
        return False

    def is_held(self, job_id: int) -> bool:
        return False


# Newer releases of Litestar want names that older ones, which we allow, do not have.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
_DAY = 86_400.0
ME = pwd.getpwuid(os.geteuid()).pw_name


@dataclass
class Rig:
    """A client, the stores behind it, and what a scheduler would have been told."""

    client: Client
    admin: AdminClient
    jobs: JobStore
    loop: asyncio.AbstractEventLoop
    desk: Desk = field(init=False)
    told: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    tested: list[PendingJob] = field(default_factory=list[PendingJob])

    def enqueue(self, **spec: object) -> Json:
        """Queue a job."""
        return self.client.enqueue(a_body(**spec))

    def start(self, job_id: int) -> None:
        """Do as if the job had been started."""
        start = Start(job_id=job_id, workers_by_node={"a": 1})
        asyncio.run_coroutine_threadsafe(self.jobs.start([(start, f"t{job_id}")], now=2.0), self.loop).result(10)


def a_body(**spec: object) -> Json:
    return {"script_name": "train.py", "script": MAIN_FUN, **spec}


@pytest.fixture
def rig() -> Iterator[Rig]:
    with short_folder() as folder:
        config = Config(
            state_dir=str(folder), partition={"p": EmbeddedPartition(), "q": EmbeddedPartition()}, max_pending_jobs=50
        )
        database, metrics = Database(folder / "state.db", "state"), MetricsStore(folder / "metrics.db")
        flight = Database(folder / "flight.db", "flight")
        jobs, accounts = JobStore(database), AccountStore(database)
        loop, told, tested = asyncio.new_event_loop(), list[tuple[str, Any]](), list[PendingJob]()
        path = str(folder / "gpuqd.sock")
        made = Rig(Client(path), AdminClient(path), jobs, loop, told, tested)

        def test_start(job: PendingJob, gpu_kind: str) -> Why:
            tested.append(job)
            return Why(
                job_id=job.job_id,
                state=JobState.PENDING,
                reason=Reason.RESOURCES,
                text=gpu_kind,
                needs_gpus=job.gpus,
                free_gpus=0,
                total_gpus=6,
                start_at=99.0,
            )

        desk = Desk(
            config=config,
            vitals=Vitals(),
            clock=WallClock(),
            bell=Bell(),
            feed=Feed(Sources(lambda: desk), epoch="e", ticks=time.monotonic),
            jobs=jobs,
            metrics=metrics,
            pods=PodStore(database),
            traces=TraceStore(database),
            tokens=TokenStore(database),
            audit=AuditStore(database),
            cluster=lambda: Cluster(name="x", version="0", engine_ok=True),
            nodes=lambda: (
                a_node("a", 4, gpu_type="a100"),
                a_node("b", 2, gpu_type="v100"),
                a_node("c", 2, gpu_type="t4", partition="q"),
            ),
            gpu_kinds=lambda: {"p": "GPU", "q": "GPU"},
            reason=lambda _: Reason.PRIORITY,
            explain=lambda _, __: pytest.fail("nobody asks why here"),
            refused_owner=lambda owner, partition: None,
            shortage=lambda: None,
            place=lambda job_id, number: place_of(config, job_id, number),
            door=Door({}),
            trouble=lambda job_id, attempt: None,
            wake=lambda: None,
            nudge=lambda job_id: told.append(("nudge", job_id)),
            hurry=lambda job_id: told.append(("hurry", job_id)),
            silent_since=lambda job_id: None,
            flags=lambda job_id: (),
            gpus=tuple,
            hindrances=lambda partition: (f"java: none in {partition} -> install one",),
            order=lambda job_id, order: pytest.fail("nobody orders anything here"),
            accounts=accounts,
            rules_changed=lambda: told.append(("rules", None)),
            shares=lambda: (accounts.tree(), NO_SHARES),
            rates=dict,
            submitted=lambda ids: told.append(("submitted", list(ids))),
            changed=lambda job_id: told.append(("changed", job_id)),
            removed=lambda job_id: told.append(("removed", job_id)),
            terms=lambda _: (PriorityTerm(name="age", factor=0.5, weight=10, points=5),),
            test_start=test_start,
            rules=lambda: Rules(qos=accounts.qos(), limits=accounts.limits(30 * _DAY)),
            outlook=lambda _: (None, None),
            estimate=lambda _: None,
            lent=list,
            wasted=lambda _: [],
            record=RecordReading(Aside(), PassStore(flight)),
            ahead=Forecaster(
                aside=Aside(),
                scheduler=NothingAhead(),
                runs=RunStore(database.path),
                promises=EstimateStore(flight),
                clock=WallClock(),
                every_s=lambda: 0.0,
                half_life_s=lambda: _DAY,
                seed=lambda: 1,
            ),
            history=History(database.path),
            listing=Listing(jobs, EveryPendingJob(jobs), gpu_kinds=dict, whole=lambda job: job),
            diagnose=lambda: pytest.fail("nobody asks how gpuqd fares here"),
            reload=tuple,
            waiting=tuple,
            messages=MessageStore(database),
            notices_key=lambda user: f"key of {user}",
            submit_filter=SubmitFilter(config),
        )
        made.desk = desk
        server, socket = make_server(Gate(make_app(desk), desk), config.listen), listen(config.socket_path)
        thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve(sockets=[socket])))
        thread.start()
        until(lambda: _answers(made.client), timeout_s=30, what="an answer")
        try:
            yield made
        finally:
            server.should_exit = True
            thread.join()
            socket.close()
            loop.close()
            flight.close()
            metrics.close()
            database.close()


def _answers(client: Client) -> bool:
    try:
        return bool(client.cluster())
    except UnavailableError:
        return False


def test_an_arrays_tasks_are_told_alone_and_page_by_page(rig: Rig) -> None:
    alone, array, other = (rig.enqueue(**asked)["id"] for asked in ({}, {"array": "3-5"}, {"array": "0-1"}))

    def indexes(**asked: Any) -> list[int]:
        return [one["array_index"] for one in rig.client.job_list(**asked)["jobs"]]

    assert [task["array_index"] for task in rig.client.tasks(array)] == [3, 4, 5]
    assert indexes(array=array) == indexes(array=array, everything=True) == [3, 4, 5]
    assert indexes(array=array, user="nobody") == []
    first = rig.client.job_list(array=array, limit=2)
    assert indexes(array=array, limit=2, cursor=first["next_cursor"]) == [5]
    assert (rig.client.tasks(alone), indexes(array=other)) == ([], [0, 1])
    rig.client.cancel(array, index=4)
    until(lambda: indexes(array=array) == [3, 5], timeout_s=15, what="the end of a task")
    assert indexes(array=array, everything=True) == [3, 4, 5]


def test_what_is_told_without_reading_a_job_whole_is_what_reading_it_tells(rig: Rig) -> None:
    later = time.time() + 1e6
    asked: list[dict[str, Any]] = [
        {},
        {"workers": 2, "exclusive": True, "layout": "spread", "nice": 7, "time_limit_s": 60, "hold": True},
        {"cpus_per_worker": 2, "memory_mib_per_worker": 100, "signal_s": 30, "retries": 2, "stop_on": "nan"},
        {"begin_at": later, "deadline": later + 100.5, "time_limit_s": 60, "array": "0-2%2", "gpu_type": "v100"},
        {"dependency": "afterok:1", "nodes": 1, "name": "x", "evaluator": True, "partition": "q"},
    ]
    for spec in asked:
        rig.enqueue(**spec)
    started = rig.enqueue()["id"]
    rig.start(started)

    found = rig.jobs.unbegun(range(1, started + 2))

    assert list(found) == list(range(1, started))
    for job in rig.jobs.jobs_of(found):
        user, fields = found[job.id]
        seen = replace(job, reason=Reason.PRIORITY, start_at=later, gpu_kind="x")
        assert told_unbegun(user, {**fields, "gpu_kind": "x"}, Reason.PRIORITY, later) == told(seen)


@pytest.mark.parametrize("has_table", [True, False])
def test_between_any_two_parts_of_a_streams_beginning_others_have_their_turn(
    rig: Rig, has_table: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_module, "_ROWS_AT_A_TIME", 1)
    monkeypatch.setattr(snapshot_module, "_COLUMNS_AT_A_TIME", 1)
    rig.enqueue(array="0-7")
    who = Caller(owner=Owner(user="ann", uid=1), role=Role.USER, source="a test")

    async def turns() -> list[int]:
        taken, turn, is_over = list[int](), 0, False

        def others() -> None:
            nonlocal turn
            turn += 1
            if not is_over:
                rig.loop.call_soon(others)

        others()
        with rig.desk.feed.listening(Wants()) as listener:
            async for _ in snapshot_module.snapshot(rig.desk, who, listener, "new", has_table=has_table):
                taken.append(turn)  # and it is asked for the next at once, as by a connection that is gone
        is_over = True
        return taken

    taken = asyncio.run_coroutine_threadsafe(turns(), rig.loop).result(30)

    assert len(taken) >= 10
    assert all(after > before for before, after in pairwise(taken[:-1]))


def test_a_long_script_is_not_read_by_gpuqd_itself(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(text: str) -> None:
        pytest.fail("it stops all of gpuqd while it is read")

    monkeypatch.setattr(script.ast, "parse", parse)
    long = "a\n" * 20_000

    assert rig.enqueue(script=MAIN_FUN + long)["id"] == 1
    assert rig.enqueue(script=MAIN_FUN + long)["id"] == 2
    with pytest.raises(UsageError, match="has no `main_fun`"):
        rig.enqueue(script=long)


def test_one_picture_is_drawn_at_a_time(rig: Rig) -> None:
    both = threading.Barrier(2)

    def draw() -> bytes:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        return b"together" if not both.broken else b"alone"

    async def drawn() -> list[bytes]:
        return await asyncio.gather(*(in_turn(rig.desk, draw) for _ in range(2)))

    assert asyncio.run_coroutine_threadsafe(drawn(), rig.loop).result(30) == [b"alone", b"alone"]


def test_an_array_is_cancelled_in_few_transactions(rig: Rig) -> None:
    array = rig.enqueue(array="0-39")["id"]
    rig.start(array)
    told = len(rig.told)
    writes = list[object]()
    write = rig.jobs._db.write  # pyright: ignore[reportPrivateUsage] - how many there are is told to nobody

    def counted(of: Any) -> Any:
        writes.append(of)
        return write(of)

    rig.jobs._db.write = counted  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    rig.client.cancel(array)

    assert len(writes) <= 2
    assert rig.told[told:] == [("nudge", array), *(("removed", array + i) for i in range(1, 40))]
    assert {job["state"] for job in rig.client.jobs(everything=True)} == {"COMPLETING", "CANCELLED"}


def test_an_array_is_queued_and_answered_by_its_first_task(rig: Rig) -> None:
    job = rig.enqueue(array="3-5%1", nice=2, begin_at=5.0, hold=True)

    assert (job["array_id"], job["array_index"], job["throttle"]) == (job["id"], 3, 1)
    assert (job["nice"], job["begin_at"], job["hold"], job["account"], job["qos"]) == (2, 5.0, "user", "root", "normal")
    assert rig.told == [("submitted", [1, 2, 3])]
    assert [one["array_index"] for one in rig.client.jobs()] == [3, 4, 5]


@pytest.mark.parametrize(
    ("gpu_type", "partition"), [(None, "p"), ("v100", "p"), ("t4", "q"), ("t4|v100", "p"), ("t4|none", "q")]
)
def test_a_job_that_names_no_partition_goes_where_its_gpu_model_is(
    rig: Rig, gpu_type: str | None, partition: str
) -> None:
    assert rig.enqueue(gpu_type=gpu_type)["partition"] == partition


def test_a_number_that_no_job_can_have_is_refused(rig: Rig) -> None:
    client = rig.client

    def update(job_id: int) -> object:
        return client.update(job_id, {"nice": 1})

    asks: list[Callable[[int], object]] = [client.cancel, client.hold, client.release, client.requeue, client.priority]

    for job_id in (2**62, 2**63, 10**30, 0, -1):
        for ask in (*asks, client.move_to_top, update):
            with pytest.raises(UsageError, match="job_id"):
                ask(job_id)


def test_a_task_is_named_by_its_array_and_index(rig: Rig) -> None:
    array = rig.enqueue(array="3-5")["id"]

    assert number_of(rig.client, f"{array}_5") == array + 2
    assert number_of(rig.client, str(array)) == array
    assert (
        rig.enqueue(dependency=f"afterok:{array}_4,after:{array}")["dependency"] == f"afterok:{array + 1},after:{array}"
    )
    with pytest.raises(NotFoundError, match="no task 9"):
        number_of(rig.client, f"{array}_9")
    with pytest.raises(NotFoundError, match="no task 9"):
        rig.enqueue(dependency=f"afterok:{array}_9")
    with pytest.raises(NotFoundError, match="no task 9"):
        rig.client.update(array, {"dependency": f"afterok:{array}_9"})


def test_what_is_deleted_while_a_job_comes_in_is_missed(rig: Rig) -> None:
    """The job was let in, and then its account, QOS or reservation went: nobody would be charged, or it never ran."""
    rig.admin.add_account("bio")
    rig.admin.add_member(ME, "bio")
    owner = Owner(user=ME, uid=os.geteuid())

    def come(*, account: str = "bio", qos: str = "normal", reservation: str | None = None) -> None:
        spec = a_spec(reservation=reservation)
        request = Request(spec=spec, owner=owner, name="x", partition="p", account=account, qos=qos, sha256="0")

        async def add() -> None:
            await rig.jobs.add_all(
                request,
                now=1.0,
                admit=lambda there: there.refuse_vanished(ME, account, qos, reservation),
            )

        asyncio.run_coroutine_threadsafe(add(), rig.loop).result(10)

    come()
    for named, says in (
        ({"account": "root"}, "not in the account root any more"),
        ({"account": "gone"}, "not in the account gone any more"),
        ({"qos": "gone"}, "no QOS gone any more"),
        ({"reservation": "gone"}, "no reservation gone any more"),
    ):
        with pytest.raises(UsageError, match=says):
            come(**named)
    assert len(rig.client.jobs()) == 1


def test_an_update_of_nothing_is_refused(rig: Rig) -> None:
    with pytest.raises(UsageError, match="Nothing to change"):
        rig.client.update(rig.enqueue()["id"], {})


def test_a_test_says_when_and_queues_nothing(rig: Rig) -> None:
    first = rig.enqueue(array="0-1")["id"]
    before = list(rig.told)

    why = rig.client.test(a_body(workers=2, dependency=f"aftercorr:{first}", array="0-1%1", gpu_type="a100"))

    assert (why["reason"], why["start_at"], why["needs_gpus"]) == ("Resources", 99.0, 2)
    assert why["hindrances"] == ["java: none in p -> install one"]
    (job,) = rig.tested
    assert (job.job_id, job.gang.gpu_type, job.throttle) == (3, "a100", 1)
    assert job.dependencies[0].targets == (first,)
    assert rig.told == before
    assert len(rig.client.jobs(everything=True)) == 2
    with pytest.raises(UsageError, match="no job 99"):
        rig.client.test(a_body(dependency="afterok:99"))


def test_hold_release_and_top_reach_the_scheduler(rig: Rig) -> None:
    job_id = rig.enqueue()["id"]
    rig.told.clear()

    held = rig.client.hold(job_id, as_admin=True)
    released = rig.client.release(job_id)
    top = rig.client.move_to_top(job_id)
    normal = rig.client.move_to_top(job_id, on=False)

    assert (held["hold"], released["hold"], top["is_top"], normal["is_top"]) == ("admin", None, True, False)
    assert rig.told == [("changed", job_id)] * 4


def test_an_arrays_number_means_all_that_wait_and_an_index_one(rig: Rig) -> None:
    first = rig.enqueue(array="0-2")["id"]
    rig.start(first)

    rig.client.hold(first)
    task = rig.client.release(first, index=2)

    assert (task["id"], task["hold"]) == (first + 2, None)
    assert [one["hold"] for one in rig.client.jobs()] == [None, "user", None]
    with pytest.raises(NotFoundError, match="no task 7"):
        rig.client.hold(first, index=7)
    with pytest.raises(UsageError, match="is CONFIGURING"):
        rig.client.hold(first, index=0)
    rig.told.clear()
    rig.client.cancel(first)
    assert rig.told == [("nudge", first), ("removed", first + 1), ("removed", first + 2)]
    assert [one["state"] for one in rig.client.jobs(everything=True)] == ["COMPLETING", "CANCELLED", "CANCELLED"]


def test_a_running_job_is_ended_to_run_again_and_an_ended_one_waits(rig: Rig) -> None:
    running, waiting = rig.enqueue()["id"], rig.enqueue()["id"]
    rig.start(running)
    rig.client.cancel(waiting)
    rig.told.clear()

    assert rig.client.requeue(running)["state"] == "COMPLETING"
    again = rig.client.requeue(waiting, is_held=True)

    assert (again["state"], again["hold"]) == ("PENDING", "user")
    assert rig.told == [("nudge", running), ("submitted", [waiting])]
    with pytest.raises(UsageError, match="pending already"):
        rig.client.requeue(waiting)


def test_fields_of_a_pending_job_are_changed_and_checked_as_a_whole(rig: Rig) -> None:
    first = rig.enqueue(array="0-1", time_limit_s=60, deadline=time.time() + _DAY)["id"]
    rig.told.clear()

    job = rig.client.update(first, {"workers": 3, "time_limit_s": None, "deadline": None, "name": "b", "throttle": 1})

    assert (job["workers"], job["time_limit_s"], job["deadline"], job["name"]) == (3, None, None, "b")
    assert {(one["workers"], one["throttle"]) for one in rig.client.jobs()} == {(3, 1)}
    assert rig.told == [("rules", None), ("changed", first), ("changed", first + 1)]
    before = rig.client.jobs()
    for changes, says in {
        "workers": ({"workers": 7}, "asks for 7 GPUs"),
        "cycle": ({"dependency": f"afterok:{first}"}, "wait for itself"),
        "unknown": ({"priority": 5}, "'priority' of a job cannot be changed"),
        "script": ({"script": "x"}, "'script' of a job cannot be changed"),
        "kind": ({"workers": "many"}, "workers"),
        "throttle": ({"throttle": -1}, "whole number"),
    }.values():
        with pytest.raises(UsageError) as refused:
            rig.client.update(first, changes)
        assert says in str(refused.value)
    assert rig.client.jobs() == before


def test_every_term_of_the_priority_is_told(rig: Rig) -> None:
    assert rig.client.priority(rig.enqueue()["id"]) == [{"name": "age", "factor": 0.5, "weight": 10, "points": 5}]


def test_accounts_and_limits_stand_at_the_door(rig: Rig) -> None:
    for name in ("bio", "chem"):
        rig.admin.add_account(name)
    rig.admin.add_member(ME, "bio", is_default=True)
    rig.admin.set_limit("user", ME, {"queued_jobs": 2, "longest_s": 60})

    job = rig.enqueue(time_limit_s=60)

    assert job["account"] == "bio"
    for spec, says in {
        "account": ({"account": "gone", "time_limit_s": 1}, "no account 'gone'"),
        "outside": ({"account": "chem", "time_limit_s": 1}, "not in the account 'chem'"),
        "limit": ({"time_limit_s": 61}, "AssocMaxWallDurationPerJobLimit"),
        "queued": ({"time_limit_s": 1, "array": "0-1"}, "may queue 2 jobs, 1 is there and 2 more would be added"),
    }.values():
        with pytest.raises(UsageError) as refused:
            rig.enqueue(**spec)
        assert says in str(refused.value)
    assert len(rig.client.jobs()) == 1


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"array": "0-10000000"}, "has 10000001 tasks; at most 10000 are allowed"),
        ({"array": "0," * 200_000 + "0"}, "An array may have 262144 characters; this one has 400001"),
        ({"array": "0-9999," * 11}, "The array has more than 10000 tasks"),
        ({"dependency": "singleton," * 7_000 + "singleton"}, "at most 1000 others"),
        ({"stop_on": "nan," * 300 + "nan"}, "may have 1024 characters; this has 1203"),
        ({"notify": "ended," * 300 + "ended"}, "may be named in 1024 characters; this has 1805"),
        ({"notify": "ended", "notify_to": "mail," * 1_000 + "mail"}, "at most 4 ways, of 1024 characters each"),
        ({"array": "0-50"}, "The queue is full: 0 jobs wait, at most 50 may"),
        ({"dependency": "afterok:4"}, "There is no job 4"),
        ({"dependency": "soon:4"}, "'soon' is not a dependency"),
        ({"gpu_type": "h100"}, "no GPU model 'h100' in partition p; there is a100, v100"),
        ({"gpu_type": "v100", "workers": 3}, "the cluster has 2 v100s"),
        ({"workers": 5}, "the cluster has 4 a100s"),
        ({"qos": "gold"}, "no QOS 'gold'"),
        ({"reservation": "x", "time_limit_s": 5}, "no reservation 'x'"),
        ({"deadline": 5.0}, "in the past"),
        ({"nodes": "two"}, "nodes"),
        ({"layout": "heap"}, "pack or spread"),
        ({"signal_s": 5, "time_limit_s": 5}, "longer time limit"),
        ({"signal_s": 0, "time_limit_s": 9}, "1 s to 86400 s before the end"),
        ({"nodes": 2}, "A job of 1 worker lies on 1 node; this one asks for 2."),
        ({"partition": ""}, "no partition ``; there is p, q"),
        ({"partition": "p", "gpu_type": "t4"}, "no GPU model 't4' in partition p; partition q has it"),
        ({"gpu_type": "t4|a100", "partition": "q", "workers": 3}, "the cluster has 2 t4s in partition q"),
        ({"workerz": 8}, "A job has no field 'workerz'"),
        ({"user": "ann"}, "A job has no field 'user'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_and_queues_nothing(
    rig: Rig, spec: dict[str, object], says: str
) -> None:
    with pytest.raises(GpuqError) as refused:
        rig.enqueue(**spec)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert rig.client.jobs(everything=True) == []
    assert rig.told == []
