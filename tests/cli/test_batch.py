"""Many lines of gpuq from a file: all are looked at before one is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuq.models import JobState
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, Problem, a_job


def test_lines_are_run_in_their_order_up_to_the_first_that_fails(
    daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path
) -> None:
    file = tmp_path / "lines"
    file.write_text("# at night\ngpuq hold 12   # first\n\nrelease 13\nhold 14\n")
    daemon.answers |= {
        "POST /v1/jobs/12/hold": a_job(),
        "POST /v1/jobs/13/release": Problem(403, "Job 13 belongs to bob."),
        "POST /v1/jobs/14/hold": a_job(id=14),
    }

    stopped = gpuq("admin", "batch", str(file))
    paths = [path for method, path, _, _ in daemon.asked if method == "POST"]
    went_on = gpuq("admin", "batch", "-k", str(file))

    assert (stopped.code, went_on.code) == (4, 4)
    assert paths == ["/v1/jobs/12/hold", "/v1/jobs/13/release"]
    assert "Stopped at line 4: 1 more were not run" in stopped.err
    assert "Job 14" in went_on.out


@pytest.mark.parametrize(
    "line",
    [
        "admin batch x",
        "gpuq --version",
        "frobnicate",
        "hold --colour",
        "admin",
        "admin account",
        "admin account add",
        "hold 'x",
        "top --help",
    ],
)
def test_one_line_that_is_none_keeps_all_from_being_run(
    daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "lines"
    file.write_text(f"hold 12\n{line}\n")

    done = gpuq("admin", "batch", str(file))

    assert done.code == 2
    assert "line 2" in done.err
    assert done.err.count("\n") == 1
    assert daemon.asked == []


def test_a_dry_run_says_each_line_and_runs_none(daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("gpuq admin account add 'a b'\nhold 12\n")

    done = gpuq("admin", "batch", "--dry-run", str(file))

    assert done.out.splitlines() == ["line 1: gpuq admin account add 'a b'", "line 2: gpuq hold 12"]
    assert daemon.asked == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (1024 * 1024 + 1), None])
def test_a_file_that_is_none_is_refused(gpuq: Gpuq, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "lines"
    if content is not None:
        file.write_bytes(content)

    done = gpuq("admin", "batch", str(file))

    assert (done.code, done.err.count("\n")) == (2, 1)


def test_priorities_of_all_that_wait_are_listed_the_highest_first(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    jobs = [
        a_job(id=3, priority=10, user="ann"),
        a_job(id=4, priority=30, user="bob"),
        a_job(id=5, priority=None, is_top=True),
        a_job(id=6, state=JobState.RUNNING),
    ]
    daemon.answers["GET /v1/jobs"] = {"jobs": jobs}

    lines = gpuq("prio").out.splitlines()

    assert [line.split()[0] for line in lines] == ["JOB", "5", "4", "3"]
    assert [line.split()[0] for line in gpuq("prio", "user=ann").out.splitlines()] == ["JOB", "3"]
