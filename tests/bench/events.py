"""What following event files costs, from bytes to stored points: all points kept, every checksum looked at."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from gpuq_daemon.collectors.event_files import EventFileFollower
from gpuq_daemon.eventfile.events import Points
from gpuq_daemon.eventfile.reader import EventReader
from gpuq_daemon.eventfile.tfrecord import RecordReader
from gpuq_daemon.files.local import LocalFiles
from gpuq_daemon.store.metrics import MetricsStore
from tests.bench.rows import Row
from tests.eventfile.event_bytes import a_file, a_scalar, a_simple_value, an_event

_EVENTS = 300_000
_RUNS = 30
_PIECE = 2**20


def measure() -> list[Row]:
    """Return millions of points a CPU second for files of several kinds, and TensorBoard's own loader beside them."""
    one = _file(lambda i: [a_scalar("loss", i, 1 / (1 + i), 1.7e9 + i / 100)])
    kinds = {
        "one tag": one,
        "ten tags in turn": _file(lambda i: [a_scalar(f"tag{i % 10}", i // 10, 1 / (1 + i), 1.7e9 + i / 100)]),
        "a validation each 100 steps": _file(
            lambda i: [
                a_scalar(tag, i, 1.0, 1.7e9 + i) for tag in (["loss", "val/loss"] if i % 100 == 99 else ["loss"])
            ]
        ),
        "ten values an event": _file(
            lambda i: [an_event(1.7e9 + i, i, *(a_simple_value(f"tag{k}", i * k) for k in range(10)))] * (i % 10 == 0)
        ),
    }
    _decoded(one[:_PIECE])  # numpy's import is not the file's
    aims = {"one tag": ">= 3"}
    rows = [
        Row(name=f"events read, {kind}", value=_decoded(data), unit="M points/CPU-s", aim=aims.get(kind))
        for kind, data in kinds.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        for run in range(_RUNS):
            place = Path(folder) / "rank-0" / f"run-{run}"
            place.mkdir(parents=True)
            (place / "events.out.tfevents.1").write_bytes(one[: len(one) // 3])
        rows.append(
            Row(name=f"followed and stored, {_RUNS} runs", value=_followed(Path(folder)), unit="M points/CPU-s")
        )
        rows.append(Row(name="TensorBoard's loader, one tag", value=_tensorboard(Path(folder)), unit="M points/CPU-s"))
    return rows


def _file(events: Callable[[int], list[bytes]]) -> bytes:
    return a_file(*(event for i in range(_EVENTS) for event in events(i)))


def _decoded(data: bytes) -> float:
    reader, points = EventReader(RecordReader()), Points()
    before = time.process_time()
    for start in range(0, len(data), _PIECE):
        reader.feed(data[start : start + _PIECE], points)
    taken = time.process_time() - before
    return sum(map(len, points.scalars.values())) / taken / 1e6


def _followed(root: Path) -> float:
    follower, count = EventFileFollower(1, 1, LocalFiles(root), {}), 0
    with tempfile.TemporaryDirectory() as folder:
        store = MetricsStore(Path(folder) / "metrics.db")
        before = time.process_time()
        while not (batch := follower.poll()).is_empty:
            store.append(batch)
            count += sum(map(len, batch.scalars.values()))
        taken = time.process_time() - before
        store.close()
    return count / taken / 1e6


def _tensorboard(root: Path) -> float:
    loader: Any = import_module("tensorboard.backend.event_processing.event_file_loader")  # it has no types
    file = next(root.rglob("events.out.*"))
    next(iter(loader.EventFileLoader(str(file)).Load()))  # imports what it needs
    before = time.process_time()
    count = sum(1 for _ in loader.EventFileLoader(str(file)).Load())
    return count / (time.process_time() - before) / 1e6
