"""What a job's own part does while the disk is full: it goes on, and what must be said is said when there is room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuq_daemon import shim
from gpuq_job.reports import Reports
from tests.support.daemon import until
from tests.support.disk import filled, small_disk


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    with small_disk(mib=2) as folder:
        yield folder


def launched(folder: Path, code: str) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    launch = folder / "launch.json"
    argv = [sys.executable, "-I", "-S", "-c", code]
    if not launch.exists():
        launch.write_text(json.dumps({"argv": argv, "env": {}, "cwd": "/", "grace_s": 0.1}))
    return subprocess.Popen([sys.executable, "-I", "-S", shim.__file__, str(launch)], start_new_session=True)


def test_a_report_waits_for_room_and_no_line_is_broken(disk: Path) -> None:
    reports = Reports(disk / "reports.jsonl")
    said = [{"kind": "outcome", "exit_code": n, "tail": ["x" * 3000]} for n in range(20)]

    def say() -> None:
        for one in said:
            reports.add(one)

    with filled(disk):
        saying = threading.Thread(target=say)
        saying.start()
        saying.join(0.3)
        assert saying.is_alive()
    saying.join(20)

    lines = (disk / "reports.jsonl").read_text().splitlines()
    assert [json.loads(line)["exit_code"] for line in lines] == list(range(20))


def test_a_training_is_not_ended_by_its_own_log(disk: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from gpuq_job.rank_log import printed_to
with printed_to(Path({str(disk)!r}) / "rank.log"):
    for _ in range(1000):
        print("x" * 4096)
        sys.stderr.write("y" * 4096)
print("went on")
"""
    with filled(disk, leaving=100_000):
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (run.stdout, run.stderr) == ("went on\n", "")
    assert 0 < (disk / "rank.log").stat().st_size <= 104_000
    (disk / "rank.log").unlink()


def test_without_room_nothing_is_claimed_and_with_room_it_is_started_once(disk: Path) -> None:
    folder = disk / "late"
    code = f"open({str(disk / 'starts')!r}, 'a').write('x')"
    launched(folder, code).wait(20)
    for name in os.listdir(folder):
        if name != "launch.json":
            (folder / name).unlink()
    (disk / "starts").unlink()
    with filled(disk):
        assert [launched(folder, code).wait(20) for _ in range(3)] == [shim.NO_ROOM] * 3
        assert sorted(os.listdir(folder)) == ["launch.json"]

    assert launched(folder, code).wait(20) == 0
    assert launched(folder, code).wait(20) == shim.ALREADY_CLAIMED
    assert (disk / "starts").read_text() == "x"


def test_an_end_is_written_though_the_disk_is_full(disk: Path, tmp_path: Path) -> None:
    folder, go = disk / "end", tmp_path / "go"
    code = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)\nraise SystemExit(7)"
    with launched(folder, code) as leader:
        until((folder / "claim").exists, timeout_s=20, what="the claim")
        with filled(disk):
            go.touch()
            assert leader.wait(20) == 0
            ended = json.loads((folder / "exit.json").read_text())

    assert ended["exit_code"] == 7
    assert sorted(os.listdir(folder)) == ["claim", "driver.log", "exit.json", "launch.json"]
