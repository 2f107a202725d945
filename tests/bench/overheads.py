"""What gpuq costs a training beside TensorFlowOnSpark alone: the same script, one after the other, in the same minutes.

The bare run and the cold one are on the same Standalone cluster; the warm one is on the embedded engine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gpuq_daemon import processes
from gpuq_daemon.eventfile.events import Points
from gpuq_daemon.eventfile.reader import EventReader
from gpuq_daemon.eventfile.tfrecord import RecordReader
from tests.bench.rows import Row
from tests.support.daemon import Gpuqd, gpuqd_with, short_folder, until
from tests.support.standalone import StandaloneCluster, a_standalone_cluster, spark_home

_SAMPLE = Path(__file__).parents[2] / "sample_jobs" / "digits_sync.py"
_EPOCHS = "40"
_BARE = """
import sys
from pyspark import SparkContext
from tensorflowonspark import TFCluster
import digits_sync

sc = SparkContext()
cluster = TFCluster.run(
    sc, digits_sync.main_fun, sys.argv, 2, 0, False, TFCluster.InputMode.TENSORFLOW, master_node="chief"
)
cluster.shutdown()
sc.stop()
"""


def measure() -> list[Row]:
    """Return times to the first step and after the last one, bare, cold and warm."""
    with a_standalone_cluster(("0",), ("1",)) as cluster:
        bare = _bare(cluster)
        with gpuqd_with(cluster.partition) as gpuqd:
            cold = _queued(gpuqd)
    with gpuqd_with('engine = "embedded"\nspark = "per-job"\nwarm = 2\nmemory_floor_mib = 2048\n') as gpuqd:
        own = _queued(gpuqd)
        until(lambda: any(gpuqd.folder.glob("s/*/standby")), timeout_s=120, what="one that stands by")
        (token,) = (path.parent.name for path in gpuqd.folder.glob("s/*/standby"))
        memory = sum(_own_mib(process.pid) for process in processes.marked(token))
        time.sleep(3)  # a machine at rest, as between two jobs of a user
        warm = _queued(gpuqd)
    return [
        Row(name="bare TFoS, Standalone: start → first step", value=bare[0], unit="s"),
        Row(name="bare TFoS: last step → end of the driver", value=bare[1], unit="s"),
        Row(name="gpuq, Standalone: submit → first step", value=cold[0], unit="s"),
        Row(name="gpuq, Standalone: share of the bare run's", value=cold[0] / bare[0], unit="", aim="<= 0.8"),
        Row(name="gpuq, Standalone: last step → COMPLETED", value=cold[1], unit="s", aim="<= 2"),
        Row(name="gpuq, a Spark per job: submit → first step", value=own[0], unit="s"),
        Row(name="gpuq, a Spark per job: last step → COMPLETED", value=own[1], unit="s", aim="<= 2"),
        Row(name="gpuq, warm: submit → first step", value=warm[0], unit="s", aim="<= 4"),
        Row(name="gpuq, warm: last step → COMPLETED", value=warm[1], unit="s", aim="<= 2"),
        Row(name="what stands by for two workers: memory", value=memory, unit="MiB"),
    ]


def _bare(cluster: StandaloneCluster) -> tuple[float, float]:
    with short_folder() as folder:
        (folder / "bare.py").write_text(_BARE)
        (folder / _SAMPLE.name).write_text(_SAMPLE.read_text())
        conf = {
            "spark.cores.max": "2",
            "spark.executor.cores": "1",
            "spark.executor.resource.gpu.amount": "1",
            "spark.task.resource.gpu.amount": "1",
            "spark.driver.host": "127.0.0.1",
            "spark.executorEnv.GPUQ_LOG_DIR": str(folder / "events"),
            "spark.executorEnv.GPUQ_CHECKPOINT_DIR": str(folder / "checkpoints"),
        }
        words = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
        submit = [str(spark_home() / "bin" / "spark-submit"), "--master", cluster.url, *words]
        begun = time.time()
        ended = subprocess.run(
            [*submit, "--py-files", str(folder / _SAMPLE.name), str(folder / "bare.py"), "--epochs", _EPOCHS],
            cwd=folder,
            env={**os.environ, "SPARK_HOME": str(spark_home()), "PYSPARK_PYTHON": sys.executable},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        over = time.time()
        assert ended.returncode == 0, ended.stderr[-4000:]
        times = [at for file in (folder / "events").glob("events.out.tfevents.*") for at in _written_at(file)]
    return min(times) - begun, over - max(times)


def _written_at(file: Path) -> list[float]:
    points = Points()
    EventReader(RecordReader()).feed(file.read_bytes(), points)
    return [at for _, at, _ in points.scalars["loss"]]


def _queued(gpuqd: Gpuqd) -> tuple[float, float]:
    job_id = gpuqd.enqueue(_SAMPLE.read_text(), workers=2, args=["--epochs", _EPOCHS])
    job = gpuqd.ended(job_id, timeout_s=300)
    over = time.time()
    assert job["state"] == "COMPLETED", job
    curve = gpuqd.client.curve(job_id, "loss", columns=10_000)
    _tell(job, over, gpuqd.folder / "jobs" / str(job_id) / "1" / "reports.jsonl")
    return curve["wall_times"][0] - job["submitted_at"], over - curve["wall_times"][-1]


def _own_mib(pid: int) -> float:
    """Return a process's memory, what it shares counted by its part. Source: proc(5) smaps_rollup."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.split("\nPss:")[1].split()[0]) / 1024


def _tell(job: dict[str, Any], over: float, reports: Path) -> None:
    """Print when what was reached, to see where the seconds go."""
    for line in reports.read_text().splitlines():
        told = json.loads(line)
        what = (told["kind"], told.get("rank", ""), told.get("state", ""))
        print(f"    {told['t'] - job['submitted_at']:6.2f} s ", *what, file=sys.stderr)
    print(f"    {job['ended_at'] - job['submitted_at']:6.2f} s  its shim has ended", file=sys.stderr)
    print(f"    {over - job['submitted_at']:6.2f} s  {job['state']}, as a client sees it", file=sys.stderr)
