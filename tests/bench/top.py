"""What `gpuq top` costs in a pseudo-terminal: bytes to it and CPU, when nothing changes and when much does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass

from textual.pilot import Pilot

from gpuq.client import Client
from tests.bench.loaded import fill, folder_of_a_daemon, serving
from tests.bench.rows import Row
from tests.tui.scripted import ScriptedClient, a_job, an_app, as_json, piloted

_JOBS = 1000
_MANY_JOBS = 10_000
_SIZES = ((80, 24), (200, 60))
_KEYS = 20
_SETTLE_S = 6.0
_QUIET_S = 30.0
_BUSY_S = 10.0
_CHANGES_A_SECOND = 100
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a program did in a span of time: bytes it wrote to its terminal, share of a CPU in percent."""

    written: int
    cpu_percent: float


def measure() -> list[Row]:
    """Return bytes and CPU at 80x24 with a thousand jobs waiting: at rest, paused, and with many changes in sight."""
    with folder_of_a_daemon() as folder:
        fill(folder, _JOBS, hold=True)
        with serving(folder) as daemon, _shown(daemon.client.path) as (terminal, pid):
            _spent(terminal, pid, _SETTLE_S)
            quiet = _spent(terminal, pid, _QUIET_S)
            with _changing(daemon.client):
                busy = _spent(terminal, pid, _BUSY_S)
                os.write(terminal, b"p")
                _spent(terminal, pid, 1.0)
                paused = _spent(terminal, pid, _BUSY_S)
            os.write(terminal, b"q")
    much = f"{_CHANGES_A_SECOND} changes/s"
    return [
        Row(name="top, nothing changes", value=quiet.written, unit=f"bytes in {_QUIET_S:g} s", aim="<= 0"),
        Row(name="top, nothing changes", value=quiet.cpu_percent, unit="% of a CPU", aim="<= 1"),
        Row(name=f"top, {much}", value=busy.written / _BUSY_S / 1024, unit="KiB/s"),
        Row(name=f"top, {much}", value=busy.cpu_percent, unit="% of a CPU"),
        Row(name=f"top, paused, {much}", value=paused.written, unit=f"bytes in {_BUSY_S:g} s", aim="<= 0"),
        Row(name=f"top, paused, {much}", value=paused.cpu_percent, unit="% of a CPU"),
        *_frames_of_many(),
        *(row for jobs in (_MANY_JOBS, 10 * _MANY_JOBS) for row in _keys_among(jobs)),
    ]


def _frames_of_many() -> list[Row]:
    """Return what the first frame, changed rows and keys cost with ten thousand jobs waiting, at two sizes."""
    with folder_of_a_daemon() as folder:
        fill(folder, _MANY_JOBS, hold=True)
        with serving(folder) as daemon:
            return [row for size in _SIZES for row in _frames(daemon.client, size)]


def _frames(client: Client, size: tuple[int, int]) -> list[Row]:
    columns, rows = size
    at = f"top {columns}x{rows}"
    with _shown(client.path, size, until=f"of {_MANY_JOBS}".encode()) as (terminal, pid):
        first_ms = 1000 * _ticks(pid) / _TICKS_A_SECOND
        _spent(terminal, pid, _SETTLE_S)
        three = _bytes_of_changes(client, terminal, pid, 3)
        twenty = _bytes_of_changes(client, terminal, pid, 20)
        begin = _ticks(pid)
        for key in (b"j" * _KEYS, b"k" * _KEYS):
            for i in range(_KEYS):
                os.write(terminal, key[i : i + 1])
                _spent(terminal, pid, 0.05)
        key_ms = 1000 * (_ticks(pid) - begin) / _TICKS_A_SECOND / (2 * _KEYS)
        rss_mib = _rss_mib(pid)
        os.write(terminal, b"q")
    return [
        Row(name=f"{at}, first frame of {_MANY_JOBS} jobs", value=first_ms, unit="ms of CPU", aim="<= 350"),
        Row(name=f"{at}, 3 rows change", value=three / 1024, unit="KiB", aim="<= 0.5"),
        Row(name=f"{at}, 20 rows change", value=twenty / 1024, unit="KiB", aim="<= 2.5"),
        Row(name=f"{at}, a key", value=key_ms, unit="ms of CPU", aim="<= 50"),
        Row(name=f"{at}, memory", value=rss_mib, unit="MiB", aim="<= 120"),
    ]


def _keys_among(jobs: int) -> list[Row]:
    """Return what it costs from a key that moves the cursor to the frame, within the program: no terminal, no gpuqd."""
    client = ScriptedClient(queue=[a_job(1)])
    app, row, spent_ms = an_app(client), as_json(a_job(1)), list[float]()

    async def use(pilot: Pilot[None]) -> None:
        client.streams[-1].tell(*(("job", {**row, "id": number}) for number in range(1, jobs + 1)))
        while len(app.view.jobs) < jobs:
            await pilot.pause()
        client.queue = [a_job(number) for number in range(1, _KEYS + 2)]  # those that the cursor comes to
        for key in (*("j",) * _KEYS, *("k",) * _KEYS) * 3:
            begin = time.process_time()
            await pilot.press(key)
            spent_ms.append(1000 * (time.process_time() - begin))

    piloted(app, use, _SIZES[1])
    p95 = statistics.quantiles(spent_ms, n=20)[-1]
    return [Row(name=f"top 200x60, key to frame among {jobs} jobs, p95", value=p95, unit="ms of CPU", aim="<= 50")]


def _bytes_of_changes(client: Client, terminal: int, pid: int, rows: int) -> int:
    """Return what is written when so many jobs get another name at once."""
    for number in range(rows):
        client.update(1 + number, {"name": f"n{rows:02}{number:02}"})
    return _spent(terminal, pid, 3.0).written


def _rss_mib(pid: int) -> float:
    """Return the memory that a process has. Source: proc_pid_statm(5)."""
    with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


@contextlib.contextmanager
def _shown(socket: str, size: tuple[int, int] = (80, 24), until: bytes = b"live, <") -> Generator[tuple[int, int]]:
    """Give the terminal and the process of `gpuq top`, once it has written `until`."""
    terminal, inner = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }  # as installed
    environment |= {
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "XDG_CONFIG_HOME": os.path.dirname(socket),
        "GPUQ_SOCKET": socket,
    }
    command = [os.path.join(os.path.dirname(sys.executable), "gpuq"), "top"]
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment) as process:
        output = b""
        while until not in output:
            output += os.read(terminal, 65536)
        try:
            yield terminal, process.pid
        finally:
            process.terminate()
            _spent(terminal, process.pid, 1.0)
            process.wait(20)
    os.close(inner)
    os.close(terminal)


def _spent(terminal: int, pid: int, span_s: float) -> Spent:
    """Read what is written for so long."""
    written, ticks, begin = 0, _ticks(pid), time.monotonic()
    while (left := begin + span_s - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            written += len(os.read(terminal, 65536))
    return Spent(written=written, cpu_percent=100 * (_ticks(pid) - ticks) / _TICKS_A_SECOND / span_s)


def _ticks(pid: int) -> int:
    """Return user and system time. Source: proc_pid_stat(5)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@contextlib.contextmanager
def _changing(client: Client) -> Generator[None]:
    """Rename the jobs on the screen, so many a second, meanwhile."""
    is_over = threading.Event()

    def change() -> None:
        number = 0
        begin = time.monotonic()
        while not is_over.wait(max(0.0, begin + number / _CHANGES_A_SECOND - time.monotonic())):
            client.update(1 + number % 15, {"name": f"name{number}"})
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
