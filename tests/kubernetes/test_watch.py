"""The watch of pods on a real API that is restarted, forgets, and has pods of other people."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gpuq_daemon.collectors.pods import PodWatch
from gpuq_daemon.kubernetes import access
from gpuq_daemon.kubernetes.mirror import Change, PodEvent
from gpuq_daemon.kubernetes.objects import Pod, one_pod
from tests.support.kube_nodes import a_pod
from tests.support.kube_server import KubeServer, create

pytestmark = pytest.mark.timeout(1800)  # the first test may have to build the API server
MARK = "gpuq.io/test"


class Seen:
    """What a watch has told so far."""

    def __init__(self, server: KubeServer, mark: str) -> None:
        def is_ours(pod: Pod) -> bool:
            return pod.metadata.label(MARK) == mark

        self.watch = PodWatch(access.find(server.kubeconfig, None, {}), "default", is_ours)
        self.events: list[PodEvent] = []
        self.looks = 0

    async def follow(self) -> None:
        async for events in self.watch.events():
            self.events += events
            self.looks += 1

    def changes(self, name: str) -> list[str]:
        return [event.change.value for event in self.events if event.pod.name == name]

    async def until(self, claim: Callable[[], bool], timeout_s: float = 120) -> None:
        deadline = time.monotonic() + timeout_s
        while not claim():
            assert time.monotonic() < deadline, self.events
            await asyncio.sleep(0.02)


@asynccontextmanager
async def watching(server: KubeServer, mark: str) -> AsyncGenerator[Seen]:
    seen = Seen(server, mark)
    task = asyncio.create_task(seen.follow())
    try:
        await seen.until(lambda: seen.looks > 0)
        yield seen
    finally:
        task.cancel()
        await asyncio.wait([task])


def mine(name: str, mark: str) -> Any:
    return a_pod(name, "true", labels={MARK: mark})


def make(server: KubeServer, *manifests: Any) -> None:
    for manifest in manifests:
        create(server.api(), manifest)


def remove(server: KubeServer, name: str) -> None:
    server.api().ask("DELETE", f"/api/v1/namespaces/default/pods/{name}", {"gracePeriodSeconds": 0})
    assert one_pod(server.api(), "default", name) is None


def test_pods_of_jobs_are_told_as_they_come_and_go_and_others_are_not(server: KubeServer) -> None:
    async def course() -> None:
        make(server, mine("before", "a"))
        async with watching(server, "a") as seen:
            assert seen.changes("before") == [Change.SEEN]
            make(server, mine("live", "a"), a_pod("live-2", "true"))
            await seen.until(lambda: seen.changes("live") == [Change.SEEN])
            waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}
            path = "/api/v1/namespaces/default/pods/live"
            server.api().ask("PATCH", f"{path}/status", {"status": {"conditions": [waits]}})
            await seen.until(lambda: seen.events[-1].pod.waits_for == "Unschedulable: 0/2 nodes")
            for name in ("before", "live", "live-2"):
                remove(server, name)
            await seen.until(lambda: seen.changes("live")[-1] == Change.GONE)

            assert seen.changes("before") == [Change.SEEN, Change.GONE]
            assert seen.changes("live-2") == []
            assert seen.watch.mirror.pods == ()
            assert seen.watch.lists == 1

    asyncio.run(course())


def test_what_happened_while_the_api_was_away_is_told_after(server: KubeServer) -> None:
    async def course() -> None:
        make(server, mine("stays", "b"), mine("goes", "b"))
        async with watching(server, "b") as seen:
            await seen.until(lambda: len(seen.watch.mirror.pods) == 2)
            await asyncio.to_thread(server.stop, "apiserver")
            await asyncio.to_thread(server.start)
            remove(server, "goes")
            make(server, mine("comes", "b"))
            await seen.until(lambda: seen.changes("goes") == [Change.SEEN, Change.GONE] and bool(seen.changes("comes")))

            assert seen.changes("stays") == [Change.SEEN]  # and not told of again
            assert {pod.name for pod in seen.watch.mirror.pods} == {"stays", "comes"}
            for name in ("stays", "comes"):
                remove(server, name)

    asyncio.run(course())


def test_a_watch_from_a_version_that_is_forgotten_begins_anew(server: KubeServer) -> None:
    async def course() -> None:
        make(server, mine("old", "c"))
        async with watching(server, "c") as seen:
            for number in range(3):
                make(server, mine(f"new-{number}", "c"))
            await seen.until(lambda: bool(seen.changes("new-2")))
            await asyncio.to_thread(server.stop, "apiserver")
            server.compact()
            await asyncio.to_thread(server.start)
            remove(server, "old")
            await seen.until(lambda: seen.changes("old") == [Change.SEEN, Change.GONE])

            assert seen.watch.lists == 2
            for number in range(3):
                remove(server, f"new-{number}")

    asyncio.run(course())
