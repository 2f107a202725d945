"""A job whose files are on HDFS: all that gpuq shows of a job, it shows from there."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hdfs_native import Client, WriteOptions

from gpuq.cli import main
from gpuq.errors import GpuqError
from gpuq.mirror import Mirror
from tests.eventfile.event_bytes import a_file, a_scalar
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.support.hadoop import Hadoop

pytestmark = pytest.mark.hadoop

_KEPT = Path(__file__).parent / "data"
_NOTES = next((_KEPT / "events" / "notes" / "2").iterdir()).read_bytes()
_CHECKPOINT = _KEPT / "checkpoints" / "keras"
_WAITS = """
import os, time
def main_fun(args, ctx):
    while not os.path.exists(args[1]):
        time.sleep(0.05)
"""


@dataclass
class Course:
    """A gpuqd, and its job 1 that writes on HDFS: its event file is open there, and has two steps so far.

    `written` is how many bytes were flushed to it.
    """

    hdfs: Hadoop
    daemon: Gpuqd
    path: str
    written: int = 0

    def writes(self, data: bytes) -> None:
        """Flush more into the event file, and leave it open."""
        self.hdfs.do(f"write {self.path} {base64.b64encode(data).decode()}")
        self.written += len(data)


@pytest.fixture(scope="module")
def course(hdfs: Hadoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    go = tmp_path_factory.mktemp("course") / "go"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HADOOP_CONF_DIR", str(hdfs.conf))
        files = Client(hdfs.uri, config_dir=str(hdfs.conf))
        with plain_gpuqd(more=f'log_uri = "{hdfs.uri}/course"') as daemon:
            patch.setenv("GPUQ_SOCKET", str(daemon.folder / "gpuqd.sock"))
            patch.setenv("LC_ALL", "C.UTF-8")
            job_id = daemon.enqueue(_WAITS, args=[str(go)])
            for file in _CHECKPOINT.iterdir():
                with files.create(f"/course/{job_id}/checkpoints/{file.name}", WriteOptions(create_parent=True)) as out:
                    out.write(file.read_bytes())
            course = Course(hdfs, daemon, f"/course/{job_id}/1/events/rank-0/train/events.out.tfevents.1")
            course.writes(_NOTES + a_file(a_scalar("accuracy", 1, 0.5), a_scalar("accuracy", 2, 0.75)))
            until(lambda: last_step(daemon) == 2, timeout_s=60, what="step 2")
            yield course
            go.touch()
            daemon.ended(job_id, timeout_s=60)


def last_step(daemon: Gpuqd) -> int | None:
    return newest(daemon, "accuracy")


def newest(daemon: Gpuqd, tag: str) -> int | None:
    return next((one["last_step"] for one in daemon.client.series(1) if one["tag"] == tag), None)


def test_a_job_tells_where_its_files_are_and_what_they_say(course: Course, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(("show", "1")) == 0
    shown = capfd.readouterr().out
    assert main(("report", "1", "--ascii")) == 0
    report = capfd.readouterr().out

    assert f"{course.hdfs.uri}/course/1" in shown
    assert "optimizer = adam" in shown
    assert "accuracy" in report


def test_a_point_is_shown_while_the_name_node_lists_an_old_length(
    course: Course, capfd: pytest.CaptureFixture[str]
) -> None:
    files = Client(course.hdfs.uri, config_dir=os.environ["HADOOP_CONF_DIR"])
    before = last_step(course.daemon)
    written = course.written
    course.writes(a_file(a_scalar("stale", 7, 0.125)))

    until(lambda: newest(course.daemon, "stale") == 7, timeout_s=60, what="the point in the API")
    assert main(("plot", "1", "stale", "--once", "--csv")) == 0
    listed = files.get_file_info(course.path).length

    print(f"{course.path}: {course.written} bytes are flushed, {written} before; HDFS lists {listed}")
    assert listed < course.written
    assert "0.125" in capfd.readouterr().out
    assert last_step(course.daemon) == before


def test_pictures_points_and_weights_come_from_there(
    course: Course, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    client = course.daemon.client
    assert main(("export", "1", "digits", "--pictures", "-o", str(tmp_path))) == 0
    assert main(("export", "1", "-o", str(tmp_path / "points.csv"), "--format", "csv")) == 0
    capfd.readouterr()
    names = {each["name"] for each in client.checkpoints(1)}
    weights = client.checkpoint(1)["weights"]

    assert {file.read_bytes()[:4] for file in tmp_path.glob("*.png")} == {b"\x89PNG"}
    assert (tmp_path / "points.csv").read_text().count("accuracy") == 2
    assert {"ckpt-1", "ckpt-20"} <= names
    assert client.distribution(1, weights[0]["name"], at=None, minus=None, bins=4)["count"] > 0


def test_event_files_are_copied_as_they_grow_and_no_further_than_is_allowed(course: Course, tmp_path: Path) -> None:
    mirror = Mirror(course.daemon.client, 1, str(tmp_path))
    first = mirror.catch_up()
    more = a_file(a_scalar("accuracy", 3, 0.875))
    course.writes(more)
    until(lambda: last_step(course.daemon) == 3, timeout_s=60, what="step 3")

    later = mirror.catch_up()

    (copy,) = tmp_path.rglob("events.out.tfevents.*")
    assert copy.relative_to(tmp_path).parts[:3] == ("attempt-1", "rank-0", "train")
    assert (later, copy.stat().st_size) == (len(more), first + later)
    assert copy.read_bytes().startswith(_NOTES)
    with pytest.raises(GpuqError, match="are copied at most"):
        Mirror(course.daemon.client, 1, str(tmp_path / "small")).catch_up(most=1000)


def test_a_safe_mode_that_keeps_its_ranks_from_writing_is_told_while_it_lasts(course: Course) -> None:
    course.hdfs.do("enter-safe-mode")
    until(lambda: "is in safe mode" in str(course.daemon.client.job(1)["error"]), timeout_s=60, what="its name")

    course.hdfs.do("leave-safe-mode")
    until(lambda: course.daemon.client.job(1)["error"] is None, timeout_s=60, what="that it is over")


@pytest.mark.long
def test_tensorboard_opens_on_it_and_leaves_nothing_behind(course: Course, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [str(Path(sys.executable).parent / "gpuq"), "tensorboard", "1", "--port", str(port)]
    with subprocess.Popen(words, env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)}) as gpuq:
        found: dict[str, object] = {}

        def answers() -> bool:
            try:
                address = f"http://127.0.0.1:{port}/data/plugin/scalars/tags"
                with urllib.request.urlopen(address, timeout=5) as answer:
                    found.update(json.load(answer))
            except OSError:
                return False
            return bool(found)

        try:
            until(answers, timeout_s=200, what="its runs")
        finally:
            gpuq.send_signal(signal.SIGTERM)
        assert gpuq.wait(30) == 143

    assert [*found] == ["attempt-1/rank-0/train"]
    assert not [*(tmp_path / "gpuq" / "mirrors").iterdir()]
