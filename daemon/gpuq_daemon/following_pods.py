"""Follows the pods of every partition on Kubernetes. Loaded where there is one: what it needs takes time to load."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial

from gpuq_daemon.backends.base import Engine
from gpuq_daemon.backends.kubernetes import KubernetesEngine
from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import Clock
from gpuq_daemon.collectors.pods import PodWatch
from gpuq_daemon.pods import PodLinks
from gpuq_daemon.store.pods import PodRow, PodStore


def followers(
    engines: Mapping[str, Engine],
    store: PodStore,
    *,
    clock: Clock,
    bell: Bell,
    told: Callable[[Sequence[PodRow]], None],
) -> Iterator[Coroutine[None, None, None]]:
    """Yield, for each partition that has pods, what follows them for ever."""
    for name, engine in engines.items():
        if isinstance(engine, KubernetesEngine):
            links = PodLinks(store, name, clock=clock, bell=bell, told=told)
            yield links.run(partial(_watch, engine, links))


def _watch(engine: KubernetesEngine, links: PodLinks) -> PodWatch | None:
    access = engine.access
    return None if access is None else PodWatch(access, engine.namespace, links.is_ours)
