"""A job again: exactly as it was, or with changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, a_job

SPEC: dict[str, Any] = {
    "script_name": "train.py", "script": "def main_fun(args, ctx): pass\n", "args": ["--lr", "1"], "name": "net",
    "workers": 2, "gpus_per_worker": 1, "time_limit_s": 60, "begin_at": 5.0, "deadline": 6.0, "dependency": "singleton",
    "hold": True, "code": {"commit": "a" * 40, "files": [{"path": "m.py", "text": "x = 1\x1b\n"}]},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _a_queue(daemon: FakeDaemon) -> None:  # pyright: ignore[reportUnusedFunction] - pytest's
    tasks = [a_job(id=20 + i, array_id=20, array_index=i, throttle=2) for i in (0, 1, 2, 7)]
    daemon.answers |= {
        "GET /v1/jobs/12/spec": SPEC, "GET /v1/jobs/12": a_job(), "POST /v1/jobs": a_job(id=13),
        "GET /v1/jobs/20/spec": SPEC, "GET /v1/jobs/20": tasks[0], "GET /v1/jobs": {"jobs": tasks},
    }  # fmt: skip


def queued(daemon: FakeDaemon) -> dict[str, Any]:
    assert daemon.asked[-1][:2] == ("POST", "/v1/jobs")
    return daemon.asked[-1][3]


def test_it_is_queued_as_it_was_but_for_what_was_said_of_that_time(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    assert gpuq("resubmit", "12").code == 0

    once = {"begin_at": None, "deadline": None, "dependency": None, "hold": False, "array": None}
    assert queued(daemon) == SPEC | once


def test_options_and_words_change_it(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    gpuq("resubmit", "12", "-w", "4", "--time", "2h", "--hold", "--", "--lr", "2")

    asked = queued(daemon)
    assert (asked["workers"], asked["time_limit_s"], asked["hold"], asked["args"]) == (4, 7200, True, ["--lr", "2"])


def test_an_array_is_queued_whole_or_a_task_of_it(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    gpuq("resubmit", "20")
    assert queued(daemon)["array"] == "0-2,7%2"

    daemon.answers["GET /v1/jobs/20"] = a_job(id=27, array_id=20, array_index=7)
    gpuq("resubmit", "20_7")
    assert queued(daemon)["array"] == "7"


def test_the_code_of_a_job_is_shown(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    shown = gpuq("show", "12", "--code").out

    assert "train.py" in shown
    assert "m.py" in shown
    assert "a" * 40 in shown
    assert gpuq("show", "12", "--file", "m.py").out.startswith("x = 1")
    assert gpuq("show", "12", "--file", "no.py").code == 3


def test_a_sweep_is_queued_whole_with_its_own_words_alone(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/jobs/20"] = a_job(id=20, array_id=20, array_index=0, sweep="lr=1,2")

    gpuq("resubmit", "20")
    assert (queued(daemon)["sweep"], queued(daemon)["args"], queued(daemon)["array"]) == ("lr=1,2", [], "0-2,7")
    gpuq("resubmit", "20", "--sweep", "lr=3,4", "b=1")
    assert (queued(daemon)["sweep"], queued(daemon)["array"]) == ("lr=3,4 b=1", None)


def test_a_sweep_is_typed_as_it_reads(daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path) -> None:
    script = tmp_path / "t.py"
    script.write_text("def main_fun(args, ctx): pass\n")
    daemon.answers["POST /v1/jobs"] = a_job(
        array_id=12, array_index=0, sweep="lr=1,2 b=3", args=["--lr", "1", "--b", "3"]
    )

    done = gpuq("enqueue", str(script), "--sweep", "lr=1,2", "b=3", "--array", "%4", "--", "a=b")

    assert (queued(daemon)["sweep"], queued(daemon)["args"]) == ("lr=1,2 b=3", ["a=b"])
    assert "sweeping lr=1,2 b=3" in done.out


def test_files_come_beside_those_that_were_there(
    daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "n.py").write_text("y = 2\n")
    monkeypatch.chdir(tmp_path)

    gpuq("resubmit", "12", "--files", "n.py")

    code = queued(daemon)["code"]
    assert code["commit"] == "a" * 40
    assert [file["path"] for file in code["files"]] == ["m.py", "n.py"]
