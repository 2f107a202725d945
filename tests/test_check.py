"""`gpuqd check`: what is wrong with a configuration or a machine, each with its fix."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gpuq_daemon.check import (
    PINS,
    check,
    check_clock,
    check_files,
    check_log_uri,
    check_packages,
    check_partition,
    check_socket,
    check_state,
    hindrances,
    judge_packages,
    judge_space,
    lines,
)
from gpuq_daemon.config import Config
from gpuq_daemon.findings import Level
from gpuq_daemon.partitions import EmbeddedPartition

GOOD = {name: pin.removeprefix("==") if pin.startswith("==") else "81.0" for name, pin in PINS.items()}


def a_config(state: Path) -> Config:
    return Config(state_dir=str(state), partition={"a": EmbeddedPartition()})


def test_the_pins_are_those_that_are_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    extra = (re.fullmatch(r"([A-Za-z_-]+)(.*)", one) for one in project["project"]["optional-dependencies"]["job"])

    needed = {match[1]: match[2] for match in extra if match is not None}

    assert {name: needed[name] for name in PINS} == dict(PINS)


@pytest.mark.parametrize(
    ("versions", "level", "fix"),
    [
        (GOOD, Level.OK, ""),
        (GOOD | {"setuptools": "82.0.1"}, Level.FAIL, "py -m pip install 'setuptools<82'"),
        (GOOD | {"six": None}, Level.FAIL, "py -m pip install 'six'"),
        (GOOD | {"tensorflow": "2.20.0"}, Level.WARN, "py -m pip install 'tensorflow==2.21.0'"),
        ({}, Level.FAIL, "py -m pip install " + " ".join(f"'{name}{pin}'" for name, pin in PINS.items())),
    ],
)
def test_packages_that_do_not_work_together_are_named(versions: dict[str, str | None], level: Level, fix: str) -> None:
    found = judge_packages("py", versions)

    assert (found.level, found.fix) == (level, fix)


def test_a_python_that_does_not_run_fails() -> None:
    assert check_packages("/nowhere/python", {}).level is Level.FAIL


@pytest.mark.parametrize(("free", "level"), [(100, Level.FAIL), (1000, Level.WARN), (10_000, Level.OK)])
def test_little_room_is_said_before_it_is_none(free: int, level: Level) -> None:
    assert judge_space(Path("/"), free, least_mib=256).level is level


@pytest.mark.parametrize(("mode", "level"), [(0o700, Level.OK), (0o755, Level.OK), (0o770, Level.FAIL)])
def test_a_state_folder_is_closed_to_others_changes(tmp_path: Path, mode: int, level: Level) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    folder.chmod(mode)

    found = next(check_state(a_config(folder)))

    assert (found.level, found.fix) == (level, f"chmod 700 {folder}" if level is Level.FAIL else "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_state_folder_of_somebody_else_fails(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)

    assert next(check_state(a_config(tmp_path))).level is Level.FAIL


def test_a_state_folder_that_is_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")

    assert next(check_state(a_config(tmp_path / "s"))).level is Level.FAIL
    assert next(check_state(a_config(tmp_path / "new"))).level is Level.OK


def test_a_socket_that_answers_is_a_gpuqd_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert "is free" in check_socket(path).text
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert "answers" in check_socket(path).text
    path.unlink()
    path.write_text("")
    assert check_socket(path).level is Level.FAIL


def test_a_job_is_told_what_it_would_lack_each_with_its_fix(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("in the way")
    config = Config(state_dir=str(tmp_path), partition={"a": EmbeddedPartition()}, jobs_dir=str(tmp_path / "jobs"))
    (partition,) = config.partition

    found = dict(one.split(": ", 1) for one in hindrances(config, partition, {"PATH": "/nowhere"}))

    assert list(found) == ["java", "jobs_dir"]
    assert "-> install Java" in found["java"]
    assert "or set jobs_dir to a folder that gpuqd can write" in found["jobs_dir"]


def test_a_folder_that_files_are_carried_to_must_be_there_and_writable(tmp_path: Path) -> None:
    missing = check_log_uri((tmp_path / "logs").as_uri(), {})
    (tmp_path / "logs").write_text("in the way")

    assert missing.fix == f"mkdir -m 1777 {tmp_path}/logs"
    assert check_log_uri((tmp_path / "logs").as_uri(), {}).level is Level.FAIL
    assert check_log_uri(tmp_path.as_uri(), {}).level is Level.OK
    assert check_log_uri("hdfs://127.0.0.1:1/logs", {}).level is Level.FAIL
    assert [*tmp_path.iterdir()] == [tmp_path / "logs"]


def test_a_port_that_is_taken_fails_unless_gpuqd_has_it() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        partition = EmbeddedPartition(gpu="virtual", memory_floor_mib=0, master_port=port)

        assert [one.level for one in check_partition("a", partition, is_running=False)] == [Level.OK, Level.FAIL]
        assert [one.level for one in check_partition("a", partition, is_running=True)] == [Level.OK]


def test_memory_that_no_machine_has_and_gpus_that_this_one_lacks_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # no nvidia-smi
    partition = EmbeddedPartition(gpu="real", memory_floor_mib=2**40)

    found = list(check_partition("a", partition, is_running=False))

    assert [one.level for one in found] == [Level.FAIL, Level.FAIL]
    assert all("[partition.a]" in one.fix for one in found)


def test_files_and_clock_are_warned_of() -> None:
    assert [check_files(1024).level, check_files(65_536).level] == [Level.WARN, Level.OK]
    assert [check_clock(one).level for one in (True, False, None)] == [Level.OK, Level.WARN, Level.OK]


def test_a_wrong_configuration_is_the_one_finding(tmp_path: Path) -> None:
    file = tmp_path / "gpuqd.toml"
    file.write_text('state_dir = "/s"\nstate_dri = 1\n[partition.a]\nengine = "embedded"\n')

    [found] = check(file, {})

    assert found.level is Level.FAIL
    assert "state_dri" in lines((found,))[0]


def test_the_command_says_a_line_a_finding_and_exits_by_them(tmp_path: Path) -> None:
    file = tmp_path / "gpuqd.toml"
    file.write_text(
        f'state_dir = "{tmp_path}/s"\nscratch_dir = "{tmp_path}/t"\nsocket = "{tmp_path}/x"\n'
        '[partition.a]\nengine = "embedded"\ngpu = "virtual"\nmemory_floor_mib = 0\n'
    )
    command = [sys.executable, "-m", "gpuq_daemon", "check", "--config", str(file)]

    text = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    data = json.loads(subprocess.run([*command, "--json"], capture_output=True, timeout=120, check=False).stdout)

    assert [line.split()[0] for line in text.stdout.splitlines()] == [one["level"] for one in data]
    assert text.returncode == any(one["level"] == "fail" for one in data)
    assert {"configuration", "java", "packages", "state_dir", "disk", "clock"} <= {one["name"] for one in data}
