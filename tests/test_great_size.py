"""A log line of a gibibyte, and more in reports: gpuqd and the client read it in pieces, and hold no more of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Gpuqd, plain_gpuqd

GIB = 2**30
# A hole in a file costs no disk, and reads as bytes that have to be shown as escapes: as bad as a line can be.
PRINTS_A_GIBIBYTE = f"""
import os
def main_fun(args, ctx):
    os.ftruncate(1, {GIB})
    print()
    print("the last line", flush=True)
    raise ValueError("x")
"""
REPORTS_MORE = f"""
import os, pathlib
def main_fun(args, ctx):
    os.truncate(pathlib.Path(os.environ["GPUQ_LOG_DIR"]).parents[1] / "reports.jsonl", {128 * GIB})
"""


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def printed(gpuqd: Gpuqd) -> int:
    """Return a job whose log's first line is a gibibyte long."""
    return gpuqd.ended(gpuqd.enqueue(PRINTS_A_GIBIBYTE))["id"]


def test_a_job_with_such_a_line_ends_with_its_error_and_its_last_line_is_found(gpuqd: Gpuqd, printed: int) -> None:
    job = gpuqd.client.job(printed)

    said = subprocess.run([*_gpuq(), "logs", "-n", "1", str(printed)], env=_env(gpuqd), capture_output=True, timeout=60)

    assert (job["state"], job["error"]) == ("FAILED", "ValueError('x')")
    assert said.stdout == b"the last line\n"


def test_reading_such_a_line_fills_nobodys_memory(gpuqd: Gpuqd, printed: int) -> None:
    assert gpuqd.process is not None
    before = _most_memory_kib(gpuqd.process.pid)

    with subprocess.Popen([*_gpuq(), "logs", str(printed)], env=_env(gpuqd), stdout=subprocess.PIPE) as reading:
        assert reading.stdout is not None
        shown = sum(len(reading.stdout.read(2**20)) for _ in range(40))
        memory = _most_memory_kib(reading.pid)
        reading.stdout.close()

    assert (shown, reading.returncode) == (40 * 2**20, 141)
    assert memory < 60_000
    assert _most_memory_kib(gpuqd.process.pid) - before < 20_000


@pytest.mark.parametrize("offset", [0, GIB // 2, GIB - 5, -10, 2**40])
def test_a_piece_of_it_is_never_more_than_was_asked_for(gpuqd: Gpuqd, printed: int, offset: int) -> None:
    piece = gpuqd.client.logs(printed, rank=0, offset=offset, limit=1000)

    assert len(piece["data"]) <= 1000
    assert piece["size"] == GIB + len("\nthe last line\n")
    assert piece["next_offset"] - piece["offset"] == len(piece["data"].encode())


def test_a_line_of_reports_of_a_hundred_gibibytes_is_stepped_over(gpuqd: Gpuqd) -> None:
    assert gpuqd.process is not None
    before = _most_memory_kib(gpuqd.process.pid)

    job = gpuqd.ended(gpuqd.enqueue(REPORTS_MORE))

    assert job["state"] == "COMPLETED"
    assert _most_memory_kib(gpuqd.process.pid) - before < 40_000


def _gpuq() -> list[str]:
    return [sys.executable, "-c", "import sys; from gpuq.cli import main; sys.exit(main())"]


def _env(gpuqd: Gpuqd) -> dict[str, str]:
    return {**os.environ, "GPUQ_SOCKET": gpuqd.client.path}


def _most_memory_kib(pid: int) -> int:
    """Return the most memory that a process has had in RAM. Source: proc(5), VmHWM."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0])
