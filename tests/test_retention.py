"""What is older than the configuration keeps it goes, from a real gpuqd; whatever else is there stays."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuq.client import Json
from gpuq.client_admin import AdminClient
from gpuq.errors import NotFoundError
from gpuq_daemon.store.metrics import MetricsStore
from tests.support.age import grown_older, keeps
from tests.support.daemon import Gpuqd, plain_gpuqd, until

DAY = 86_400.0
TRAINS = """
import os
def main_fun(args, ctx):
    print("a line")
    folder = os.getcwd()
    os.makedirs(folder + "/events/rank-0/deep/er", exist_ok=True)
    open(folder + "/events/rank-0/deep/er/more", "w").write("x")
    os.symlink("/etc/passwd", folder + "/logs/link")
    if args[1:] == ["saves"]:
        open(os.path.join(folder, "..", "checkpoints", "model"), "w").write("weights")
"""


@pytest.fixture
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


def reloaded(gpuqd: Gpuqd) -> list[Json]:
    return AdminClient(gpuqd.client.path).reload()


def is_verified(gpuqd: Gpuqd) -> bool:
    argv = [sys.executable, "-m", "gpuq_daemon", "verify", "--config", str(gpuqd.config)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return True


def has_left(gpuqd: Gpuqd, job_id: int) -> bool:
    try:
        gpuqd.client.job(job_id)
    except NotFoundError:
        return not (gpuqd.folder / "attempts" / str(job_id)).exists()
    return False


def log(gpuqd: Gpuqd) -> Path:
    return gpuqd.folder / "gpuqd.log"


def test_an_old_job_leaves_with_all_but_its_checkpoints(gpuqd: Gpuqd, tmp_path: Path) -> None:
    old, saved, young = (gpuqd.ended(gpuqd.enqueue(TRAINS, args=args)) for args in ([], ["saves"], []))
    assert {one["state"] for one in (old, saved, young)} == {"COMPLETED"}
    gpuqd.stop()
    mounted = tmp_path / str(saved["id"])
    for name in ("1/events/rank-0/deep", "checkpoints"):
        (mounted / name).mkdir(parents=True)
        (mounted / name / "file").write_text("carried")
    (gpuqd.folder / "attempts" / str(saved["id"]) / "1" / "log-uri").write_text(mounted.as_uri())
    grown_older(gpuqd, [old["id"], saved["id"]], 40 * DAY)
    keeps(gpuqd, "jobs_days = 30")

    gpuqd.start()
    for job in (old, saved):
        until(lambda job_id=job["id"]: has_left(gpuqd, job_id), timeout_s=30, what="the removal", log=log(gpuqd))

    jobs = gpuqd.folder / "jobs"
    until(lambda: not (jobs / str(old["id"])).exists(), timeout_s=30, what="the folder's end", log=log(gpuqd))
    kept = [path.relative_to(jobs) for path in (jobs / str(saved["id"])).rglob("*")]
    assert sorted(map(str, kept)) == [f"{saved['id']}/checkpoints", f"{saved['id']}/checkpoints/model"]
    assert [str(path.relative_to(mounted)) for path in sorted(mounted.rglob("*"))] == [
        "checkpoints",
        "checkpoints/file",
    ]
    assert "a line" in gpuqd.client.logs(young["id"], rank=0)["data"]
    assert Path("/etc/passwd").exists()
    assert is_verified(gpuqd)
    with sqlite3.connect(gpuqd.folder / "state.db") as db:
        gpu_us, jobs_gone = db.execute("SELECT gpu_us, jobs FROM rolled_up").fetchone()
    db.close()
    assert jobs_gone == 2
    assert gpu_us == pytest.approx((old["charged_gpu_s"] + saved["charged_gpu_s"]) * 1e6, abs=2)
    assert gpuqd.enqueue(TRAINS, hold=True) > young["id"]


def test_points_and_logs_may_go_before_their_job(gpuqd: Gpuqd) -> None:
    old, young = (gpuqd.ended(gpuqd.enqueue(TRAINS, args=["saves"])) for _ in range(2))
    gpuqd.stop()
    grown_older(gpuqd, [old["id"]], 40 * DAY)
    own_log = gpuqd.folder / "attempts" / str(old["id"]) / "1" / "driver.log"
    own_log.write_text("what a driver elsewhere has printed\n")
    keeps(gpuqd, "points_days = 20\nlogs_days = 30")

    gpuqd.start()
    folder = gpuqd.folder / "jobs" / str(old["id"])
    until(lambda: not (folder / "1").exists(), timeout_s=30, what="the removal", log=log(gpuqd))

    assert gpuqd.client.job(old["id"])["state"] == "COMPLETED"
    with pytest.raises(NotFoundError, match=r"not kept any more: gpuqd keeps them 30 days"):
        gpuqd.client.logs(old["id"], rank=0)
    until(lambda: not own_log.exists(), timeout_s=30, what="the log's end", log=log(gpuqd))
    assert (folder / "checkpoints" / "model").exists()
    assert "a line" in gpuqd.client.logs(young["id"], rank=0)["data"]
    assert is_verified(gpuqd)
    gpuqd.client.requeue(old["id"])
    again = gpuqd.ended(old["id"])
    assert (again["state"], again["attempt"]) == ("COMPLETED", 2)
    assert "a line" in gpuqd.client.logs(old["id"], rank=0)["data"]


def test_nothing_goes_by_a_clock_that_was_set_forward_and_settings_count_at_once(gpuqd: Gpuqd) -> None:
    job, young = gpuqd.ended(gpuqd.enqueue(TRAINS)), gpuqd.ended(gpuqd.enqueue(TRAINS))
    gpuqd.stop()
    grown_older(gpuqd, [job["id"]], 40 * DAY)
    gpuqd.start()
    keeps(gpuqd, "jobs_days = 1000")
    reloaded(gpuqd)
    noted = "SELECT count(*) FROM retention WHERE what = 'time'"
    until(lambda: asked(gpuqd, noted) == 1, timeout_s=30, what="the first round", log=log(gpuqd))

    gpuqd.set_clock(365 * DAY)
    keeps(gpuqd, "jobs_days = 30\nlogs_days = 30\npoints_days = 30")
    changed = {change["key"]: change["is_live"] for change in reloaded(gpuqd)}
    until(lambda: has_left(gpuqd, job["id"]), timeout_s=30, what="the removal", log=log(gpuqd))

    assert changed == {f"retention.{name}_days": True for name in ("jobs", "logs", "points")}
    assert "the clock was set forward" in log(gpuqd).read_text()
    assert "a line" in gpuqd.client.logs(young["id"], rank=0)["data"]


def asked(gpuqd: Gpuqd, sql: str) -> int:
    db = sqlite3.connect(gpuqd.folder / "state.db")
    try:
        return db.execute(sql).fetchone()[0]
    finally:
        db.close()


def test_a_removal_that_was_interrupted_is_finished(gpuqd: Gpuqd) -> None:
    job = gpuqd.ended(gpuqd.enqueue(TRAINS))
    gpuqd.stop()
    remove = """
import asyncio, sys
from pathlib import Path
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.retention import RetentionStore
async def main():
    print(await RetentionStore(Database(Path(sys.argv[1]), "state")).remove([int(sys.argv[2])], before=4e9))
asyncio.run(main())
"""
    argv = [sys.executable, "-c", remove, str(gpuqd.folder / "state.db"), str(job["id"])]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == f"[{job['id']}]\n"
    folder = gpuqd.folder / "jobs" / str(job["id"])
    assert (folder / "1" / "logs").is_dir()
    assert is_verified(gpuqd)

    gpuqd.start()

    until(lambda: not folder.exists(), timeout_s=30, what="the removal", log=log(gpuqd))
    until(lambda: has_left(gpuqd, job["id"]), timeout_s=30, what="its end", log=log(gpuqd))
    metrics = MetricsStore(gpuqd.folder / "metrics.db")
    assert (metrics.series(job["id"]), metrics.positions(job["id"], 1)) == ([], {})
    metrics.close()


def test_files_of_a_job_that_is_not_kept_are_found(gpuqd: Gpuqd) -> None:
    job = gpuqd.ended(gpuqd.enqueue(TRAINS))
    other = gpuqd.ended(gpuqd.enqueue(TRAINS))
    gpuqd.stop()
    with sqlite3.connect(gpuqd.folder / "state.db") as db:
        for table in ("ranks", "allocations", "attempts"):
            db.execute(f"DELETE FROM {table} WHERE job_id = {job['id']}")
        db.execute(f"DELETE FROM jobs WHERE id = {job['id']}")
    db.close()

    argv = [sys.executable, "-m", "gpuq_daemon", "verify", "--config", str(gpuqd.config)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert f"WRONG no logs, scripts and events are those of a job that is not kept any more: {gpuqd.folder}/jobs/" in (
        done.stdout
    )
    assert f"/jobs/{other['id']}" not in done.stdout
