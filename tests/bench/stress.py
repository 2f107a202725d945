"""What many do at once, and what a long life leaves behind.

GPUQ_STRESS_S is how long the mixed load lasts (300 s), GPUQ_STRESS_JOBS how many jobs pass through (100 000).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import selectors
import socket
import sys
import time
from collections.abc import Generator

from gpuq.client import Client
from gpuq.client_admin import AdminClient
from tests.bench.crowd import Heard, Question, ask, connect_many, still_open
from tests.bench.enqueue import fsync_ms
from tests.bench.loaded import SCRIPT, folder_of_a_daemon, request
from tests.bench.rows import Row, cpu_s, quantile, rss_mib, times_ms
from tests.support.daemon import Gpuqd, until

_SECONDS = float(os.environ.get("GPUQ_STRESS_S", "300"))
_JOBS = int(os.environ.get("GPUQ_STRESS_JOBS", "100000"))
_CLIENTS, _STREAMS, _IDLE = 32, 1_000, 10_000
_SPEC = {"script_name": "train.py", "script": SCRIPT, "args": ["--lr", "0.1"], "workers": 1}
_ENQUEUE = Question("enqueue", request("POST", "/v1/jobs", json.dumps(_SPEC).encode()))
_HELD = Question("enqueue", request("POST", "/v1/jobs", json.dumps({**_SPEC, "hold": True}).encode()))
_MOST_WAITING = 2_000


def measure() -> list[Row]:
    """Return figures of a mixed load, of streams, of idle connections, and of memory as jobs pass through."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return [*_mixed(), *_streams(), *_idle(), *_passing()]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _mixed() -> list[Row]:
    """32 clients that queue, change, cancel, look and list, while jobs start and end."""
    with _serving(nodes=16) as daemon:
        used, fsync = cpu_s(_pid(daemon)), fsync_ms(daemon.folder / "probe")
        daemon.client.enqueue(_SPEC)
        mix = _Mix(random.Random(2026), until=time.monotonic() + _SECONDS)
        heard = ask(daemon.client.path, _CLIENTS, mix.next, mix.heard)
        used = cpu_s(_pid(daemon)) - used
        diag = AdminClient(daemon.client.path).diag()
        failed = sum(route["failed"] for route in diag["routes"])
    taken = heard.all_seconds
    what = f"{_CLIENTS} clients, mixed, {_SECONDS:g} s"
    return [
        Row(name=f"{what}: requests", value=len(taken) / _SECONDS, unit="/s"),
        Row(name=f"{what}: p50", value=quantile(taken, 0.5) * 1e3, unit="ms"),
        Row(name=f"{what}: p99", value=quantile(taken, 0.99) * 1e3, unit="ms"),
        *(
            Row(name=f"{what}: p99 of {name}", value=quantile(some, 0.99) * 1e3, unit="ms")
            for name, some in sorted(heard.seconds.items())
        ),
        Row(name=f"{what}: wrong answers, breaks, 5xx", value=_wrong(heard) + failed, unit="", aim="<= 0"),
        Row(name=f"{what}: the daemon's CPU", value=used / _SECONDS * 100, unit="%"),
        Row(name=f"{what}: one write and fsync on this disk, p50", value=fsync, unit="ms"),
    ]


class _Mix:
    """Which question comes next: four of ten are changes."""

    def __init__(self, rng: random.Random, *, until: float) -> None:
        self._rng, self._until = rng, until
        self._held, self._known = [1], [1]

    def next(self) -> Question | None:
        """Return the next question, None when the time is over."""
        if time.monotonic() >= self._until:
            return None
        held, known = self._rng.choice(self._held), self._rng.choice(self._known)
        about = f"/v1/jobs/{held}"
        gone = (200, 400, 404)  # it may have been cancelled or released before
        questions = (
            (20, _ENQUEUE),
            (8, _HELD),
            (4, Question("update", request("PATCH", about, b'{"nice": 5}'), gone)),
            (4, Question("cancel", request("POST", f"{about}/cancel"), gone)),
            (4, Question("release", request("POST", f"{about}/release"), gone)),
            (25, Question("show", request("GET", f"/v1/jobs/{known}"))),
            (10, Question("why", request("GET", f"/v1/jobs/{known}/why"))),
            (8, Question("queue", request("GET", "/v1/queue"))),
            (5, Question("list", request("GET", "/v1/jobs?limit=100"))),
            (5, Question("history", request("GET", "/v1/history?limit=100"))),
            (3, Question("cluster", request("GET", "/v1/cluster"))),
            (2, Question("shares", request("GET", "/v1/shares"))),
            (2, Question("metrics", request("GET", "/metrics"))),
        )
        weights, found = zip(*questions, strict=True)
        return self._rng.choices(found, weights)[0]

    def heard(self, answer: bytes) -> None:
        """Remember a new job."""
        if answer.startswith(b"HTTP/1.1 201"):
            job = json.loads(answer[answer.find(b"\r\n\r\n") :])
            some = self._held if job["hold"] else self._known
            some.append(job["id"])
            del some[: max(0, len(some) - 500)]


def _wrong(heard: Heard) -> int:
    if heard.wrong:
        print(f"wrong answers: {dict(heard.wrong)}", file=sys.stderr)
    return sum(heard.wrong.values()) + heard.broken


def _streams() -> list[Row]:
    """A thousand streams that hear of everything, while jobs come and go."""
    with _serving() as daemon:
        before = rss_mib(_pid(daemon))
        greeting = b"GET /v1/events HTTP/1.1\r\nHost: gpuq\r\n\r\n"
        streams = connect_many(daemon.client.path, _STREAMS, greeting)
        listening = _Listening(streams)
        listening.until(b"event: ready", timeout_s=120)
        with_streams = rss_mib(_pid(daemon))
        used, began, late = cpu_s(_pid(daemon)), time.perf_counter(), list[float]()
        for _ in range(30):
            job = daemon.client.enqueue({**_SPEC, "hold": True})
            at = time.perf_counter()
            listening.until(b'"id":%d,' % job["id"], timeout_s=60)
            late.append((time.perf_counter() - at) * 1e3)
        used, taken = cpu_s(_pid(daemon)) - used, time.perf_counter() - began
        answered = times_ms(lambda: daemon.client.job(1), 50)
        lost = len(streams) - still_open(streams)
        for one in streams:
            one.close()
    what = f"{_STREAMS} event streams"
    return [
        Row(name=f"{what}: a new job is told to the last of them, p50", value=quantile(late, 0.5), unit="ms"),
        Row(name=f"{what}: a new job is told to the last of them, p99", value=quantile(late, 0.99), unit="ms"),
        Row(name=f"{what}: CPU an event and stream", value=used / (30 * _STREAMS) * 1e6, unit="CPU us"),
        Row(name=f"{what}: the daemon's CPU meanwhile", value=used / taken * 100, unit="%"),
        Row(name=f"{what}: memory each", value=(with_streams - before) * 1024 / _STREAMS, unit="KiB"),
        Row(name=f"{what}: another client's question, p99", value=quantile(answered, 0.99), unit="ms"),
        Row(name=f"{what}: broken off", value=lost, unit="streams", aim="<= 0"),
    ]


class _Listening:
    """Reads many streams, and knows when each has heard something."""

    def __init__(self, streams: list[socket.socket]) -> None:
        self._selector = selectors.DefaultSelector()
        self._rest = dict.fromkeys(streams, b"")
        for one in streams:
            self._selector.register(one, selectors.EVENT_READ)

    def until(self, words: bytes, *, timeout_s: float) -> None:
        """Return when every stream has told `words`, now or in what was read before."""
        left, deadline = set(self._rest), time.monotonic() + timeout_s
        while left:
            for key, _ in self._selector.select(1.0):
                one: socket.socket = key.fileobj  # pyright: ignore[reportAssignmentType] - what was registered
                piece = one.recv(262_144)
                text = self._rest[one] + piece
                if words in text:
                    left.discard(one)
                self._rest[one] = text[-len(words) :]
                if not piece:
                    raise ConnectionError("a stream was ended")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(left)} streams did not hear {words!r}")


def _idle() -> list[Row]:
    """Ten thousand connections on which nothing is asked."""
    with _serving(more=f"connections_per_user = {2 * _IDLE}") as daemon:
        client = Client(daemon.client.path)
        alone, before = times_ms(client.cluster, 200), rss_mib(_pid(daemon))
        began = time.perf_counter()
        idle = connect_many(client.path, _IDLE)
        taken = time.perf_counter() - began
        beside = times_ms(client.cluster, 200)
        memory, used = rss_mib(_pid(daemon)) - before, cpu_s(_pid(daemon))
        time.sleep(5)
        used, there = cpu_s(_pid(daemon)) - used, still_open(idle)
        for one in idle:
            one.close()
        after = times_ms(client.cluster, 200)
    what = f"{_IDLE} idle connections"
    return [
        Row(name=f"{what}: open (the limit on files bounds them)", value=there, unit="connections"),
        Row(name=f"{what}: opened within", value=taken, unit="s"),
        Row(name=f"{what}: memory", value=memory, unit="MiB"),
        Row(name=f"{what}: the daemon's CPU meanwhile", value=used / 5 * 100, unit="%"),
        Row(name="a new client's question without them, p99", value=quantile(alone, 0.99), unit="ms"),
        Row(name="a new client's question beside them, p99", value=quantile(beside, 0.99), unit="ms"),
        Row(name="a new client's question after them, p99", value=quantile(after, 0.99), unit="ms"),
    ]


def _passing() -> list[Row]:
    """Jobs pass through: a fifth first, so that caches are full, then all that were asked for."""
    with _serving(nodes=16) as daemon:
        _pass_through(daemon, _JOBS // 5)
        before = rss_mib(_pid(daemon))
        used, first = cpu_s(_pid(daemon)), time.perf_counter()
        _pass_through(daemon, _JOBS)
        after, used, taken = rss_mib(_pid(daemon)), cpu_s(_pid(daemon)) - used, time.perf_counter() - first
    return [
        Row(name=f"{_JOBS} jobs passed through: memory before", value=before, unit="MiB"),
        Row(name=f"{_JOBS} jobs passed through: memory after", value=after, unit="MiB"),
        Row(name=f"{_JOBS} jobs passed through: drift", value=(after / before - 1) * 100, unit="%", aim="<= 5"),
        Row(name=f"{_JOBS} jobs passed through, queued to ended", value=_JOBS / taken, unit="jobs/s"),
        Row(name=f"{_JOBS} jobs passed through: CPU a job", value=used / _JOBS * 1e3, unit="CPU ms"),
    ]


def _pass_through(daemon: Gpuqd, count: int) -> None:
    """Queue so many jobs, never too many at once, and return when all have ended."""
    left, client = count, AdminClient(daemon.client.path)

    def waiting() -> int:
        diag = client.diag()  # a list of the jobs would be kept, and is what is to be measured least
        return diag["pending"] + diag["active"]

    while left:
        some = iter(range(min(left, _MOST_WAITING // 2)))
        heard = ask(client.path, 8, lambda some=some: next((_ENQUEUE for _ in some), None), lambda _: None)
        assert not _wrong(heard)
        left -= min(left, _MOST_WAITING // 2)
        if left % 10_000 == 0:
            print(f"    {left} to go: {rss_mib(_pid(daemon)):.1f} MiB", file=sys.stderr, flush=True)
        until(lambda: waiting() < _MOST_WAITING // 2, timeout_s=600, what="room in the queue")
    until(lambda: not waiting(), timeout_s=600, what="the end of all jobs", log=daemon.folder / "gpuqd.log")


@contextlib.contextmanager
def _serving(*, nodes: int = 2, more: str = "") -> Generator[Gpuqd]:
    """Give a gpuqd whose jobs end as soon as they start."""
    with folder_of_a_daemon() as folder:
        config = folder / "gpuqd.toml"
        config.write_text(f"{config.read_text()}[listen]\n{more}\n")
        argv = [sys.executable, "-m", "tests.bench.null_engine", str(config), str(nodes), "8"]
        daemon = Gpuqd(folder, config, argv).start()
        try:
            yield daemon
        finally:
            daemon.stop()


def _pid(daemon: Gpuqd) -> int:
    assert daemon.process is not None
    return daemon.process.pid
