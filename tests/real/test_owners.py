"""Real trainings as the Unix users who queued them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gpuq.client import Client
from tests.support import users
from tests.support.daemon import embedded_gpuqd, until
from tests.support.engine import SAMPLES
from tests.support.users import as_user, needs_root, user, venv_for_all

pytestmark = [pytest.mark.spark, needs_root, pytest.mark.timeout(290)]


LOOKS_AROUND = """
import os, sys

def main_fun(args, ctx):
    told = ("GPUQ_JOB_ID", "CUDA_VISIBLE_DEVICES", "GPUQ_WARM", "GPUQ_NODE")
    print("found", os.getuid(), "tensorflow" in sys.modules, *(os.environ.get(word, "-") for word in told), *args)
"""


def test_a_training_runs_as_its_owner_from_the_driver_to_the_last_file_and_the_next_one_starts_warm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in users.library_path().items():
        monkeypatch.setenv(name, value)
    games = user("games")
    more = f'python = "{venv_for_all()}"\ngpu = "virtual"\nwarm = 2\nmemory_floor_mib = 2048'
    with embedded_gpuqd(owners="min_uid = 1", more=more) as gpuqd:
        path = gpuqd.folder / "gpuqd.sock"
        path.chmod(0o666)
        job = {"script_name": "job.py", "script": (SAMPLES / "digits_sync.py").read_text(), "workers": 2}
        job_id = as_user("games", lambda: Client(str(path)).enqueue(job)["id"])

        running = gpuqd.reaches(job_id, "RUNNING", timeout_s=120)
        until(lambda: len(gpuqd.client.job(job_id)["ranks"]) == 2, timeout_s=60, what="both ranks")
        running = gpuqd.client.job(job_id)
        pids = [rank["pid"] for rank in running["ranks"]]
        engine = gpuqd.folder / "engine" / "local"
        (token,) = {note.stem for note in (engine / "seats").iterdir()} - _standing(engine)
        theirs = [pid for pid in _pids() if _is_of(pid, token)]
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
        assert {one.name for one in (gpuqd.folder / "s").iterdir()} <= _standing(engine)
        assert {one.stem for one in (engine / "seats").iterdir()} <= _standing(engine)
        key = json.loads((folder / "1" / "spec.json").read_text())["key"]
        assert key not in (gpuqd.folder / "gpuqd.log").read_text()

        until(lambda: any(gpuqd.folder.glob("s/*/standby")), timeout_s=120, what="one that stands by")
        (socket,) = gpuqd.folder.glob("s/*/standby")
        assert (socket.stat().st_uid, socket.parent.stat().st_mode & 0o777) == (games.uid, 0o700)
        look = {"script_name": "look.py", "script": LOOKS_AROUND, "workers": 2, "args": ["a b"]}
        next_id = as_user("games", lambda: Client(str(path)).enqueue(look)["id"])
        ended = gpuqd.ended(next_id, timeout_s=120)

        assert ended["state"] == "COMPLETED", ended
        assert "an application that stood by is taken" in (gpuqd.folder / "gpuqd.log").read_text()
        found = [(gpuqd.folder / f"jobs/{next_id}/1/logs/rank-{rank}.log").read_text() for rank in (0, 1)]
        words = [line.split("found ")[1].split("\n")[0].split(maxsplit=6) for line in found]
        assert [word[:3] for word in words] == [[str(games.uid), "True", str(next_id)]] * 2
        assert sorted(word[3] for word in words) == ["virtual0", "virtual1"]
        assert [(word[4], word[6]) for word in words] == [("-", "look.py a b")] * 2
        assert not socket.exists(), "it served one job"
        processes_left = [pid for pid in _pids() if _is_of(pid, socket.parent.name)]
        assert processes_left == []


def _standing(engine: Path) -> set[str]:
    return {note.stem for note in (engine / "warm" / "standing").glob("*.json")}


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _is_of(pid: int, token: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return f"GPUQ_ATTEMPT={token}".encode() in stream.read().split(b"\0")
    except OSError:
        return False
