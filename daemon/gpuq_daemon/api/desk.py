"""What the routes work with, put together by the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gpuq.diagnosis import ConfigChange, Diagnosis
from gpuq.gpus import Gpu
from gpuq.models import Cluster, PriorityTerm, Reason, Signal, Why
from gpuq.sharing import LentRow, WasteRow
from gpuq_daemon.api.listing import Listing
from gpuq_daemon.api.turns import Turns
from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import Clock
from gpuq_daemon.collectors.counted import Counted
from gpuq_daemon.config import Config
from gpuq_daemon.feed.feed import Feed
from gpuq_daemon.files.door import Door
from gpuq_daemon.forecast.estimate import Estimate
from gpuq_daemon.forecaster import Forecaster
from gpuq_daemon.hooks.submit_filter import SubmitFilter
from gpuq_daemon.places import Place
from gpuq_daemon.policy.accounts import Tree
from gpuq_daemon.policy.fairtree import AssociationKey, Shares
from gpuq_daemon.policy.remembered import Remembered
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import NodeView, PendingJob
from gpuq_daemon.record_reading import RecordReading
from gpuq_daemon.script_reading import ScriptReader
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.audit import AuditStore
from gpuq_daemon.store.history import History
from gpuq_daemon.store.jobs import JobStore, Owner
from gpuq_daemon.store.messages import MessageStore
from gpuq_daemon.store.metrics import MetricsStore
from gpuq_daemon.store.pods import PodStore
from gpuq_daemon.store.tokens import TokenStore
from gpuq_daemon.store.tracing import TraceStore
from gpuq_daemon.vitals import Vitals
from gpuq_job.orders import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where requests are answered: the stores, and the few things that the rest of the daemon does for them.

    `wake` asks for a scheduling pass; `nudge` makes a running job's course look at what is wanted of it, `hurry` makes
    it end at once, `order` tells its ranks something and returns whether its driver was there to hear.
    `flags` are what is so now of how a running job uses its GPUs, `gpus` all GPUs and how they are.
    `hindrances` are what would make any job of a partition fail; to find them takes a second, off the event loop.
    `rules_changed` is called after operators have changed something; `shares` are as of now, running jobs included;
    `lent` is what accounts and users have lent each other, `wasted` GPU time held for nothing since a moment;
    `rates` are the billing units that running jobs hold now, by (account, user).
    `submitted` is called with jobs that wait now, `changed` with a pending one of which something was changed,
    `removed` with one that waited and has ended. `terms` raises KeyError for a job that does not wait;
    `outlook` is a job's priority and promised start, `estimate` when it will start, as far as is known,
    `ahead` answers questions about what is to come, `record` about what was,
    `waiting` all pending jobs with their reason and promised start;
    `refused_owner` says why a user's jobs are not run in a partition, or None, and `shortage` why the disk takes none;
    `test_start` says what would become of a job, given what its partition's GPUs are called.
    `door` leads to files that are elsewhere; `trouble` says why an attempt's points are not read now, or None.
    `messages` is the outbox, `notices_key` what a user's webhooks are signed with (it reads a file once).
    `remembered` is what admission need not judge again, `counted` what checkpoints have said of themselves.
    `turns` are those of long questions about the past, `scripts` reads long ones, `pictures` are drawn in turn.
    """

    config: Config
    clock: Clock
    vitals: Vitals
    bell: Bell
    feed: Feed
    jobs: JobStore
    metrics: MetricsStore
    pods: PodStore
    traces: TraceStore
    tokens: TokenStore
    audit: AuditStore
    cluster: Callable[[], Cluster]
    nodes: Callable[[], tuple[NodeView, ...]]
    gpu_kinds: Callable[[], Mapping[str, str]]
    reason: Callable[[int], Reason | None]
    explain: Callable[[int, str], Why]
    place: Callable[[int, int], Place]
    door: Door
    trouble: Callable[[int, int], str | None]
    wake: Callable[[], None]
    nudge: Callable[[int], None]
    hurry: Callable[[int], None]
    order: Callable[[int, Order], Awaitable[bool]]
    silent_since: Callable[[int], float | None]
    flags: Callable[[int], tuple[Signal, ...]]
    gpus: Callable[[], tuple[Gpu, ...]]
    hindrances: Callable[[str], tuple[str, ...]]
    accounts: AccountStore
    rules_changed: Callable[[], None]
    shares: Callable[[], tuple[Tree, Shares]]
    lent: Callable[[], list[LentRow]]
    wasted: Callable[[float], list[WasteRow]]
    rates: Callable[[], Mapping[AssociationKey, float]]
    submitted: Callable[[Sequence[int | PendingJob]], None]
    changed: Callable[[int], None]
    removed: Callable[[int], None]
    terms: Callable[[int], tuple[PriorityTerm, ...]]
    test_start: Callable[[PendingJob, str], Why]
    rules: Callable[[], Rules]
    outlook: Callable[[int], tuple[int | None, float | None]]
    estimate: Callable[[int], Estimate | None]
    ahead: Forecaster
    record: RecordReading
    listing: Listing
    history: History
    diagnose: Callable[[], Diagnosis]
    reload: Callable[[], tuple[ConfigChange, ...]]
    waiting: Callable[[], Iterable[tuple[int, Reason, float | None]]]
    refused_owner: Callable[[Owner, str], str | None]
    shortage: Callable[[], str | None]
    messages: MessageStore
    submit_filter: SubmitFilter
    notices_key: Callable[[str], str]

    remembered: Remembered = field(default_factory=Remembered)
    counted: Counted = field(default_factory=Counted)
    turns: Turns = field(default_factory=Turns)
    scripts: ScriptReader = field(default_factory=ScriptReader)
    pictures: asyncio.Semaphore = field(default_factory=asyncio.Semaphore)

    def gpu_kind(self, partition: str) -> str:
        """Return what a GPU slot of the partition is called."""
        return self.gpu_kinds().get(partition, "GPU")
