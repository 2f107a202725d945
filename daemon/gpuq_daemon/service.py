"""gpuqd put together: one event loop with the API, the scheduler, the engines, and a course for each attempt."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import resource
import secrets
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path

from gpuq.diagnosis import Diagnosis
from gpuq.errors import GpuqError
from gpuq_daemon import logs
from gpuq_daemon.api import views
from gpuq_daemon.api.app import make_app
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.gate import Gate
from gpuq_daemon.api.listeners import Listeners, listeners
from gpuq_daemon.api.listing import Listing
from gpuq_daemon.api.quick import quick
from gpuq_daemon.api.recording import reload_row
from gpuq_daemon.api.timing import timed
from gpuq_daemon.api.trace import traced_pod
from gpuq_daemon.api.views import Sources
from gpuq_daemon.aside import Aside
from gpuq_daemon.backends.base import Engine, KnowsContainers
from gpuq_daemon.backends.making import make_engines
from gpuq_daemon.bell import Bell
from gpuq_daemon.check_hooks import refuse_writable
from gpuq_daemon.clock import Clock, WallClock
from gpuq_daemon.cluster_now import ClusterNow
from gpuq_daemon.config import Config
from gpuq_daemon.courses import Courses
from gpuq_daemon.diagnose import diagnose
from gpuq_daemon.dispatch import Dispatcher
from gpuq_daemon.engines import Engines
from gpuq_daemon.feed.feed import Feed
from gpuq_daemon.files.door import Door
from gpuq_daemon.forecaster import Forecaster
from gpuq_daemon.hooks.job_hooks import JobHooks
from gpuq_daemon.hooks.node_checks import NodeChecks
from gpuq_daemon.hooks.node_hooks import UnfitNodes
from gpuq_daemon.hooks.submit_filter import SubmitFilter
from gpuq_daemon.host_gpus import HostGpus
from gpuq_daemon.ingest import Ingest
from gpuq_daemon.lasting import Lasting
from gpuq_daemon.messages.messenger import Messenger
from gpuq_daemon.node_record import NodeRecord
from gpuq_daemon.notify import Notifier
from gpuq_daemon.partitions import KubernetesPartition
from gpuq_daemon.places import place_of
from gpuq_daemon.points import Points
from gpuq_daemon.pulse import Pulse
from gpuq_daemon.record_reading import RecordReading
from gpuq_daemon.recorder import Recorder
from gpuq_daemon.reload import Reloader
from gpuq_daemon.retention import Retention
from gpuq_daemon.running_as import RunningAs
from gpuq_daemon.sampled import Sampled
from gpuq_daemon.saves import Saves
from gpuq_daemon.scheduler import Scheduler
from gpuq_daemon.space import Room, shortage
from gpuq_daemon.standing import Standing
from gpuq_daemon.state_folder import held
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.audit import AuditStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.estimates import EstimateStore
from gpuq_daemon.store.history import History
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.messages import MessageStore
from gpuq_daemon.store.metrics import MetricsStore
from gpuq_daemon.store.nodes import NodeStore
from gpuq_daemon.store.passes import PassStore
from gpuq_daemon.store.pods import PodRow, PodStore
from gpuq_daemon.store.promises import PromiseStore
from gpuq_daemon.store.retention import RetentionStore
from gpuq_daemon.store.runs import RunStore
from gpuq_daemon.store.tokens import TokenStore
from gpuq_daemon.store.tracing import TraceStore
from gpuq_daemon.vitals import Vitals
from gpuq_daemon.watch import Watch

logger = logging.getLogger(__name__)

_SPACE_EVERY_S = 2.0


async def serve(
    config: Config,
    *,
    file: Path | None = None,
    ready: Callable[[], None] = lambda: None,
    hindrances: Callable[[str], tuple[str, ...]] = lambda partition: (),
) -> None:
    """Serve until SIGTERM or SIGINT; on SIGHUP read the configuration's `file` again.

    `hindrances` are what would make any job of a partition fail here.

    Jobs that run then go on, and so does an embedded engine that they need; the next gpuqd finds both. Without
    running jobs everything is stopped.

    Raises:
        UsageError: another gpuqd uses the state, the socket cannot be made, or others may write a hook.
        EngineError: an engine cannot run; nothing is left running.
    """
    refuse_writable(config.hooks)
    os.umask(0o077)
    _allow_many_files()
    _give_back_large_blocks()
    with held(config):
        clock = WallClock()
        vitals = Vitals(clock.now())
        database = Database(config.state / "state.db", "state", vitals=vitals)
        metrics = MetricsStore(config.state / "metrics.db", vitals=vitals)
        flight = Database(config.state / "flight.db", "flight", synchronous="NORMAL", vitals=vitals)
        try:
            engines = make_engines(config)
            made = Service(config, database, metrics, flight, engines, clock, vitals, file=file, hindrances=hindrances)
            await made.run(ready)
        finally:
            flight.close()
            metrics.close()
            database.close()


class Service:
    """The daemon's parts, wired together."""

    def __init__(
        self,
        config: Config,
        database: Database,
        metrics: MetricsStore,
        flight: Database,
        engines: Mapping[str, Engine],
        clock: Clock,
        vitals: Vitals,
        *,
        file: Path | None = None,
        hindrances: Callable[[str], tuple[str, ...]] = lambda partition: (),
    ) -> None:
        self._config = config
        self._database = database
        self._notifier = Notifier(os.environ)
        self._reloader = Reloader(config, file, applied=self._settings_changed)
        self._gpu_types = {name: partition.gpu_type for name, partition in config.partition.items()}
        self._vitals = vitals
        self._clock = clock
        self._jobs = jobs = JobStore(database)
        accounts = AccountStore(database)
        standing = Standing(config, database, accounts, jobs)
        self._feed = Feed(Sources(lambda: self._desk), epoch=secrets.token_hex(4), ticks=time.monotonic)
        self._bell = Bell(self._feed.jobs)
        self._stop = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._bound: Listeners | None = None
        self._courses = Courses(lambda job_id: self._watch.run(job_id))
        self._engines = Engines(
            engines,
            self._gpu_types,
            changed=self._engines_changed,
        )
        running_as = RunningAs(config, engines)
        self._refused_owner = Lasting(running_as.refusal, for_s=1.0)
        dispatcher = Dispatcher(config, engines, running_as.refusal)
        self._sampled = Sampled(
            metrics=metrics,
            place=dispatcher.place,
            clock=clock,
            every_s=lambda: config.sample_every_s,
            idle_after_s=lambda: config.idle_after_s,
            gpu_kind=lambda partition: self._engines.gpu_kinds().get(partition, "GPU"),
            is_of_a_job=jobs.has_process_beside,
        )
        self._host_gpus = HostGpus(lambda: config.sample_every_s)
        self._now = ClusterNow(
            config, engines=self._engines, jobs=jobs, sampled=self._sampled, host_gpus=self._host_gpus
        )
        passes = PassStore(flight)
        self._recorder = Recorder(
            passes,
            clock,
            days=lambda: config.scheduler.record_days,
            mib=lambda: config.scheduler.record_mib,
        )
        self._scheduler = Scheduler(
            jobs=jobs,
            standing=standing,
            promises=PromiseStore(database),
            clock=clock,
            bell=self._bell,
            nodes=self._engines.views,
            down=self._now.down,
            new_token=lambda: secrets.token_hex(8),
            started=self._courses.begin,
            recalculate_every_s=lambda: config.scheduler.recalculate_every_s,
            passed=self._feed.passed,
            stopped=lambda job_id: self._watch.nudge(job_id),
            recorder=self._recorder,
            half_life_s=lambda: config.scheduler.half_life_s,
            recalculated=lambda at: self._feed.happened("shares", {"at": at}),
            vitals=vitals,
        )
        self._door = Door(os.environ)
        self._points = Points(
            metrics=metrics,
            place=dispatcher.place,
            active=lambda: {(one.job_id, one.number) for one in jobs.active_attempts()},
            clock=clock,
            vitals=vitals,
            door=self._door,
        )
        self._watch = Watch(
            jobs=jobs,
            dispatcher=dispatcher,
            ingest=Ingest(
                jobs=jobs,
                points=self._points,
                sampled=self._sampled,
                place=dispatcher.place,
                vitals=vitals,
                placed=lambda attempt, told: engines[attempt.partition].placed(attempt.token, told),
                containers=lambda attempt: (
                    engine.containers(attempt.token)
                    if isinstance(engine := engines[attempt.partition], KnowsContainers)
                    else None
                ),
                unfit=UnfitNodes(
                    lambda: config.hooks,
                    accounts,
                    clock,
                    node_count=lambda: len(self._engines.nodes()),
                    tell=metrics.tell,
                    changed=self._rules_changed,
                ).take_out,
            ),
            engines=engines,
            clock=clock,
            bell=self._bell,
            released=self._scheduler.ended,
            moved=self._scheduler.moved,
            rate_of=standing.rate_of,
            half_life_s=lambda: config.scheduler.half_life_s,
            signals=lambda job_id: (*metrics.told(job_id).signals, *self._sampled.signals(job_id)),
            config=config,
            hooks=JobHooks(config, clock, metrics.tell),
            pace=metrics.pace,
        )
        self._saves = Saves(
            jobs,
            dispatcher.place,
            self._door,
            is_wanted=lambda: config.scheduler.preemption,
            saved=self._scheduler.saved,
        )
        self._engine_of = engines
        self._node_checks = NodeChecks(
            config, accounts, clock, nodes=lambda: self._now.cluster().nodes, changed=self._rules_changed
        )
        self._node_record = NodeRecord(NodeStore(database), accounts, clock, nodes=lambda: self._now.cluster().nodes)
        messages = MessageStore(database)
        self._messenger = Messenger(
            config,
            messages,
            clock,
            signals=lambda job_id: (*metrics.told(job_id).signals, *self._sampled.signals(job_id)),
            silent_since=self._watch.silent_since,
            refused=running_as.refusal,
            vitals=vitals,
        )
        self._pods = PodStore(database)
        self._retention = Retention(config, RetentionStore(database), metrics, clock, self._door)
        aside = Aside()
        self._forecaster = Forecaster(
            aside=aside,
            scheduler=self._scheduler,
            runs=RunStore(database.path),
            promises=EstimateStore(flight),
            clock=clock,
            every_s=lambda: config.scheduler.estimate_every_s,
            half_life_s=lambda: config.scheduler.half_life_s,
            seed=lambda: secrets.randbits(62),
        )
        history = History(database.path)
        self._desk = Desk(
            config=config,
            clock=clock,
            vitals=vitals,
            bell=self._bell,
            feed=self._feed,
            jobs=jobs,
            metrics=metrics,
            pods=self._pods,
            traces=TraceStore(database),
            tokens=TokenStore(database),
            audit=AuditStore(database),
            cluster=self._now.cluster,
            nodes=self._engines.views,
            gpu_kinds=self._engines.gpu_kinds,
            reason=self._scheduler.reason,
            explain=self._scheduler.explain,
            place=lambda job_id, number: place_of(config, job_id, number),
            door=self._door,
            trouble=self._points.trouble,
            wake=self._scheduler.wake,
            nudge=self._watch.nudge,
            hurry=self._watch.hurry,
            silent_since=self._watch.silent_since,
            flags=self._sampled.signals,
            gpus=self._now.gpus,
            hindrances=hindrances,
            order=self._watch.order,
            accounts=accounts,
            rules_changed=self._rules_changed,
            shares=self._scheduler.shares,
            lent=self._scheduler.lent,
            wasted=history.wasted,
            rates=standing.rates,
            submitted=self._scheduler.submitted,
            changed=self._scheduler.changed,
            removed=self._scheduler.removed,
            terms=self._scheduler.terms,
            test_start=self._scheduler.test_start,
            rules=self._scheduler.rules,
            outlook=self._scheduler.outlook,
            history=history,
            estimate=self._forecaster.estimate,
            ahead=self._forecaster,
            record=RecordReading(aside, passes),
            listing=Listing(
                jobs,
                self._scheduler,
                gpu_kinds=self._engines.gpu_kinds,
                whole=lambda job: views.whole(self._desk, job),
                estimates=self._forecaster.estimates,
            ),
            diagnose=self._diagnose,
            reload=self._reloader.reload,
            waiting=self._scheduler.waiting,
            refused_owner=self._refused_owner,
            shortage=Room(config.state, lambda: config.min_free_mib).shortage,
            messages=messages,
            notices_key=self._messenger.key_of,
            submit_filter=SubmitFilter(config),
        )

    async def run(self, ready: Callable[[], None]) -> None:
        """Start everything, serve until asked to stop, and stop what no job needs."""
        self._listen_to_signals(asyncio.get_running_loop())
        with listeners(self._config) as bound:
            self._bound = bound
            if not await self._started_engines():
                return
            self._scheduler.read()
            gc.enable()
            gc.freeze()  # what is loaded now stays: a long queue need not be looked through at every collection
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._courses.run_in(tasks)
                bound.serve(timed(Gate(quick(make_app(self._desk), self._desk), self._desk), self._vitals), tasks)
                for attempt in self._jobs.active_attempts():
                    self._courses.begin(attempt.job_id)
                endless = (
                    self._scheduler.run(),
                    self._feed.run(),
                    self._engines.watch(),
                    Pulse(self._vitals).run(),
                    self._notifier.keep(self._status, self._writer_answers),
                    self._watch_space(),
                    self._tell_of_gpus(),
                    self._node_checks.run(),
                    self._node_record.run(),
                    self._retention.run(),
                    *([self._host_gpus.run()] if self._now.nodes_here() and self._config.sample_every_s else []),
                    *self._pod_links(),
                    self._points.read_later(),
                    self._forecaster.run(),
                    self._recorder.run(),
                    self._saves.run(),
                    self._messenger.run(),
                )
                loops = [tasks.create_task(one) for one in endless]
                ready()
                self._notifier.tell(READY=1, STATUS=self._status())
                await self._stop.wait()
                self._notifier.tell(STOPPING=1, STATUS="answers what is open, then ends; jobs go on")
                await self._end(bound, loops)
        await self._stop_engines()

    def _pod_links(self) -> Iterator[Coroutine[None, None, None]]:
        """Yield what follows the pods of each partition that has some."""
        if not any(isinstance(partition, KubernetesPartition) for partition in self._config.partition.values()):
            return
        from gpuq_daemon.following_pods import followers  # a start without it is quicker

        yield from followers(self._engine_of, self._pods, clock=self._clock, bell=self._bell, told=self._tell_of_pods)

    def _tell_of_pods(self, rows: Sequence[PodRow]) -> None:
        for row in rows:
            self._feed.pods(row.job_id, row.attempt, (traced_pod(row),))

    async def _started_engines(self) -> bool:
        """Start the engines; False if gpuqd was asked to stop meanwhile."""
        starting = asyncio.create_task(self._engines.start())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await starting  # an engine half started cannot be stopped well: let it come up first
        if self._stop.is_set():
            await self._stop_engines()
            return False
        return True

    async def _end(self, bound: Listeners, loops: list[asyncio.Task[None]]) -> None:
        self._bell.close()
        self._feed.close()  # open streams would hold up the server's end
        await bound.stop()
        self._door.close()
        with contextlib.suppress(GpuqError):
            await self._recorder.keep_ledger()
        self._courses.cancel()
        for task in loops:
            task.cancel()

    async def _stop_engines(self) -> None:
        running = [attempt.job_id for attempt in self._jobs.active_attempts()]
        if running:
            logger.info("jobs go on without gpuqd, and so does their engine", extra={"job_ids": running})
        else:
            await self._engines.stop()

    def _listen_to_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        if not os.isatty(0):  # in a terminal SIGHUP says that it is gone, and so should gpuqd be
            loop.add_signal_handler(signal.SIGHUP, self._asked_to_reload)

    def _asked_to_stop(self) -> None:
        """Stop in order; asked a second time, wait for no request."""
        if self._stop.is_set() and self._bound is not None:
            self._bound.hurry()
        self._stop.set()

    def _asked_to_reload(self) -> None:
        self._notifier.reloading()
        change, error = self._reloader.reload_by_signal()
        self._notifier.tell(READY=1, STATUS=self._status())
        if self._tasks is not None and not self._stop.is_set():
            self._tasks.create_task(self._record_reload(change, error))

    async def _record_reload(self, change: str | None, error: str | None) -> None:
        """Put a reload by a signal into the record of changes; who sent the signal is not known."""
        row = reload_row(change, error, at=self._clock.now())
        try:
            await self._desk.audit.add(row, keep_s=self._config.audit.keep_s)
        except GpuqError as failed:
            logger.warning("a reload could not be recorded", extra={"reason": str(failed)})

    def _settings_changed(self) -> None:
        logs.set_level(self._config.log_level)
        self._gpu_types.update({name: partition.gpu_type for name, partition in self._config.partition.items()})
        self._refused_owner.forget()
        self._scheduler.rules_changed()
        self._retention.wake()
        self._bell.ring()

    def _status(self) -> str:
        down = "".join(f"; {name}: {wrong}" for name, wrong in self._engines.down().items())
        return f"{self._jobs.count_pending()} jobs pending, {len(self._jobs.active())} active{down}"

    async def _writer_answers(self) -> None:
        await self._database.write(lambda _: None)

    async def _tell_of_gpus(self) -> None:
        """Have the feed look again and again whether GPUs are used otherwise than was told."""
        while True:
            await asyncio.sleep(max(1.0, self._config.sample_every_s))
            self._feed.used()

    async def _watch_space(self) -> None:
        """Look again and again whether there is room, and let the scheduler know when that changes."""
        before = None
        while True:
            short = shortage(self._config.state, self._config.min_free_mib)
            if (short is None) != (before is None):
                logger.warning(
                    "there is room again" if short is None else "nothing is queued or started", extra={"why": short}
                )
                self._scheduler.wake()
                self._bell.ring()
            before = short
            await asyncio.sleep(_SPACE_EVERY_S)

    def _engines_changed(self) -> None:
        self._scheduler.rules_changed()
        self._feed.moved()
        self._bell.ring()

    def _diagnose(self) -> Diagnosis:
        return diagnose(
            self._vitals,
            self._jobs,
            now=self._clock.now(),
            connections=0 if self._bound is None else self._bound.connections,
            nodes={name: sum(n.partition == name for n in self._engines.nodes()) for name in self._config.partition},
            down=self._engines.down(),
        )

    def _rules_changed(self) -> None:
        self._node_record.wake()
        self._scheduler.rules_changed()
        self._feed.moved()
        self._feed.happened("rules", {"drains": self._desk.accounts.drained()})


def _give_back_large_blocks() -> None:
    """Let freed blocks of 256 KiB and more go back to the system: glibc keeps them once it has seen a few go.

    A list of 10 000 jobs is 9 MB, several times over while it is made: 11 MB less for good.
    Source: mallopt(3), M_MMAP_THRESHOLD; another C library has no such function, or its own ways.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-3, 256 * 1024)


def _allow_many_files() -> None:
    """Raise the limit on open files as far as this process may: every waiting client holds one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
