"""A rank tells what it uses: its GPUs as NVIDIA's library has them, the CPU and memory of its processes always."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuq_job import process_tree, spec
from gpuq_job.driver_end import DriverEnd
from gpuq_job.gpu_readings import Nvml
from gpuq_job.hearing import Hearing
from gpuq_job.outcome import Ranks
from gpuq_job.sampling import Sampler, sampled
from gpuq_job.steps import StepTimes
from tests.support.nvml import a_gpu_line, fake_nvml

_LOOK = """
import json, sys
from gpuq_job.gpu_readings import Nvml
from gpuq_job.sampling import Sampler
from gpuq_job.steps import StepTimes
at = [0.0]
sampler = Sampler(sys.argv[1].split(","), StepTimes(), nvml=Nvml(), now=lambda: at[0])
for line in sys.stdin:
    at[0] += 10
    print(json.dumps(sampler.look()), flush=True)
"""


class Rank:
    """A process that looks at GPUs of the stand-in library whenever it is asked to."""

    def __init__(self, folder: Path, gpus: str) -> None:
        self.folder = folder
        environment = {**os.environ, **fake_nvml(folder)}
        environment.pop(process_tree.MARKER, None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LOOK, gpus], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )

    def looks(self, *lines: str) -> Any:
        """Return what the rank tells while the GPUs are as `lines` say."""
        draft = self.folder / "draft"
        draft.write_text("".join(lines))
        draft.replace(self.folder / "gpus")
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def rank(tmp_path: Path) -> Iterator[Rank]:
    found = Rank(tmp_path, "1,GPU-c")
    yield found
    assert found.process.stdin is not None
    assert found.process.stdout is not None
    found.process.stdin.close()
    found.process.wait(30)
    found.process.stdout.close()


def test_a_rank_tells_its_own_gpus_by_index_or_uuid_and_for_how_long_they_have_done_nothing(rank: Rank) -> None:
    others = a_gpu_line("GPU-a", util=100)
    busy = rank.looks(others, a_gpu_line("GPU-b", util=93, used=4096, watts=310, celsius=61), a_gpu_line("GPU-c"))
    idle = [rank.looks(others, a_gpu_line("GPU-b", util=2), a_gpu_line("GPU-c", util=4)) for _ in range(3)]

    first, second = busy["gpus"]
    assert (first["uuid"], first["index"], first["model"]) == ("GPU-b", 1, "Stand-in 100")
    assert (first["util"], first["memory_mib"], first["memory_total_mib"]) == (93.0, 4096.0, 81920.0)
    assert (first["power_w"], first["temperature_c"], first["throttled"]) == (310.0, 61, [])
    assert (second["uuid"], second["index"]) == ("GPU-c", 2)
    assert [busy["idle_s"], *(one["idle_s"] for one in idle)] == [0.0, 10.0, 20.0, 30.0]


def test_a_process_of_nobodys_on_the_gpu_is_told_and_those_of_jobs_are_not(rank: Rank) -> None:
    of_a_job = subprocess.Popen(["sleep", "60"], env={**os.environ, process_tree.MARKER: "another"})
    stranger = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"]})
    gone = 2**22 - 7  # in a container, NVIDIA's library tells numbers that mean nothing there
    try:
        told = rank.looks(
            a_gpu_line("GPU-a"), a_gpu_line("GPU-b", rank.process.pid, of_a_job.pid, stranger.pid, gone), "GPU-c 0"
        )
    finally:
        for process in (of_a_job, stranger):
            process.kill()
            process.wait()

    (gpu,) = told["gpus"]  # the one whose line is broken is not there
    assert [(one["pid"], one["command"], one["memory_mib"]) for one in gpu["strangers"]] == [
        (stranger.pid, "sleep", 64.0)
    ]


@pytest.mark.parametrize(
    ("reasons", "told"),
    [(0x4, []), (0x1, []), (0x40, ["too hot (hardware)"]), (0x28, ["hardware slowdown", "too hot"])],
)
def test_a_gpu_at_its_power_limit_is_busy_and_a_hot_one_is_throttled(rank: Rank, reasons: int, told: list[str]) -> None:
    found = rank.looks(a_gpu_line("GPU-a"), a_gpu_line("GPU-b", throttled=reasons), a_gpu_line("GPU-c"))

    assert found["gpus"][0]["throttled"] == told


def test_what_a_gpu_does_not_tell_is_not_known_and_the_cpu_says_whether_it_is_used(rank: Rank) -> None:
    found = rank.looks(a_gpu_line("GPU-a"), a_gpu_line("GPU-b", util=101), a_gpu_line("GPU-c", util=101))

    assert [gpu["util"] for gpu in found["gpus"]] == [None, None]
    assert found["cpu"] < 100  # the clock of this rank says that ten seconds have gone by


def test_without_the_library_there_are_no_gpus_and_this_is_said() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from gpuq_job.gpu_readings import Nvml\ntry: Nvml()\nexcept OSError as e: print(e)"],
        env={**os.environ, "LD_LIBRARY_PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout

    assert said == "" or said.startswith("NVML: ")


def test_cpu_and_memory_are_those_of_all_processes_that_a_rank_has_started() -> None:
    child = "import time\nx = bytearray(50 * 2**20)\nwhile time.process_time() < 0.3: pass\ninput()\n"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])\nsys.stdin.read()\n"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert process.stdin is not None
    try:
        deadline = time.monotonic() + 60
        while (used := process_tree.usage(process.pid)).cpu_s < 0.3:
            assert time.monotonic() < deadline, used
        assert len(used.pids) == 2
        assert used.memory_mib > 55
        process.stdin.write(b"\n")
        process.stdin.flush()
        while len((after := process_tree.usage(process.pid)).pids) == 2 or after.cpu_s < 0.3:
            assert time.monotonic() < deadline, after  # what has ended was used all the same
    finally:
        process.stdin.close()
        process.wait(30)
    assert process_tree.usage(process.pid).pids == frozenset()


def test_what_a_rank_uses_is_told_while_its_function_runs_and_no_longer() -> None:
    told = list[dict[str, Any]]()
    with sampled(0.01, told.append):
        deadline = time.monotonic() + 30
        while len(told) < 3:
            assert time.monotonic() < deadline

    assert told[0]["gpus"] == []
    assert told[0]["memory_mib"] > 5


def test_nothing_is_looked_at_where_it_is_not_wanted() -> None:
    before = threading.active_count()
    with sampled(0, lambda sample: pytest.fail("nothing was to be told")):
        assert threading.active_count() == before


@pytest.mark.skipif(not Path("/proc/driver/nvidia/version").exists(), reason="there is no NVIDIA GPU here")
def test_a_real_gpu_tells_what_it_does() -> None:
    readings = Nvml().all()
    sampler = Sampler(["0"], StepTimes(), nvml=Nvml(), now=time.monotonic)

    assert readings
    for reading in readings:
        assert reading.uuid.startswith(("GPU-", "MIG-"))
        assert reading.memory_total_mib is not None
        assert reading.memory_total_mib > 1000
    assert sampler.look()["gpus"][0]["uuid"] == readings[0].uuid


def test_a_driver_keeps_what_its_ranks_use_beside_its_reports(tmp_path: Path) -> None:
    run = spec.Run(
        job_id=1, attempt=1, workers=1, gpus_per_worker=1, script="", args=(), folder=str(tmp_path), checkpoints="",
        host="127.0.0.1", key="00",
    )  # fmt: skip
    end = DriverEnd("127.0.0.1", b"0")
    hearing = Hearing(run, end, Ranks(workers=1), lambda executor: None)

    said = hearing.reports({"rank": 0, "sample": {"cpu": 1.0}})
    hearing.reports({"rank": -1, "sample": {"cpu": 2.0}})  # a witness has no such thing to say
    end.close()

    assert said == []
    (line,) = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert {name: json.loads(line)[name] for name in ("rank", "cpu")} == {"rank": 0, "cpu": 1.0}
