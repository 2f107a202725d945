"""What following event files costs, from bytes to stored points: all points kept, every checksum looked at."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from gpuq_daemon.collectors.event_files import EventFileFollower
from gpuq_daemon.eventfile.events import Points
from gpuq_daemon.eventfile.reader import EventReader
from gpuq_daemon.eventfile.tfrecord import RecordReader
from gpuq_daemon.files.local import LocalFiles
from gpuq_daemon.store.metrics import MetricsStore
from tests.bench.rows import Row, cpu_s
from tests.eventfile.event_bytes import a_file, a_histogram, a_scalar, a_simple_value, an_event

_EVENTS = 1_000_000
_RUNS = 100
_KIND_EVENTS = 100_000
_HISTOGRAMS = 20_000
_IDLE_RUNS = 1_000
_TICK_S = 0.5
_PIECE = 2**20
_POINTS = "M points/CPU-s"


def measure() -> list[Row]:
    """Return what reading costs for files of several kinds, with TensorBoard's own loaders on the same file."""
    _decoded(_part(0, 20_000))  # numpy's import is not the file's
    rows = [*_one_file(), *_kinds()]
    points, peak_mb = _elsewhere("many")
    rows += [
        Row(name=f"followed and stored, 10 M over {_RUNS} runs", value=points, unit=_POINTS, aim=">= 3"),
        Row(name="peak memory of that", value=peak_mb, unit="MB", aim="<= 400"),
    ]
    return [*rows, _idle(), *_thinned()]


def _one_file() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run" / "events.out.tfevents.1.host"
        file.parent.mkdir()
        with file.open("wb") as out:
            for start in range(0, _EVENTS, _KIND_EVENTS):
                out.write(_part(start, _KIND_EVENTS))
        data = file.read_bytes()
        yield Row(name="1 M scalars in one file, read", value=_decoded(data), unit=_POINTS, aim=">= 3")
        del data
        yield Row(name="that by TensorBoard's loader", value=_tensorboard(file), unit=_POINTS)
        yield from _data_server(Path(folder))


def _kinds() -> Iterator[Row]:
    kinds: dict[str, Callable[[int], list[bytes]]] = {
        "ten tags in turn": lambda i: [a_scalar(f"tag{i % 10}", i // 10, 1 / (1 + i), 1.7e9 + i / 100)],
        "a validation each 100 steps": lambda i: [
            a_scalar(tag, i, 1.0, 1.7e9 + i) for tag in (["loss", "val/loss"] if i % 100 == 99 else ["loss"])
        ],
        "ten values an event": lambda i: (
            [an_event(1.7e9 + i, i, *(a_simple_value(f"tag{k}", i * k) for k in range(10)))] * (i % 10 == 0)
        ),
    }
    for kind, events in kinds.items():
        data = a_file(*(event for i in range(_KIND_EVENTS) for event in events(i)))
        aim = ">= 1" if kind == "ten values an event" else None  # a third of 3
        yield Row(name=f"read, {kind}", value=_decoded(data), unit=_POINTS, aim=aim)
    scalars = _part(0, _KIND_EVENTS)
    rows = [edge for k in range(30) for edge in (k, k + 1.0, 5.0 * k)]
    histograms = a_file(*(a_histogram("kernel", step, *rows) for step in range(_HISTOGRAMS)))
    speeds = [
        len(data) / min(_cpu_of(lambda data=data: _decoded(data)) for _ in range(3)) for data in (histograms, scalars)
    ]
    share = speeds[0] / speeds[1]
    yield Row(name=f"{_HISTOGRAMS} histograms, bytes/s beside scalars'", value=share, unit="", aim=">= 0.33")


def _part(start: int, count: int) -> bytes:
    return a_file(*(a_scalar("loss", i, 1 / (1 + i), 1.7e9 + i / 100) for i in range(start, start + count)))


def _cpu_of(run: Callable[[], object]) -> float:
    before = time.process_time()
    run()
    return time.process_time() - before


def _decoded(data: bytes) -> float:
    reader, points = EventReader(RecordReader()), Points()
    before = time.process_time()
    for start in range(0, len(data), _PIECE):
        reader.feed(data[start : start + _PIECE], points)
    taken = time.process_time() - before
    return sum(map(len, points.scalars.values())) / taken / 1e6


def _tensorboard(file: Path) -> float:
    loader: Any = import_module("tensorboard.backend.event_processing.event_file_loader")  # it has no types
    next(iter(loader.EventFileLoader(str(file)).Load()))  # imports what it needs
    events = loader.EventFileLoader(str(file)).Load()
    before = time.process_time()
    count = sum(1 for _ in zip(range(_KIND_EVENTS), events, strict=False))
    return count / (time.process_time() - before) / 1e6


def _data_server(folder: Path) -> Iterator[Row]:
    """Yield what TensorBoard's server in Rust takes: made to do the same, and as it is, sampling and unchecked."""
    package: Any = import_module("tensorboard_data_server")
    server: str = package.server_binary()
    for name, flags in (
        ("all points, checksums", ["--checksum", "--samples-per-plugin=scalars=all"]),
        ("as it is", []),
    ):
        argv = [server, f"--logdir={folder}", "--port=0", "--reload=once", "-v", *flags]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            if any("Finished load cycle" in line for line in process.stderr):
                value = _EVENTS / cpu_s(process.pid) / 1e6
                yield Row(name=f"that by its data server, {name}", value=value, unit=_POINTS)
            process.kill()


def _elsewhere(what: str) -> list[float]:
    """Measure in a process of its own, whose memory is its own."""
    code = f"from tests.bench import events; events.{what}()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()[-2:]]


def many() -> None:
    """Follow and store many runs, and print points a CPU second and the peak of memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        root, data = Path(folder) / "events", _part(0, 10_000_000 // _RUNS)
        for run in range(_RUNS):
            place = root / "rank-0" / f"run-{run}"
            place.mkdir(parents=True)
            (place / "events.out.tfevents.1").write_bytes(data)
        del data
        follower, count, store = (
            EventFileFollower(1, 1, LocalFiles(root), {}),
            0,
            MetricsStore(Path(folder) / "metrics.db"),
        )
        before = time.process_time()
        while not (batch := follower.poll()).is_empty:
            store.append(batch)
            count += sum(map(len, batch.scalars.values()))
        taken = time.process_time() - before
        store.close()
    print(count / taken / 1e6, _peak_mb())


def _peak_mb() -> float:
    """Return the most memory that this program has had. `ru_maxrss` would be its parent's. Source: proc(5), VmHWM."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def _idle() -> Row:
    """Return what looking at runs that write nothing takes of a core, at a look each half second."""
    with tempfile.TemporaryDirectory() as folder:
        data = _part(0, 10)
        followers: list[EventFileFollower] = []
        for run in range(_IDLE_RUNS):
            place = Path(folder) / str(run) / "rank-0"
            place.mkdir(parents=True)
            (place / "events.out.tfevents.1").write_bytes(data)
            for folder_of_it in (place, place.parent):
                os.utime(folder_of_it, (1.7e9, 1.7e9))  # as of a run that has made no file for a while
            followers.append(EventFileFollower(run + 1, 1, LocalFiles(place.parent), {}))
        for follower in followers:
            follower.poll()
        taken = min(_cpu_of(lambda: [follower.poll() for follower in followers]) for _ in range(5))
    return Row(name=f"idle poll of {_IDLE_RUNS} runs", value=100 * taken / _TICK_S, unit="% of a core", aim="<= 5")


def _thinned() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "events" / "rank-0"
        root.mkdir(parents=True)
        with (root / "events.out.tfevents.1").open("wb") as out:
            for start in range(0, _EVENTS, _KIND_EVENTS):
                out.write(_part(start, _KIND_EVENTS))
        follower, store = (
            EventFileFollower(1, 1, LocalFiles(root.parent), {}),
            MetricsStore(Path(folder) / "metrics.db"),
        )
        while not (batch := follower.poll()).is_empty:
            store.append(batch)
        store.curve(1, "loss", columns=200)
        value = min(1000 * _cpu_of(lambda: store.curve(1, "loss", columns=200)) for _ in range(10))
        store.close()
        first: list[float] = []
        for _ in range(5):
            store = MetricsStore(Path(folder) / "metrics.db")
            first.append(1000 * _cpu_of(lambda store=store: store.curve(1, "loss", columns=200)))
            store.close()
    return [
        Row(name="1 M points of a tag to 200 columns, asked for before", value=value, unit="CPU-ms", aim="<= 10"),
        Row(name="the same, asked for the first time", value=min(first), unit="CPU-ms", aim="<= 10"),
    ]
