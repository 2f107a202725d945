"""The door on a real HDFS: a file is followed while it is written, and whatever happens to it is told by name."""

from __future__ import annotations

import base64
import contextlib
import itertools
from collections.abc import Generator
from pathlib import Path

import pytest
from hdfs_native import Client, WriteOptions

from gpuq_daemon.check import check_log_uri
from gpuq_daemon.collectors.event_files import EventFileFollower
from gpuq_daemon.files.door import Door
from gpuq_daemon.files.found import FilesError
from gpuq_daemon.files.hdfs import LIST_EVERY_S, HdfsFiles
from gpuq_daemon.findings import Level
from gpuq_daemon.series.points import Batch
from tests.eventfile.event_bytes import a_file, a_scalar
from tests.support.carrying import a_cargo, carrying
from tests.support.daemon import until
from tests.support.hadoop import Hadoop, running_hdfs

pytestmark = pytest.mark.hadoop


@pytest.fixture
def client(hdfs: Hadoop) -> Client:
    return Client(hdfs.uri, config_dir=str(hdfs.conf))


@pytest.fixture(scope="module")
def door(hdfs: Hadoop) -> Generator[Door]:
    door = Door({"HADOOP_CONF_DIR": str(hdfs.conf)}, deadline_s=2.0)
    yield door
    door.close()


def follow(door: Door, uri: str) -> EventFileFollower:
    """Follow a folder that is listed anew with every look."""
    ticks = itertools.count(step=LIST_EVERY_S)
    return EventFileFollower(1, 1, HdfsFiles(door.hdfs(uri), uri.removeprefix(uri_root(uri)), ticks=ticks.__next__), {})


def uri_root(uri: str) -> str:
    return "/".join(uri.split("/")[:3])


def steps(*batches: Batch) -> list[int]:
    return [p[0] for batch in batches for points in batch.scalars.values() for p in points]


def scalars(first: int, count: int) -> bytes:
    return a_file(*(a_scalar("loss", step, float(step)) for step in range(first, first + count)))


def flush(hdfs: Hadoop, path: str, data: bytes) -> None:
    """Write as Java does, and leave the file open."""
    hdfs.do(f"write {path} {base64.b64encode(data).decode()}")


def test_what_is_flushed_is_seen_while_the_name_node_lists_the_old_length(hdfs: Hadoop, door: Door) -> None:
    path = "/open/rank-0/events.out.tfevents.1"
    follower = follow(door, f"{hdfs.uri}/open")
    flush(hdfs, path, scalars(1, 2))
    first = steps(follower.poll())
    listed = door.hdfs(hdfs.uri).status(path).length

    flush(hdfs, path, scalars(3, 2))

    assert door.hdfs(hdfs.uri).status(path).length == listed
    assert (first, steps(follower.poll())) == ([1, 2], [3, 4])
    hdfs.do(f"close {path}")
    assert steps(follower.poll()) == []


def test_a_file_that_is_appended_to_after_its_end_is_read_on(hdfs: Hadoop, door: Door, client: Client) -> None:
    path = "/append/rank-0/events.out.tfevents.1"
    data = scalars(1, 4)
    with client.create(path, WriteOptions(create_parent=True)) as file:
        file.write(data[:70])
    follower = follow(door, f"{hdfs.uri}/append")
    before = steps(follower.poll())

    with client.append(path) as file:
        file.write(data[70:])

    assert before + steps(follower.poll()) == [1, 2, 3, 4]


def test_a_file_in_the_place_of_another_is_read_from_its_start_and_a_deleted_one_keeps_its_points(
    hdfs: Hadoop, door: Door, client: Client
) -> None:
    path = "/rotate/rank-0/events.out.tfevents.1"
    options = WriteOptions(create_parent=True, overwrite=True)
    with client.create(path, options) as file:
        file.write(scalars(1, 3))
    follower = follow(door, f"{hdfs.uri}/rotate")
    before = steps(follower.poll())

    with client.create(path, options) as file:
        file.write(scalars(7, 1))
    replaced = steps(follower.poll())
    client.delete("/rotate/rank-0", recursive=True)

    assert (before, replaced) == ([1, 2, 3], [7])
    assert follower.poll().is_empty


def test_a_data_node_that_begins_anew_is_told_by_name_and_loses_nothing(hdfs: Hadoop, door: Door) -> None:
    path = "/restart/rank-0/events.out.tfevents.1"
    follower = follow(door, f"{hdfs.uri}/restart")
    flush(hdfs, path, scalars(1, 2))
    seen = steps(follower.poll())

    hdfs.do("stop-datanode")
    flushed_later = scalars(3, 1)
    with pytest.raises(FilesError, match=r"DataNode 127.0.0.1:\d+ does not answer"):
        follower.poll()
    hdfs.do("start-datanode")

    said = set[bool]()

    def caught_up() -> bool:
        try:
            seen.extend(steps(follower.poll()))
        except FilesError as error:
            said.add("DataNode" in str(error))
            return False
        return seen == [1, 2, 3]

    until(lambda: _is_done(hdfs, path, flushed_later), timeout_s=90, what="a write after the restart")
    until(caught_up, timeout_s=90, what="what was written after the restart")
    assert False not in said


def _is_done(hdfs: Hadoop, path: str, data: bytes) -> bool:
    """Have the rest written by a writer that begins anew, as soon as the file's lease is free."""
    client = Client(hdfs.uri, config_dir=str(hdfs.conf))
    if not client.recover_lease(path):
        return False
    with client.append(path) as file:
        file.write(data)
    return True


def test_in_safe_mode_files_are_read_and_a_write_is_refused_by_name(hdfs: Hadoop, door: Door) -> None:
    path = "/safe/rank-0/events.out.tfevents.1"
    follower = follow(door, f"{hdfs.uri}/safe")
    flush(hdfs, path, scalars(1, 1))
    hdfs.do("enter-safe-mode")

    assert steps(follower.poll()) == [1]
    until(lambda: door.hdfs(hdfs.uri).trouble is not None, timeout_s=60, what="the trouble of whoever writes")
    with pytest.raises(FilesError, match="is in safe mode: it can be read, nothing can be written"):
        door.hdfs(hdfs.uri).delete("/safe")
    assert check_log_uri(f"{hdfs.uri}/safe", {"HADOOP_CONF_DIR": str(hdfs.conf)}).level is Level.FAIL
    hdfs.do("leave-safe-mode")
    until(lambda: door.hdfs(hdfs.uri).trouble is None, timeout_s=60, what="nothing of that any more")


def test_a_log_uri_is_looked_at_before_jobs_need_it(hdfs: Hadoop, client: Client) -> None:
    environment = {"HADOOP_CONF_DIR": str(hdfs.conf)}
    client.mkdirs("/logs-here", 0o777, create_parent=True)
    client.mkdirs("/logs-not-mine", 0o700, create_parent=True)
    client.set_owner("/logs-not-mine", "somebody", "else")

    there = check_log_uri(f"{hdfs.uri}/logs-here", environment)
    missing = check_log_uri(f"{hdfs.uri}/no/logs", environment)
    closed = check_log_uri(f"{hdfs.uri}/logs-not-mine", {**environment, "HADOOP_USER_NAME": "ann"})

    assert there.level is Level.OK
    assert missing.fix == "hdfs dfs -mkdir -p /no/logs && hdfs dfs -chmod 1777 /no/logs"
    assert "ann may not write into /logs-not-mine" in closed.text


def test_an_hdfs_that_hangs_is_given_up_in_time_and_then_refused_at_once(hdfs: Hadoop, door: Door) -> None:
    lane = door.lane(f"{hdfs.uri}/hang")
    follower = follow(door, f"{hdfs.uri}/hang")
    with hdfs.standing_still():
        first = lane.submit(follower.poll)
        with pytest.raises(FilesError, match="do not answer"):
            first.result(timeout=60)
        with pytest.raises(FilesError, match="do not answer"):
            lane.submit(follower.poll)
        assert lane.trouble is not None

    until(lambda: _goes(lane.submit, follower), timeout_s=60, what="an answer")
    assert lane.trouble is None


def _goes(submit: object, follower: EventFileFollower) -> bool:
    try:
        submit(follower.poll).result(timeout=60)  # type: ignore[operator]
    except FilesError:
        return False
    return True


def test_a_name_node_that_dies_is_followed_to_the_one_that_takes_over(tmp_path: Path) -> None:
    cargo = a_cargo(tmp_path, "hdfs://tests/carried")
    file = Path(cargo.events) / "events.out.tfevents.1"
    with running_hdfs(name_nodes=2) as pair, carrying(cargo, HADOOP_CONF_DIR=str(pair.conf)):
        door = Door({"HADOOP_CONF_DIR": str(pair.conf)}, deadline_s=10.0)
        path = "/ha/rank-0/events.out.tfevents.1"
        follower = follow(door, f"{pair.uri}/ha")
        flush(pair, path, scalars(1, 2))
        before = steps(follower.poll())
        carried = follow(door, f"{pair.uri}/carried/1/events")
        file.write_bytes(scalars(1, 1))
        arrived: list[int] = []
        until(lambda: _extended(arrived, carried) == [1], timeout_s=90, what="what the carrier carries")

        pair.do("fail-over")
        flush(pair, path, scalars(3, 2))
        with file.open("ab") as opened:
            opened.write(scalars(2, 1))

        after: list[int] = []
        until(lambda: _extended(after, follower) == [3, 4], timeout_s=90, what="the steps after the fail-over")
        until(lambda: _extended(arrived, carried) == [1, 2], timeout_s=90, what="what is carried after the fail-over")
        assert before == [1, 2]
        door.close()


def _extended(seen: list[int], follower: EventFileFollower) -> list[int]:
    with contextlib.suppress(FilesError):
        seen += steps(follower.poll())
    return seen
