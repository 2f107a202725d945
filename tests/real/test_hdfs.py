"""A real training whose files are carried to a real HDFS, and read back from there while it runs."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from gpuq_daemon.files.door import Door
from tests.support.daemon import Gpuqd, embedded_gpuqd, until
from tests.support.hadoop import running_hdfs

pytestmark = [
    pytest.mark.spark,
    pytest.mark.hadoop,
    pytest.mark.timeout(900),
    pytest.mark.long,
]

SCRIPT = """
import os, time
import tensorflow as tf

def main_fun(args, ctx):
    weights = tf.Variable([1.0, 2.0], name="weights")
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(weights=weights), os.environ["GPUQ_CHECKPOINT_DIR"], 3)
    writer = tf.summary.create_file_writer(os.environ["GPUQ_LOG_DIR"])
    newest = manager.latest_checkpoint
    print("resumes from", newest and os.path.basename(newest), flush=True)
    with writer.as_default():
        tf.summary.scalar("loss", 0.5, step=1)
        writer.flush()
        if newest is None:
            manager.save(1)
        while not os.path.exists(args[1]):
            time.sleep(0.1)
        tf.summary.scalar("loss", 0.25, step=2)
"""


def test_a_training_is_followed_on_hdfs_and_goes_on_from_there_on_a_host_without_its_files(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with running_hdfs() as hdfs, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HADOOP_CONF_DIR", str(hdfs.conf))
        with embedded_gpuqd(nodes=1, more=f'log_uri = "{hdfs.uri}/logs"') as daemon:
            client = daemon.client
            job_id = daemon.enqueue(SCRIPT, args=[str(go)])
            until(lambda: step(daemon, job_id) == 1, timeout_s=300, what="step 1", log=daemon.folder / "gpuqd.log")
            with closing(Door(os.environ)) as door:
                uri = f"{hdfs.uri}/logs/{job_id}/checkpoints"
                there = door.files(uri, lambda name: name == ".gpuq-manifest-0.json")
                until(lambda: bool(there.find()), timeout_s=120, what="the checkpoint on HDFS")

            client.requeue(job_id, is_held=True)
            daemon.reaches(job_id, "PENDING", timeout_s=120)
            shutil.rmtree(daemon.folder / "jobs" / str(job_id) / "checkpoints")
            names = [each["name"] for each in client.checkpoints(job_id)]
            weights = client.distribution(job_id, "weights", at=None, minus=None, bins=2)
            go.touch()
            client.release(job_id)
            job = daemon.ended(job_id, timeout_s=300)

            said = client.logs(job_id, rank=0)["data"]
            assert (job["state"], names) == ("COMPLETED", ["ckpt-1"]), said
            assert (weights["count"], weights["mean"]) == (2, 1.5)
            assert "resumes from ckpt-1" in said
            assert step(daemon, job_id) == 2
            (daemon.folder / "jobs" / str(job_id) / "2" / "logs" / "rank-0.log").unlink()
            assert "resumes from ckpt-1" in client.logs(job_id, rank=0)["data"]
            printed, warned = (client.logs(job_id, rank=0, stream=one) for one in ("stdout", "stderr"))
            assert (printed["is_told_apart"], warned["is_told_apart"]) == (True, True)
            assert "resumes from ckpt-1" in printed["data"]
            assert "resumes from ckpt-1" not in warned["data"]


def step(daemon: Gpuqd, job_id: int) -> int | None:
    progress = daemon.client.job(job_id)["progress"]
    return None if progress is None else progress["step"]
