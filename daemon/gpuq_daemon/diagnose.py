"""How gpuqd fares, put together: what it measured, and what the kernel says of its process."""

from __future__ import annotations

import os
import resource
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from gpuq import __version__
from gpuq.diagnosis import Diagnosis, EngineHealth, RouteSpread
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.vitals import Vitals

_MIB = 1024 * 1024


def diagnose(
    vitals: Vitals,
    jobs: JobStore,
    *,
    now: float,
    connections: int,
    nodes: Mapping[str, int],
    down: Mapping[str, str],
) -> Diagnosis:
    """Return how this process fares; `nodes` are how many each partition has, `down` those that start nothing."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Diagnosis(
        at=now,
        started_at=vitals.started_at,
        since=vitals.since,
        version=__version__,
        pid=os.getpid(),
        pending=jobs.count_pending(),
        active=len(jobs.active()),
        connections=connections,
        in_flight=vitals.in_flight,
        streaming=vitals.streaming,
        open_files=len(os.listdir("/proc/self/fd")) - 1,  # without that of the listing itself
        most_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        threads=threading.active_count(),
        rss_mib=_rss() / _MIB,
        peak_rss_mib=usage.ru_maxrss / 1024,
        cpu_s=usage.ru_utime + usage.ru_stime,
        writes=vitals.writes,
        lag=vitals.lag.spread(),
        looks=vitals.looks.spread(),
        point_age=vitals.point_age.spread(),
        passes=tuple(vitals.passes.spreads()),
        commits=tuple(vitals.commits.spreads()),
        queries=tuple(vitals.queries.spreads()),
        slow=tuple(sorted(vitals.slow.spreads(), key=lambda one: -one.max_s)[:10]),
        routes=_routes(vitals),
        engines=tuple(EngineHealth(partition=name, nodes=nodes[name], wrong=down.get(name)) for name in nodes),
    )


def _routes(vitals: Vitals) -> tuple[RouteSpread, ...]:
    spreads = sorted(vitals.routes.spreads(), key=lambda one: -one.count)
    failed, refused = Counter(vitals.errors), Counter(vitals.refused)
    return tuple(RouteSpread(spread=one, failed=failed[one.name], refused=refused[one.name]) for one in spreads)


def _rss() -> int:
    """Return the memory of this process that is in RAM, in bytes. Source: proc(5), statm."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
