"""Links the pods that a watch tells of to the attempts that they are of, and keeps the links.

By its uid a pod is known for ever. Whose it is says the attempt's token in gpuqd's own label; without that, the
application that the attempt's driver has told of, and at last the pod that it belongs to. Names say nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import Clock
from gpuq_daemon.collectors.pods import PodWatch
from gpuq_daemon.kubernetes.labels import APPLICATION, EXECUTOR, ROLE, TOKEN
from gpuq_daemon.kubernetes.mirror import Change, PodEvent, PodSight
from gpuq_daemon.kubernetes.objects import Pod
from gpuq_daemon.store.pods import AttemptKey, PodRow, PodStore

logger = logging.getLogger(__name__)

_RETRY_S = 5.0


class PodLinks:
    """The pods of one partition's jobs."""

    def __init__(
        self,
        store: PodStore,
        partition: str,
        *,
        clock: Clock,
        bell: Bell,
        told: Callable[[Sequence[PodRow]], None] = lambda rows: None,
    ) -> None:
        """`told` is called with the links that have changed, as they are kept now."""
        self._store = store
        self._partition = partition
        self._clock = clock
        self._bell = bell
        self._told = told

    def is_ours(self, pod: Pod) -> bool:
        """Whether a pod is of an attempt that this gpuqd knows, by its label or its application."""
        token, application = pod.metadata.label(TOKEN), pod.metadata.label(APPLICATION)
        if token is not None and self._store.of_token(self._partition, token) is not None:
            return True
        return application is not None and self._store.of_application(self._partition, application) is not None

    async def run(self, watch: Callable[[], PodWatch | None]) -> None:
        """Follow the pods for ever. `watch` is asked for when it is needed: its engine may be down."""
        while True:
            found = watch()
            if found is None:
                await asyncio.sleep(_RETRY_S)
                continue
            try:
                await self._follow(found)
            except Exception:
                logger.exception("the watch of pods is begun anew", extra={"partition": self._partition})
                await asyncio.sleep(_RETRY_S)

    async def _follow(self, watch: PodWatch) -> None:
        lists = 0
        async for events in watch.events():
            uids = await self.take_in(events)
            if watch.lists != lists:
                lists = watch.lists  # also what had gone while nobody watched
                there = {pod.uid for pod in watch.mirror.pods}
                uids += await self._store.sweep(self._partition, there, now=self._clock.now())
            if uids:
                rows = self._store.pods(uids)
                self._bell.ring(*sorted({row.job_id for row in rows}))
                self._told(rows)

    async def take_in(self, events: list[PodEvent]) -> list[str]:
        """Keep what has changed; return the uids of the pods of jobs that this is about."""
        now = self._clock.now()
        rows = [row for event in events if (row := self._row(event, now)) is not None]
        if rows:
            await self._store.keep(rows)
        return [row.uid for row in rows]

    def _row(self, event: PodEvent, now: float) -> PodRow | None:
        pod = event.pod
        whose, disagrees = self._whose(pod)
        if whose is None:
            return None
        if disagrees is not None:
            logger.warning("a pod is not whose it says", extra={"pod": pod.name, "uid": pod.uid, "says": disagrees})
        return PodRow(
            uid=pod.uid,
            job_id=whose.job_id,
            attempt=whose.number,
            namespace=pod.namespace,
            name=pod.name,
            role=pod.label(ROLE),
            executor_id=pod.label(EXECUTOR),
            application_id=pod.label(APPLICATION),
            container_id=pod.container_id,
            owner_uid=pod.owners[0] if pod.owners else None,
            node=pod.node,
            phase=pod.phase,
            waits_for=None if event.change is Change.GONE else pod.waits_for,
            exit_code=pod.exit_code,
            reason=pod.reason,
            disagrees=disagrees,
            first_seen=now,
            last_seen=now,
            gone_at=now if event.change is Change.GONE else None,
        )

    def _whose(self, pod: PodSight) -> tuple[AttemptKey | None, str | None]:
        """Return the attempt that a pod is of, and what it says of that which is not so."""
        token, application = pod.label(TOKEN), pod.label(APPLICATION)
        by_label = None if token is None else self._store.of_token(self._partition, token)
        by_application = None if application is None else self._store.of_application(self._partition, application)
        if by_label is not None and by_application is not None and by_label != by_application:
            said = f"its label names job {by_label.job_id}, but its application is of job {by_application.job_id}"
            return by_application, said
        if by_label is not None and application is not None and by_label.application_id not in (None, application):
            said = f"its label names job {by_label.job_id}, whose application is {by_label.application_id}"
            return self._of_owner(pod), said
        return by_label or by_application or self._of_owner(pod), None

    def _of_owner(self, pod: PodSight) -> AttemptKey | None:
        owners = [row for uid in pod.owners if (row := self._store.pod(uid)) is not None]
        if not owners:
            return None
        return AttemptKey(job_id=owners[0].job_id, number=owners[0].attempt, application_id=owners[0].application_id)
