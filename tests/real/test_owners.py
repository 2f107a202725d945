"""Real trainings as the Unix users who queued them."""

from __future__ import annotations

import json
import os

import pytest

from gpuq.client import Client
from tests.support import users
from tests.support.daemon import embedded_gpuqd, until
from tests.support.engine import SAMPLES
from tests.support.users import as_user, needs_root, user, venv_for_all

pytestmark = [pytest.mark.spark, needs_root, pytest.mark.timeout(290)]


def test_a_training_runs_as_its_owner_from_the_driver_to_the_last_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in users.library_path().items():
        monkeypatch.setenv(name, value)
    games = user("games")
    with embedded_gpuqd(owners="min_uid = 1", more=f'python = "{venv_for_all()}"\ngpu = "virtual"') as gpuqd:
        path = gpuqd.folder / "gpuqd.sock"
        path.chmod(0o666)
        job = {"script_name": "job.py", "script": (SAMPLES / "digits_sync.py").read_text(), "workers": 2}
        job_id = as_user("games", lambda: Client(str(path)).enqueue(job)["id"])

        running = gpuqd.reaches(job_id, "RUNNING", timeout_s=120)
        until(lambda: len(gpuqd.client.job(job_id)["ranks"]) == 2, timeout_s=60, what="both ranks")
        running = gpuqd.client.job(job_id)
        pids = [rank["pid"] for rank in running["ranks"]]
        token = next((gpuqd.folder / "engine" / "local" / "seats").iterdir()).stem
        theirs = [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _is_of(pid, token)]
        seen = {pid: os.stat(f"/proc/{pid}").st_uid for pid in theirs}
        ended = gpuqd.ended(job_id, timeout_s=200)

        assert ended["state"] == "COMPLETED", ended
        assert set(pids) <= set(seen)
        assert set(seen.values()) == {games.uid}
        assert len(seen) >= 6, "a driver of two processes, two executors, two ranks"
        assert sorted(rank["node"] for rank in ended["ranks"]) == ["embedded-1", "embedded-2"]
        assert sorted(gpu for rank in ended["ranks"] for gpu in rank["gpus"]) == ["virtual0", "virtual1"]
        folder = gpuqd.folder / "jobs" / str(job_id)
        assert {file.stat().st_uid for file in folder.rglob("*")} == {games.uid}
        assert list((folder / "1" / "events" / "rank-0").glob("events.out.tfevents.*"))
        assert any((folder / "checkpoints").iterdir())
        assert not list((gpuqd.folder / "s").iterdir())
        assert not list((gpuqd.folder / "engine" / "local" / "seats").iterdir())
        key = json.loads((folder / "1" / "spec.json").read_text())["key"]
        assert key not in (gpuqd.folder / "gpuqd.log").read_text()


def _is_of(pid: int, token: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return f"GPUQ_ATTEMPT={token}".encode() in stream.read().split(b"\0")
    except OSError:
        return False
