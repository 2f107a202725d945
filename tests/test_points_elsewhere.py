"""gpuqd beside an HDFS that hangs: told by name, waited for by nobody, and caught up with later."""

from __future__ import annotations

from pathlib import Path

import pytest
from hdfs_native import Client, WriteOptions

from gpuq_daemon.files.door import Door
from gpuq_daemon.files.webhdfs import WebHdfs
from tests.eventfile.event_bytes import a_file, a_scalar
from tests.support.age import grown_older, keeps
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.support.hadoop import running_hdfs

pytestmark = [
    pytest.mark.hadoop,
    pytest.mark.long,
]

WAITS = """
import os, time
def main_fun(args, ctx):
    while len(args) > 1 and not os.path.exists(args[1]):
        time.sleep(0.05)
"""


def test_an_hdfs_that_hangs_is_named_holds_up_nobody_is_read_later_and_keeps_nothing_that_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    with running_hdfs() as hdfs:
        monkeypatch.setenv("HADOOP_CONF_DIR", str(hdfs.conf))
        files = Client(hdfs.uri, config_dir=str(hdfs.conf))
        with plain_gpuqd(more=f'log_uri = "{hdfs.uri}/logs"') as daemon:
            job_id = daemon.enqueue(WAITS, args=[str(go)])
            path = f"/logs/{job_id}/1/events/rank-0/events.out.tfevents.1"
            with files.create(path, WriteOptions(create_parent=True)) as file:
                file.write(a_file(a_scalar("loss", 1, 0.5)))
            until(lambda: step(daemon, job_id) == 1, timeout_s=60, what="step 1")

            with hdfs.standing_still():
                named = f"{hdfs.uri}: its NameNode"
                until(lambda: named in str(daemon.client.job(job_id)["error"]), timeout_s=60, what="its name")
                other = daemon.ended(daemon.enqueue(WAITS), timeout_s=60)
                go.touch()
                job = daemon.ended(job_id, timeout_s=60)
                daemon.kill()
            until(lambda: is_appended(files, path, a_file(a_scalar("loss", 2, 0.25))), timeout_s=90, what="an append")
            daemon.start()

            until(lambda: step(daemon, job_id) == 2, timeout_s=60, what="step 2")
            assert (job["state"], job["error"], other["state"]) == ("COMPLETED", None, "COMPLETED")

            files.mkdirs(f"/logs/{job_id}/checkpoints")
            daemon.stop()
            grown_older(daemon, [job_id], 40 * 86_400)
            keeps(daemon, "jobs_days = 30")
            daemon.start()

            left = Door({"HADOOP_CONF_DIR": str(hdfs.conf)}).hdfs(hdfs.uri)
            until(lambda: names(left, f"/logs/{job_id}") == ["checkpoints"], timeout_s=60, what="the removal")
            left.close()


def is_appended(files: Client, path: str, data: bytes) -> bool:
    """Whether HDFS, which has just come to itself, takes more of a file."""
    try:
        if not files.recover_lease(path):
            return False
        with files.append(path) as file:
            file.write(data)
    except RuntimeError:
        return False
    return True


def names(hdfs: WebHdfs, folder: str) -> list[str]:
    return [each.name for each in hdfs.list(folder)]


def step(daemon: Gpuqd, job_id: int) -> int | None:
    progress = daemon.client.job(job_id)["progress"]
    return None if progress is None else progress["step"]
