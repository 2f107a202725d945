"""A site's program beside a rank: what it is told, how it may fail, and that nothing of it is left. Real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpuq_job.node_hooks import NodeHook, failure
from tests.support.daemon import until


def a_hook(folder: Path, script: str, *, mode: int = 0o755, timeout_s: float = 30.0) -> NodeHook:
    path = folder / "hook"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return NodeHook(name="prolog", path=str(path), timeout_s=timeout_s)


def test_it_is_told_of_its_job_and_its_gpus_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setenv("SECRET", "x")

    assert failure(a_hook(tmp_path, f"env > {tmp_path}/said; pwd >> {tmp_path}/said"), {"GPUQ_JOB_ID": "7"}) is None

    *words, folder = (tmp_path / "said").read_text().splitlines()
    told = dict(word.split("=", 1) for word in words)
    assert (told["GPUQ_JOB_ID"], told["CUDA_VISIBLE_DEVICES"], folder) == ("7", "2,3", "/")
    assert told["GPUQ_SCRIPT_CONTEXT"] == "node_prolog"
    assert "SECRET" not in told


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo first; echo 'scratch is full'; exit 3", "ended with exit code 3: scratch is full."),
        ("kill -9 $$", "ended with signal 9."),
        ("yes | head -c 10000000; exit 1", "ended with exit code 1: y."),
        ("echo why; exec >&- 2>&-; sleep 0.2; exit 1", "ended with exit code 1: why."),
        ("setsid yes & sleep 0.2; exit 1", "ended with exit code 1: y."),
    ],
)
def test_how_it_failed_is_told_with_its_last_line(tmp_path: Path, script: str, says: str) -> None:
    hook = a_hook(tmp_path, script)

    assert failure(hook, {}) == f"The node prolog {hook.path} {says}"


@pytest.mark.parametrize(
    ("mode", "says"), [(0o775, "others than its owner may write"), (0o757, "others than"), (0o644, "Permission denied")]
)
def test_what_others_may_write_or_nobody_may_run_is_not_run(tmp_path: Path, mode: int, says: str) -> None:
    said = failure(a_hook(tmp_path, f"touch {tmp_path}/ran", mode=mode), {})

    assert said is not None
    assert says in said
    assert not (tmp_path / "ran").exists()


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    hook = NodeHook(name="epilog", path=str(tmp_path / "none"), timeout_s=1.0)

    assert failure(hook, {}) == f"The node epilog {hook.path} could not be run: No such file or directory."


def test_nothing_is_left_of_one_that_takes_too_long(tmp_path: Path) -> None:
    hook = a_hook(tmp_path, f"sleep 600 & echo $! > {tmp_path}/child; wait", timeout_s=1.0)

    assert failure(hook, {}) == f"The node prolog {hook.path} did not end within 1 s."
    child = int((tmp_path / "child").read_text())
    until(lambda: not os.path.exists(f"/proc/{child}"), timeout_s=10, what="nothing left")


def test_what_it_says_takes_no_room_on_a_disk_that_may_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no room"))

    said = failure(a_hook(tmp_path, "echo 'scratch is full'; exit 3"), {})

    assert said is not None
    assert said.endswith("ended with exit code 3: scratch is full.")


def test_one_that_talks_without_end_is_ended_in_time(tmp_path: Path) -> None:
    hook = a_hook(tmp_path, "exec yes", timeout_s=0.5)

    assert failure(hook, {}) == f"The node prolog {hook.path} did not end within 0.5 s."
