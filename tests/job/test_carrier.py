"""The carrier beside a rank: what the rank writes arrives, whole, and whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpuq_daemon.files.door import Door, path_of
from gpuq_daemon.files.found import FilesError
from gpuq_job.carrier import Cargo
from tests.support.carrying import a_cargo, argv, carrying
from tests.support.daemon import until
from tests.support.hadoop import Hadoop

_TROUBLES = (
    ("stop-datanode", "start-datanode"),
    ("enter-safe-mode", "leave-safe-mode"),
)
EVENTS = "events.out.tfevents.1"


def bring_back(cargo: Cargo, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv(cargo, "bring-back"), env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


def has(path: Path, data: bytes) -> bool:
    return path.exists() and path.read_bytes() == data


def test_what_a_rank_writes_arrives_while_it_runs(tmp_path: Path) -> None:
    there = tmp_path / "there"
    cargo = a_cargo(tmp_path / "here", there.as_uri())
    file = Path(cargo.events) / "train" / EVENTS
    with carrying(cargo):
        file.write_bytes(b"one")
        until(lambda: has(there / "1/events/rank-0/train" / EVENTS, b"one"), timeout_s=60, what="the first bytes")

        with file.open("ab") as opened:
            opened.write(b" two")

        until(lambda: has(there / "1/events/rank-0/train" / EVENTS, b"one two"), timeout_s=60, what="the next bytes")
        Path(cargo.log).write_text("the last words")
        Path(cargo.log).with_suffix(".streams").write_bytes(b"12345678")
    assert (there / "1/logs/rank-0.streams").read_bytes() == b"12345678"
    assert (there / "1/logs/rank-0.log").read_text() == "the last words"


def test_a_rank_that_is_killed_has_its_last_bytes_carried(tmp_path: Path) -> None:
    there = tmp_path / "there"
    cargo = a_cargo(tmp_path / "here", there.as_uri())
    rank = (
        "import subprocess, sys, time\n"
        "carrier = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE, start_new_session=True)\n"
        "print(carrier.pid, flush=True)\n"
        "open(sys.argv[1], 'w').write(sys.argv[2])\n"
        "print('written', flush=True)\n"
        "time.sleep(600)\n"
    )
    words = [sys.executable, "-c", rank, str(Path(cargo.events) / EVENTS), "the last", *argv(cargo)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()

        process.send_signal(signal.SIGKILL)

        until(lambda: has(there / "1/events/rank-0" / EVENTS, b"the last"), timeout_s=60, what="the last bytes")


def test_a_carrier_goes_on_where_the_far_file_ends(tmp_path: Path) -> None:
    there = tmp_path / "there"
    cargo = a_cargo(tmp_path / "here", there.as_uri())
    far = there / "1/events/rank-0" / EVENTS
    far.parent.mkdir(parents=True)
    far.write_bytes(b"0123")
    (Path(cargo.events) / EVENTS).write_bytes(b"0123456789")

    with carrying(cargo):
        pass

    assert far.read_bytes() == b"0123456789"


def test_checkpoints_are_carried_and_removed_as_here_and_brought_back_where_they_are_missing(tmp_path: Path) -> None:
    there = tmp_path / "there"
    cargo = a_cargo(tmp_path / "here", there.as_uri())
    here = Path(cargo.checkpoints)
    with carrying(cargo):
        (here / "ckpt-1.index").write_bytes(b"old")
        until(lambda: has(there / "checkpoints/ckpt-1.index", b"old"), timeout_s=60, what="a checkpoint")
        (here / "deep").mkdir()
        (here / "deep" / "ckpt-2.data-00000-of-00001").write_bytes(b"x" * 3_000_000)
        (here / "ckpt-1.index").unlink()
    assert not (there / "checkpoints/ckpt-1.index").exists()
    elsewhere = a_cargo(tmp_path / "elsewhere", there.as_uri(), is_later=True)

    assert bring_back(elsewhere).returncode == 0

    assert has(Path(elsewhere.checkpoints) / "deep/ckpt-2.data-00000-of-00001", b"x" * 3_000_000)


def test_a_checkpoint_that_was_damaged_over_there_is_not_brought_back(tmp_path: Path) -> None:
    there = tmp_path / "there"
    cargo = a_cargo(tmp_path / "here", there.as_uri())
    (Path(cargo.checkpoints) / "a.keras").write_bytes(b"whole")
    with carrying(cargo):
        pass
    (there / "checkpoints/a.keras").write_bytes(b"w?ole")
    elsewhere = a_cargo(tmp_path / "elsewhere", there.as_uri(), is_later=True)

    done = bring_back(elsewhere)

    assert (done.returncode, "not as it was carried" in done.stderr) == (1, True)
    assert not (Path(elsewhere.checkpoints) / "a.keras").exists()


@pytest.mark.hadoop
@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
def test_training_goes_on_while_hdfs_fails_and_nothing_is_lost(tmp_path: Path, hdfs: Hadoop, scheme: str) -> None:
    web = f"webhdfs://{hdfs.settings['dfs.namenode.http-address']}"
    uri = f"{hdfs.uri if scheme == 'hdfs' else web}/{scheme}/1"
    door = Door({"HADOOP_CONF_DIR": str(hdfs.conf)})
    cargo = a_cargo(tmp_path, uri)
    (Path(cargo.checkpoints) / "deep").mkdir()
    (Path(cargo.checkpoints) / "deep" / "ckpt-1.index").write_bytes(b"checkpoint")
    file = Path(cargo.events) / EVENTS
    file.write_bytes(b"before ")
    far = f"{path_of(uri)}/1/events/rank-0/{EVENTS}"

    def arrived(data: bytes) -> bool:
        try:
            return door.hdfs(uri).read(far, 0, 1000) == data
        except (OSError, FilesError):
            return False

    with carrying(cargo, HADOOP_CONF_DIR=str(hdfs.conf)):
        until(lambda: arrived(b"before "), timeout_s=90, what="the first bytes")
        for trouble, end in _TROUBLES:
            hdfs.do(trouble)
            with file.open("ab") as opened:
                opened.write(b"meanwhile ")
            hdfs.do(end)
        until(lambda: arrived(b"before " + b"meanwhile " * len(_TROUBLES)), timeout_s=120, what="all that was written")

    assert door.hdfs(uri).read(f"{path_of(uri)}/checkpoints/deep/ckpt-1.index", 0, 100) == b"checkpoint"
    door.close()
