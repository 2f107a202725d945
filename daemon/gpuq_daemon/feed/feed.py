"""From "something of job 12 has changed" to numbered events with what has.

Nothing is done for nobody: the feed keeps what it has told only while somebody listens, or has asked lately.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gpuq.gpus import Gpu
from gpuq.models import Cluster, Job, Node, Reason
from gpuq.tracing import TracedPod
from gpuq_daemon.feed.deltas import Told, delta, told, told_unbegun, with_outlook
from gpuq_daemon.feed.gpus import Key, told_gpus
from gpuq_daemon.feed.listener import Listener, Wants
from gpuq_daemon.feed.position import Position
from gpuq_daemon.feed.ring import Event, Ring

logger = logging.getLogger(__name__)

_PAUSE_S = 0.2  # what changes within it is told at once
_AT_A_TIME = 500  # jobs that are read before others have their turn
_MOST_DIRTY = 200_000
_COOL_AFTER_S = 120.0
_PIECE_BYTES = 128 * 1024

MaySee = Callable[[str | None], bool]  # whether what is about this user's jobs, None for nobody's, may be seen


class Sources(Protocol):
    """Where the feed reads what it tells."""

    def jobs(self, job_ids: Sequence[int]) -> list[Job]:
        """Return those of the jobs that there are, as everybody sees them."""
        ...

    def unbegun(self, job_ids: Sequence[int]) -> Mapping[int, tuple[str, Mapping[str, Any]]]:
        """Return those of the jobs that wait and have never begun: the user, and the fields that may be changed."""
        ...

    def live_ids(self) -> Sequence[int]:
        """Return the jobs that have not ended."""
        ...

    def waiting(self) -> Iterable[tuple[int, Reason, float | None]]:
        """Return pending jobs with their reason and promised start."""
        ...

    def cluster(self) -> Cluster:
        """Return the daemon and its nodes."""
        ...

    def gpus(self) -> Sequence[Gpu]:
        """Return the GPUs of all nodes."""
        ...


class Feed:
    """Takes notice of changes, and tells them to streams as events. All of it on the event loop."""

    def __init__(self, sources: Sources, *, epoch: str, ticks: Callable[[], float], ring: Ring | None = None) -> None:
        self._sources = sources
        self._epoch = epoch
        self._ticks = ticks
        self._ring = Ring() if ring is None else ring
        self._told: dict[int, Told] = {}
        self._cluster: Cluster | None = None
        self._gpus: dict[Key, Gpu] = {}
        self._pods: dict[tuple[int, int], dict[str, TracedPod]] = {}  # by job and attempt, then by uid
        self._dirty: dict[int, None] = {}
        self._is_passed = self._is_moved = self._is_used = False
        self._is_warm = False
        self._asked_at = 0.0
        self._stir = asyncio.Event()
        self._settling = asyncio.Lock()
        self.turn = asyncio.Lock()  # whose turn it is to make a part of a stream's beginning
        self._listeners: set[Listener] = set()
        self._of_job: dict[int, set[Listener]] = {}
        self._shared: tuple[int, int, bytes] | None = None
        self.is_closed = False

    # --- notices

    def jobs(self, job_ids: Iterable[int]) -> None:
        """Take notice that these jobs have changed, come or gone."""
        if self._is_warm:
            self._dirty.update(dict.fromkeys(job_ids))
            self._stir.set()
            if len(self._dirty) > _MOST_DIRTY:
                self._cool()

    def passed(self) -> None:
        """Take notice of a scheduling pass: reasons and promised starts may be others."""
        if self._is_warm:
            self._is_passed = True
            self._stir.set()

    def moved(self) -> None:
        """Take notice that nodes or engines may be in another state."""
        if self._is_warm:
            self._is_moved = True
            self._stir.set()

    def used(self) -> None:
        """Take notice that GPUs may be used otherwise."""
        if self._is_warm:
            self._is_used = True
            self._stir.set()

    def pods(self, job_id: int, attempt: int, pods: Iterable[TracedPod]) -> None:
        """Take notice that these pods of an attempt have come, changed or gone."""
        if self._is_warm:
            self._pods.setdefault((job_id, attempt), {}).update((pod.uid, pod) for pod in pods)
            self._stir.set()

    def happened(self, kind: str, data: dict[str, Any]) -> None:
        """Tell everybody of something that is no job's: what it is about is to be asked for anew."""
        if self._is_warm:
            self._add(kind, data)
            self._ring_all()

    # --- what streams and lists ask

    @property
    def position(self) -> Position:
        """Where the events stand now."""
        return Position(self._epoch, self._ring.newest)

    @property
    def gpus(self) -> Sequence[Gpu]:
        """The GPUs as was told of them last, in the order of their nodes."""
        return tuple(self._gpus.values())

    def told(self, job_id: int) -> Told | None:
        """Return what was told last of a job that has not ended."""
        return self._told.get(job_id)

    @property
    def streams(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def told_total(self) -> int:
        """How many events there have been, near enough: every new beginning counts as one."""
        return self._ring.newest

    async def warm_up(self) -> None:
        """Begin to keep what is told, and tell what is not yet; afterwards `position` is of this moment."""
        self._asked_at = self._ticks()
        async with self._settling:
            if not self._is_warm:
                await self._begin()
            await self._settle()

    def knows(self, seen: Position) -> bool:
        """Return whether every event after `seen` is still there."""
        return self._is_warm and seen.epoch == self._epoch and self._ring.floor <= seen.number <= self._ring.newest

    def read(self, listener: Listener, may_see: MaySee | None = None) -> bytes | None:
        """Return what the listener has yet to hear, a bounded piece of it; None if some is gone: begin anew.

        `may_see` None: everything. Listeners that want everything are given the same bytes.
        """
        is_plain = may_see is None and listener.wants.is_everything
        if is_plain and self._shared is not None and self._shared[0] == listener.seen:
            _, listener.seen, text = self._shared
            return text
        begin, parts, size = listener.seen, list[bytes](), 0
        while size < _PIECE_BYTES and listener.seen < self._ring.newest:
            events = self._ring.after(listener.seen, _AT_A_TIME)
            if events is None:
                return None
            for event in events:
                listener.seen += 1
                if is_plain or _is_for(event, listener.wants, may_see):
                    parts.append(_text(event, may_see))
                    size += len(parts[-1])
                if size >= _PIECE_BYTES:
                    break
        text = b"".join(parts)
        if is_plain and text:
            self._shared = begin, listener.seen, text
        return text if listener.seen >= self._ring.floor else None

    def changed_since(self, seen: Position) -> set[int] | None:
        """Return the jobs that have changed since, None if that is not known any more."""
        events = self._ring.after(seen.number) if self.knows(seen) else None
        return None if events is None else {event.job_id for event in events if event.job_id is not None}

    @contextlib.contextmanager
    def listening(self, wants: Wants) -> Generator[Listener]:
        """Give a listener that wakes when something it wants has happened."""
        listener = Listener(wants)
        self._listeners.add(listener)
        for job_id in wants.job_ids:
            self._of_job.setdefault(job_id, set()).add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            for job_id in wants.job_ids:
                others = self._of_job[job_id]
                others.discard(listener)
                if not others:
                    del self._of_job[job_id]
            self._asked_at = self._ticks()

    # --- the work

    async def run(self) -> None:
        """Tell what changes, for ever: at once, and then what gathers in a fifth of a second."""
        while True:
            await self._stir.wait()
            self._stir.clear()
            try:
                if not self._listeners and self._ticks() - self._asked_at > _COOL_AFTER_S:
                    self._cool()
                elif self._listeners:
                    async with self._settling:
                        await self._settle()
            except Exception:
                logger.exception("changes could not be told; streams begin anew")
                self._cool()
            await asyncio.sleep(_PAUSE_S)

    def close(self) -> None:
        """End every stream."""
        self.is_closed = True
        for listener in self._listeners:
            listener.wake()

    async def _begin(self) -> None:
        self._ring.clear()  # whoever was told a position meanwhile has missed what changed since
        self._is_warm = True
        self._cluster = self._sources.cluster()
        self._gpus = {(gpu.node, gpu.place): gpu for gpu in self._sources.gpus()}
        ids = self._sources.live_ids()
        waiting = {job_id: (reason, start_at) for job_id, reason, start_at in self._sources.waiting()}
        for begin in range(0, len(ids), _AT_A_TIME):
            piece = ids[begin : begin + _AT_A_TIME]
            self._told.update(
                (job_id, told_unbegun(user, asked, *waiting[job_id]))
                for job_id, (user, asked) in self._sources.unbegun(piece).items()
                if job_id in waiting
            )
            rest = [job_id for job_id in piece if job_id not in self._told]
            self._told.update((job.id, told(job)) for job in self._sources.jobs(rest))
            await asyncio.sleep(0)

    def _cool(self) -> None:
        """Forget all: nobody has asked for long, or there is more to tell than can be."""
        self._is_warm = False
        self._is_passed = self._is_moved = self._is_used = False
        self._told, self._dirty, self._cluster, self._shared = {}, {}, None, None
        self._gpus, self._pods = {}, {}
        self._ring.clear()
        for listener in self._listeners:
            listener.wake()

    async def _settle(self) -> None:
        """Tell what has been noticed until now."""
        while self._dirty and self._is_warm:
            ids = list(self._dirty)[:_AT_A_TIME]
            for job_id in ids:
                del self._dirty[job_id]
            self._tell_jobs(ids)
            self._ring_all()
            await asyncio.sleep(0)
        if not self._is_warm:
            return
        if self._is_passed:
            self._is_passed = False
            self._tell_reasons()
        if self._is_moved:
            self._is_moved, self._is_used = False, True
            self._tell_cluster(self._sources.cluster())
        if self._is_used:
            self._is_used = False
            self._tell_gpus(self._sources.gpus())
        self._tell_pods()
        self._ring_all()

    def _tell_jobs(self, ids: list[int]) -> None:
        found = {job.id: job for job in self._sources.jobs(ids)}
        for job_id in ids:
            if job_id in found:
                self._tell_job(found[job_id])
            elif (before := self._told.pop(job_id, None)) is not None:
                self._add("removed", {"id": job_id}, job_id, before.user)

    def _tell_job(self, job: Job) -> None:
        before = self._told.get(job.id)
        if before is None:
            self._add("job", job, job.id, job.user)
            self._is_moved = self._is_moved or job.state.holds_gpus
        elif changed := delta(before, job):
            self._add("job", {"id": job.id, **changed}, job.id, job.user)
            self._is_moved = self._is_moved or "state" in changed or "nodes" in changed
        if job.state.is_final:
            self._told.pop(job.id, None)
        else:
            self._told[job.id] = told(job)

    def _tell_reasons(self) -> None:
        for job_id, reason, start_at in self._sources.waiting():
            before = self._told.get(job_id)
            if before is not None and job_id not in self._dirty:
                self._told[job_id], changed = with_outlook(before, reason, start_at)
                if changed:
                    self._add("job", {"id": job_id, **changed}, job_id, before.user)

    def _tell_cluster(self, after: Cluster) -> None:
        before, self._cluster = self._cluster, after
        if before is None or before == after:
            return
        known = {node.name: node for node in before.nodes}
        for node in after.nodes:
            if changed := _changed(known.pop(node.name, None), node):
                rest = {name: value for name, value in changed.items() if name != "job_ids"}
                self._add(
                    "node",
                    {"name": node.name, **changed},
                    rest=None if rest == changed else {"name": node.name, **rest},
                )
        for name in known:
            self._add("node_removed", {"name": name})
        if (before.engine_ok, before.engine_message) != (after.engine_ok, after.engine_message):
            self._add("engine", {"engine_ok": after.engine_ok, "engine_message": after.engine_message})

    def _tell_gpus(self, after: Sequence[Gpu]) -> None:
        changes, self._gpus = told_gpus(self._gpus, after)
        for change in changes:
            self._add("gpus", change.as_owner, user=change.user, rest=change.as_others)

    def _tell_pods(self) -> None:
        pods, self._pods = self._pods, {}
        unknown = [job_id for job_id, _ in pods if job_id not in self._told]
        users = {job.id: job.user for job in self._sources.jobs(unknown)} if unknown else {}
        for (job_id, attempt), rows in pods.items():
            user = self._told[job_id].user if job_id in self._told else users.get(job_id)
            if user is not None:
                self._add("pods", {"job_id": job_id, "attempt": attempt, "pods": list(rows.values())}, job_id, user)

    def _add(self, kind: str, data: Any, job_id: int | None = None, user: str | None = None, rest: Any = None) -> None:
        """Tell of something; with `rest`, who may not see what is about `user`, or about all, is told that instead."""
        position = Position(self._epoch, self._ring.newest + 1)
        text = encoded(kind, data, position)
        self._ring.add(Event(text, job_id, user, None if rest is None else encoded(kind, rest, position)))
        for listener in self._of_job.get(job_id, ()) if job_id is not None else ():
            listener.wake()

    def _ring_all(self) -> None:
        for listener in self._listeners:
            listener.wake_if_behind(self._ring.newest)


def _text(event: Event, may_see: MaySee | None) -> bytes:
    if may_see is None or event.for_others is None:
        return event.text
    return event.text if event.user is not None and may_see(event.user) else event.for_others


def _is_for(event: Event, wants: Wants, may_see: MaySee | None) -> bool:
    return wants.fits(event) and (may_see is None or event.for_others is not None or may_see(event.user))


def encoded(kind: str, data: Any, position: Position | None = None) -> bytes:
    """Return an event as it goes over the wire; with a position, a client that has it may go on from there.

    Source: HTML Living Standard, 9.2 Server-sent events.
    """
    line = b"id: %s\n" % str(position).encode() if position is not None else b""
    return b"%sevent: %s\ndata: %s\n\n" % (line, kind.encode(), msgspec.json.encode(data))


def _changed(before: Node | None, after: Node) -> dict[str, Any]:
    """Return the fields of a node that differ, all of a new one."""
    values = msgspec.to_builtins(after)
    if before is None:
        return values
    return {name: value for name, value in values.items() if getattr(after, name) != getattr(before, name)}
