"""Routes for machines that watch gpuqd: is it alive, does it serve, and its measurements."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Literal

from litestar import Response, get
from msgspec import Struct

from gpuq import __version__
from gpuq.errors import UnavailableError
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.exposition import CONTENT_TYPE, Exposition


class Alive(Struct):
    """gpuqd answers."""

    status: Literal["ok"] = "ok"


@get("/healthz")
async def healthz() -> Alive:
    """Return whether the process lives: if it answers, it does."""
    return Alive()


@get("/readyz")
async def readyz(desk: Desk) -> Alive:
    """Return whether jobs can be queued and started now; 503 with the reason if not."""
    desk.jobs.count_pending()
    cluster = desk.cluster()
    if not cluster.engine_ok:
        raise UnavailableError(f"Jobs can be queued, but not all partitions start any: {cluster.engine_message}.")
    return Alive()


@get("/metrics", media_type="text/plain")
async def metrics(desk: Desk) -> Response[str]:
    """Return measurements in Prometheus' text format. No user, account or job is named in them."""
    made = Exposition()
    _daemon(desk, made)
    _queue(desk, made)
    _gpus(desk, made)
    _messages(desk, made)
    _vitals(desk, made)
    return Response(made.text(), media_type=CONTENT_TYPE)


def _daemon(desk: Desk, made: Exposition) -> None:
    labels = {"version": __version__, "cluster": desk.config.cluster_name}
    made.gauge("gpuq_build_info", "What runs here; the value is 1.", [(labels, 1)])
    process = time.process_time()
    made.counter("process_cpu_seconds_total", "CPU time of gpuqd.", [({}, process)])
    made.gauge("process_resident_memory_bytes", "Resident memory of gpuqd.", [({}, _resident_bytes())])


def _queue(desk: Desk, made: Exposition) -> None:
    counts = [({"partition": p, "state": s}, n) for p, s, n in desk.jobs.counts_by_state()]
    made.gauge("gpuq_jobs", "Jobs that have not ended, by partition and state.", counts)
    made.gauge("gpuq_queue_depth", "Jobs that wait.", [({}, desk.jobs.count_pending())])
    totals, used = dict[str, int](), dict[str, int]()
    nodes = desk.cluster().nodes
    for node in nodes:
        if node.is_up:
            totals[node.partition] = totals.get(node.partition, 0) + node.gpus
            used[node.partition] = used.get(node.partition, 0) + node.gpus - node.free_gpus
    made.gauge("gpuq_gpus", "GPU slots of nodes that are up.", [({"partition": p}, n) for p, n in totals.items()])
    made.gauge("gpuq_gpus_used", "GPU slots held by jobs.", [({"partition": p}, n) for p, n in used.items()])
    made.gauge("gpuq_nodes_down", "Nodes that are down.", [({}, sum(not node.is_up for node in nodes))])


def _messages(desk: Desk, made: Exposition) -> None:
    waiting = [({"kind": kind}, count) for kind, count in desk.messages.waiting().items()]
    made.gauge("gpuq_messages_waiting", "Messages to owners of jobs that wait to be sent, by kind.", waiting)
    sent = [({"kind": kind, "result": result}, count) for (kind, result), count in desk.vitals.messages.items()]
    made.counter("gpuq_messages_total", "Tries to send one, by kind and result: sent, failed or dropped.", sent)


def _gpus(desk: Desk, made: Exposition) -> None:
    gpus = desk.gpus()
    states = Counter((gpu.partition, gpu.state.value) for gpu in gpus)
    counts = [({"partition": partition, "state": state}, count) for (partition, state), count in states.items()]
    made.gauge("gpuq_gpu_states", "GPUs by how they are: free, busy, idle, throttled, stranger or down.", counts)
    for name, text, values in (
        ("gpuq_gpu_use_percent", "Share of the last second in which a GPU computed.", [gpu.util for gpu in gpus]),
        ("gpuq_gpu_memory_mib", "Memory of a GPU that is used.", [gpu.memory_mib for gpu in gpus]),
        ("gpuq_gpu_power_watts", "Power that a GPU draws.", [gpu.power_w for gpu in gpus]),
        ("gpuq_gpu_celsius", "Temperature of a GPU.", [gpu.temperature_c for gpu in gpus]),
    ):
        told = zip(gpus, values, strict=True)
        rows = [({"node": gpu.node, "place": str(gpu.place)}, value) for gpu, value in told if value is not None]
        made.gauge(name, text, rows)


def _vitals(desk: Desk, made: Exposition) -> None:
    vitals = desk.vitals
    made.gauge("gpuq_event_streams", "Open streams of changes.", [({}, desk.feed.streams)])
    made.counter("gpuq_events_total", "Changes told to streams.", [({}, desk.feed.told_total)])
    made.gauge("gpuq_requests_in_flight", "Requests not yet answered whole.", [({}, vitals.in_flight)])
    made.counter("gpuq_writes_total", "Changes committed.", [({}, vitals.writes)])
    for name, text, found in (
        ("gpuq_request_errors_total", "Answers with status 500 or more.", vitals.errors),
        ("gpuq_requests_refused_total", "Answers with status 400 to 499.", vitals.refused),
    ):
        made.counter(name, text, [({"route": route}, count) for route, count in found.items()])
    for name, text, label, histograms in (
        ("gpuq_scheduler_pass_seconds", "Scheduling passes, by part.", "part", vitals.passes),
        ("gpuq_request_seconds", "Requests until their answer begins.", "route", vitals.routes),
        ("gpuq_commit_seconds", "SQLite commits, from the first write to durable.", "database", vitals.commits),
        ("gpuq_query_seconds", "SQLite questions.", "database", vitals.queries),
    ):
        made.histogram(name, text, [({label: key}, histogram) for key, histogram in histograms.items()])
    made.histogram("gpuq_event_loop_lag_seconds", "How late the event loop wakes.", [({}, vitals.lag)])


def _resident_bytes() -> int:
    """Return the resident memory of this process. Source: proc_pid_statm(5), second field, in pages."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
