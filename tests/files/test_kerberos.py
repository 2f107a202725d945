"""A real HDFS that wants Kerberos, with a real KDC beside it: read and written with a keytab, refused without."""

from __future__ import annotations

import base64
import ctypes.util
import itertools
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hdfs_native import Client, WriteOptions

from gpuq_daemon.check import check_log_uri
from gpuq_daemon.collectors.event_files import EventFileFollower
from gpuq_daemon.files.door import Door, path_of
from gpuq_daemon.files.found import FilesError
from gpuq_daemon.files.hdfs import LIST_EVERY_S, HdfsFiles
from gpuq_daemon.files.webhdfs import WebHdfs
from gpuq_daemon.findings import Level
from tests.eventfile.event_bytes import a_file, a_scalar
from tests.support.carrying import a_cargo, carrying
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.support.hadoop import Hadoop, running_hdfs

pytestmark = [
    pytest.mark.hadoop,
    pytest.mark.skipif(ctypes.util.find_library("gssapi_krb5") is None, reason="MIT's Kerberos library is not here"),
]

_WAITS = """
import os, time
def main_fun(args, ctx):
    while not os.path.exists(args[1]):
        time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def hdfs() -> Generator[Hadoop]:
    with running_hdfs(wants_tickets=True) as hadoop, pytest.MonkeyPatch.context() as patch:
        for name, value in {**hadoop.ticket_environment, "HADOOP_CONF_DIR": str(hadoop.conf)}.items():
            patch.setenv(name, value)
        hadoop.do("mkdir /logs")
        yield hadoop


@pytest.fixture
def door(hdfs: Hadoop) -> Generator[Door]:
    door = Door({"HADOOP_CONF_DIR": str(hdfs.conf)}, deadline_s=30.0)
    yield door
    door.close()


def follow(door: Door, uri: str) -> EventFileFollower:
    """Follow a folder that is listed anew with every look."""
    ticks = itertools.count(step=LIST_EVERY_S)
    return EventFileFollower(1, 1, HdfsFiles(door.hdfs(uri), path_of(uri), ticks=ticks.__next__), {})


def steps(follower: EventFileFollower) -> list[int]:
    return [p[0] for points in follower.poll().scalars.values() for p in points]


def scalars(*steps: int) -> bytes:
    return a_file(*(a_scalar("loss", step, float(step)) for step in steps))


def flush(hdfs: Hadoop, path: str, data: bytes) -> None:
    """Write as Java does, as the superuser, and leave the file open."""
    hdfs.do(f"write {path} {base64.b64encode(data).decode()}")


def last_step(daemon: Gpuqd, job_id: int) -> int | None:
    progress = daemon.client.job(job_id)["progress"]
    return None if progress is None else progress["step"]


def test_gpuqd_with_a_keytab_shows_what_is_flushed_there(hdfs: Hadoop, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with plain_gpuqd(more=f'log_uri = "{hdfs.uri}/logs"') as daemon:
        job_id = daemon.enqueue(_WAITS, args=[str(go)])
        path = f"/logs/{job_id}/1/events/rank-0/events.out.tfevents.1"
        flush(hdfs, path, scalars(1))
        until(lambda: last_step(daemon, job_id) == 1, timeout_s=90, what="step 1", log=daemon.folder / "gpuqd.log")

        flush(hdfs, path, scalars(2))

        until(lambda: last_step(daemon, job_id) == 2, timeout_s=90, what="step 2", log=daemon.folder / "gpuqd.log")
        assert daemon.client.job(job_id)["error"] is None
        go.touch()
        assert daemon.ended(job_id, timeout_s=60)["state"] == "COMPLETED"


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
def test_a_rank_with_a_ticket_carries_there(hdfs: Hadoop, door: Door, tmp_path: Path, scheme: str) -> None:
    authority = hdfs.uri.partition("://")[2] if scheme == "hdfs" else hdfs.settings["dfs.namenode.http-address"]
    cargo = a_cargo(tmp_path, f"{scheme}://{authority}/logs/by-{scheme}")
    follower = follow(door, f"{hdfs.uri}/logs/by-{scheme}/1/events")
    seen: list[int] = []

    with carrying(cargo):
        (Path(cargo.events) / "events.out.tfevents.1").write_bytes(scalars(1, 2))

        until(lambda: bool(seen.extend(steps(follower))) or seen == [1, 2], timeout_s=90, what="what is carried")

    assert {each.name for each in door.hdfs(hdfs.uri).list(f"/logs/by-{scheme}/1")} >= {"events"}


def test_a_name_node_that_began_anew_and_forgot_us_is_shown_a_ticket_again(hdfs: Hadoop, door: Door) -> None:
    path = "/logs/anew/events.out.tfevents.1"
    with Client(hdfs.uri, config_dir=str(hdfs.conf)).create(path, WriteOptions(create_parent=True)) as file:
        file.write(scalars(1))
    known = door.hdfs(hdfs.uri)
    before = known.read(path, 0, 1000)

    hdfs.do("stop-namenode")
    with pytest.raises(FilesError, match="do not answer"):
        known.status(path)
    hdfs.do("start-namenode")

    wrong: list[str] = []
    until(lambda: read_again(known, path, wrong) == scalars(1), timeout_s=90, what="an answer")
    until(lambda: known.trouble is None, timeout_s=90, what="the end of its safe mode")
    assert before == scalars(1)
    assert not [each for each in wrong if "for who it is" in each]


def read_again(hdfs: WebHdfs, path: str, wrong: list[str]) -> bytes | None:
    """Return what is in a file, None while the NameNode does not know yet where it is; add what was `wrong`."""
    try:
        return hdfs.read(path, 0, hdfs.status(path).length)
    except FilesError as error:
        wrong.append(str(error))
        return None


def test_without_a_ticket_it_is_refused_with_what_to_do(
    hdfs: Hadoop, door: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KRB5_CLIENT_KTNAME")
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")

    with pytest.raises(
        FilesError, match=r"wants Kerberos, and gpuqd has no ticket \(.+\): start gpuqd with KRB5_CLIENT"
    ):
        door.hdfs(hdfs.uri).list("/")
    found = check_log_uri(f"{hdfs.uri}/logs", os.environ)
    assert (found.level, "KRB5_CLIENT_KTNAME" in found.text) == (Level.FAIL, True)


def test_a_folder_that_the_principal_may_not_write_is_named(hdfs: Hadoop) -> None:
    hdfs.do("write /others/file aGVsbG8=")

    found = check_log_uri(f"{hdfs.uri}/others", os.environ)

    assert check_log_uri(f"{hdfs.uri}/logs", os.environ).level is Level.OK
    assert "gpuqd's Kerberos principal may not write into /others" in found.text
