"""From a pod of a real API to its job: the same answer whatever has been deleted or restarted since."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon.collectors.pods import PodWatch
from gpuq_daemon.kubernetes import access
from gpuq_daemon.kubernetes.labels import EXECUTOR, ROLE, TOKEN
from gpuq_daemon.store.pods import PodRow
from gpuq_daemon.store.tracing import Found
from tests.kubernetes.test_watch import make, remove
from tests.support.kube_nodes import a_pod
from tests.support.kube_server import KubeServer
from tests.test_pods import House, with_house

pytestmark = pytest.mark.timeout(1800)  # the first test may have to build the API server


@asynccontextmanager
async def following(server: KubeServer, house: House) -> AsyncGenerator[None]:
    """Follow the pods as gpuqd does while it runs."""
    there = access.find(server.kubeconfig, None, {})
    task = asyncio.create_task(house.links.run(lambda: PodWatch(there, "default", house.links.is_ours)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not claim():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def of_a_job(name: str, token: str, role: str = "driver", **labels: str) -> Any:
    return a_pod(name, "true", labels={TOKEN: token, ROLE: role, **labels})


def ended(server: KubeServer, name: str, container: str, reason: str, code: int) -> None:
    """Have a pod's container end, as its node would tell."""
    state = {"terminated": {"exitCode": code, "reason": reason, "containerID": container}}
    status = {
        "name": "main", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state,
        "containerID": container,
    }  # fmt: skip
    path = f"/api/v1/namespaces/default/pods/{name}/status"
    server.api().ask("PATCH", path, {"status": {"phase": "Failed", "containerStatuses": [status]}})


def test_a_pod_leads_to_its_job_alike_when_it_is_gone_and_after_restarts_of_the_api_and_of_gpuqd(
    server: KubeServer, tmp_path: Path
) -> None:
    container = f"containerd://{'0f' * 32}"

    async def course(house: House) -> None:
        def rows(name: str) -> list[PodRow]:
            every = (row for job_id in (house.first, house.second) for row in house.store.of_job(job_id, 1))
            return [row for row in every if row.name == name]

        def gone(name: str) -> bool:
            return [row.gone_at is not None for row in rows(name)] == [True]

        def answers(name: str) -> list[list[Found]]:
            (pod,), traces = rows(name), house.traces
            ids = [] if pod.container_id is None else [pod.container_id, pod.container_id.partition("://")[2][:12]]
            found = [traces.of_pod(name, None), traces.of_pod(name, "default"), traces.of_pod_uid(pod.uid)]
            return [*found, *(traces.of_container(one.rpartition("/")[2]) for one in ids)]

        async with following(server, house):
            make(server, of_a_job("links-driver", "t1"), of_a_job("links-exec-1", "t1", "executor", **{EXECUTOR: "1"}))
            make(server, a_pod("links-others", "true", labels={TOKEN: "nobodys"}))
            await until(lambda: bool(rows("links-driver")) and bool(rows("links-exec-1")))
            ended(server, "links-exec-1", container, "OOMKilled", 137)
            await until(lambda: rows("links-exec-1")[0].exit_code == 137)
            before = {name: answers(name) for name in ("links-driver", "links-exec-1")}
            remove(server, "links-exec-1")
            await until(lambda: gone("links-exec-1"))
            assert {name: answers(name) for name in before} == before
            await asyncio.to_thread(server.stop, "apiserver")
            assert {name: answers(name) for name in before} == before, "nobody asks the API for an answer"
            await asyncio.to_thread(server.start)
            make(server, of_a_job("links-late", "t2"))
            await until(lambda: bool(rows("links-late")))
        remove(server, "links-driver")  # from here on gpuqd is down
        make(server, of_a_job("links-missed", "t2"), of_a_job("links-short", "t2"))
        ended(server, "links-missed", f"containerd://{'aa' * 32}", "Error", 3)
        remove(server, "links-short")
        house.clock.at = 500.0
        async with following(server, house):
            await until(lambda: gone("links-driver") and bool(rows("links-missed")))

            assert {name: answers(name) for name in before} == before
            assert len(before["links-exec-1"]) == 5
            assert all(found == [[Found(job_id=house.first, attempt=1)]] * len(found) for found in before.values())
            (oom,), (missed,) = rows("links-exec-1"), rows("links-missed")
            assert (oom.exit_code, oom.reason, oom.first_seen, oom.gone_at) == (137, "OOMKilled", 100.0, 100.0)
            assert (missed.job_id, missed.exit_code, missed.gone_at) == (house.second, 3, None)
            assert rows("links-driver")[0].gone_at == 500.0, "found to be gone when somebody looked again"
            assert rows("links-short") == [], "the API does not know any more that it was there"
            assert rows("links-others") == []
        for name in ("links-late", "links-missed", "links-others"):
            remove(server, name)

    with_house(tmp_path, course)
