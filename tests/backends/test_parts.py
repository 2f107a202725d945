"""The parts of the embedded engine that decide without doing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.backends import engine_record, gpus, java, master_page, memory, submit
from gpuq_daemon.backends.base import Attempt, EngineError
from gpuq_daemon.backends.engine_record import Asked, Record, Worker
from gpuq_daemon.processes import ProcessId

INSTALLATION = submit.Installation(
    java=Path("/opt/java/bin/java"), spark_home=Path("/opt/spark"), python=Path("/opt/python")
)


def an_attempt(*, workers: int = 2, gpus_per_worker: int = 1, scratch: str = "/tmp/s") -> Attempt:
    return Attempt(
        job_id=7,
        number=2,
        token="tok",
        name="x\x1b[31m --conf spark.evil=1",
        workers=workers,
        gpus_per_worker=gpus_per_worker,
        folder=Path("/state/jobs/7/2"),
        scratch=Path(scratch),
        script=Path("/state/jobs/7/2/train.py"),
        args=("--conf", "spark.evil=1"),
        checkpoints=Path("/state/jobs/7/checkpoints"),
    )


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "22-ea" 2024-03-19', 22),
        ("Error: no such thing", None),
    ],
)
def test_java_versions_are_read(told: str, version: int | None) -> None:
    assert java.version_in(told) == version


def a_java(folder: Path, told: str) -> dict[str, str]:
    java_file = folder / "bin" / "java"
    java_file.parent.mkdir()
    java_file.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    java_file.chmod(0o755)
    return {"JAVA_HOME": str(folder), "PATH": "/nowhere"}


def test_an_old_java_is_refused_with_its_version(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is Java 11, but Spark needs 17"):
        java.find(a_java(tmp_path, 'openjdk version "11.0.2"'))


def test_the_java_of_java_home_is_taken(tmp_path: Path) -> None:
    assert java.find(a_java(tmp_path, 'openjdk version "21.0.2"')) == tmp_path / "bin" / "java"


def test_one_executor_is_one_node_and_nothing_is_tried_twice() -> None:
    attempt = an_attempt(workers=3, gpus_per_worker=2)
    conf = {**submit.shared(attempt), **submit.on_standalone(attempt)}

    assert conf["spark.cores.max"] == "3"
    assert conf["spark.executor.cores"] == conf["spark.task.cpus"] == "1"
    assert conf["spark.executor.resource.gpu.amount"] == conf["spark.task.resource.gpu.amount"] == "2"
    assert conf["spark.task.maxFailures"] == "1"
    assert conf["spark.executorEnv.GPUQ_ATTEMPT"] == "tok"


def test_a_job_without_gpus_asks_spark_for_none() -> None:
    conf = submit.shared(an_attempt(gpus_per_worker=0))

    assert not [name for name in conf if "resource.gpu" in name]


def test_nothing_of_the_users_words_is_in_the_command() -> None:
    words = submit.argv(
        an_attempt(),
        INSTALLATION,
        master="spark://m",
        conf=submit.shared(an_attempt()),
        properties=Path("/p"),
        spec=Path("/state/spec.json"),
    )

    assert not [word for word in words if "evil" in word or "\x1b" in word]
    assert words[-1] == "/state/spec.json"
    assert words[-2].endswith("gpuq_job/driver.py")


def test_the_environment_is_picked_not_inherited() -> None:
    outside = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "s", "PYTHONPATH": "/evil", "SPARK_HOME": "/other"}

    base = submit.base_environment(outside, INSTALLATION, "127.0.0.1")
    env = submit.driver_environment(an_attempt(), base, "127.0.0.1")

    assert env["PATH"] == "/bin"
    assert env["SPARK_HOME"] == "/opt/spark"
    assert env["GPUQ_ATTEMPT"] == "tok"
    assert "AWS_SECRET_ACCESS_KEY" not in env
    assert "/evil" not in env["PYTHONPATH"]


def test_a_scratch_folder_too_deep_for_sockets_is_refused() -> None:
    submit.check_scratch(Path("/" + "a" * 70))
    with pytest.raises(EngineError, match="too long for Unix sockets"):
        submit.check_scratch(Path("/" + "a" * 80))


@given(st.integers(1, 8), st.integers(0, 8))
def test_virtual_gpus_are_all_different_and_none_is_a_number(nodes: int, gpus_per_node: int) -> None:
    slots = gpus.slots("virtual", nodes, gpus_per_node)

    flat = [address for node in slots.addresses for address in node]
    assert [len(node) for node in slots.addresses] == [gpus_per_node] * nodes
    assert len(set(flat)) == nodes * gpus_per_node
    assert all(re.fullmatch(r"[a-z]+\d+", address) for address in flat)


def nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, rows: str) -> None:
    file = folder / "nvidia-smi"
    file.write_text(f"#!/bin/sh\nprintf '{rows}'\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_real_gpus_are_dealt_to_the_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, monkeypatch, "0, NVIDIA H200\\n1, NVIDIA H200\\n2, NVIDIA H200\\n")

    slots = gpus.slots("auto", 2, 1)

    assert slots == gpus.Slots(kind="NVIDIA H200", addresses=(("0",), ("1",)))
    assert gpus.slots("auto", 2, 2).kind == gpus.VIRTUAL
    assert gpus.slots("virtual", 1, 1).kind == gpus.VIRTUAL


def test_too_few_real_gpus_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, monkeypatch, "0, NVIDIA H200\\n")

    with pytest.raises(EngineError, match="2 GPUs are configured, but nvidia-smi shows 1"):
        gpus.slots("real", 2, 1)


def test_the_masters_page_is_read() -> None:
    page = master_page.parsed(
        {
            "workers": [{"state": state, "host": "a"} for state in ("ALIVE", "DEAD", "ALIVE")],
            "activeapps": [{"id": "app-1-0", "name": "gpuq-1-1-t"}],
        }
    )

    assert page.workers == 2
    assert page.applications == {"app-1-0": "gpuq-1-1-t"}


def test_nobody_on_the_port_is_no_page() -> None:
    assert master_page.fetch("127.0.0.1", 1) is None


def test_memory_is_the_smallest_of_machine_and_containers(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  8388608 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    (tmp_path / "cg/a/b").mkdir(parents=True)
    found: list[int] = []

    def look() -> None:
        found.append(memory.available_mib(proc=tmp_path / "proc", cgroups=tmp_path / "cg"))

    look()
    (tmp_path / "cg/a/b/memory.max").write_text("max\n")
    (tmp_path / "cg/a/b/memory.current").write_text("1\n")
    look()
    (tmp_path / "cg/a/memory.max").write_text(f"{3 << 30}\n")
    (tmp_path / "cg/a/memory.current").write_text(f"{2 << 30}\n")
    look()
    (tmp_path / "cg/a/memory.stat").write_text(f"anon 1\ninactive_file {1 << 30}\n")
    look()

    assert found == [8192, 8192, 1024, 2048]


def test_the_record_comes_back_and_is_private(tmp_path: Path) -> None:
    process = ProcessId(pid=1, start_time=2, boot_id="b")
    record = Record(
        asked=Asked(nodes=1, gpus_per_node=1, gpu_mode="auto", master_port=None, python="/p"),
        marker="m",
        slots=gpus.Slots(kind="k", addresses=(("virtual0",),)),
        master_port=1,
        ui_port=2,
        master=process,
        workers=(Worker(name="embedded-1", process=process),),
    )
    path = tmp_path / "engine.json"
    engine_record.write(path, record)

    assert engine_record.read(path) == record
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{")
    assert engine_record.read(path) is None
    assert engine_record.read(tmp_path / "none") is None
