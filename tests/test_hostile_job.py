"""What a job does to its own folder and processes must neither hold its GPUs nor fool the daemon."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Gpuqd, is_alive, plain_gpuqd, until

FOLDER = (
    "import os, sys, time, subprocess\n"
    "folder = os.getcwd()\n"
    "control = folder.replace('/jobs/', '/attempts/')\n"  # within reach only of a job of gpuqd's own user
)


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


def running(gpuqd: Gpuqd, body: str) -> int:
    """Return a job that has done `body` and sleeps."""
    script = FOLDER + f"def main_fun(args, ctx):\n    {body}\n    print('done', flush=True)\n    time.sleep(600)\n"
    job_id = gpuqd.enqueue(script)
    until(
        lambda: "done" in gpuqd.client.logs(job_id, rank=0)["data"],
        timeout_s=30,
        what="the job's mischief",
        log=gpuqd.folder / "gpuqd.log",
    )
    return job_id


def report(line: str) -> str:
    return f"open(folder + '/reports.jsonl', 'a').write({line + chr(10)!r})"


@pytest.mark.parametrize(
    "body",
    [
        "os.remove(folder + '/reports.jsonl'); os.symlink('/etc/passwd', folder + '/reports.jsonl')",
        "os.remove(folder + '/reports.jsonl'); os.mkdir(folder + '/reports.jsonl')",
        "os.remove(folder + '/reports.jsonl'); os.mkfifo(folder + '/reports.jsonl')",
        "os.mkdir(control + '/exit.json')",
        "os.remove(control + '/claim')",
        "open(control + '/claim', 'w').write('1 1 x')",
        report('{"kind": "rank", "t": 1.0, "rank": 500000, "role": "x", "host": "h", "state": "RUNNING"}'),
        report('{"kind": "rank", "t": 1.0, "rank": -3, "role": "x", "host": "h", "state": "RUNNING"}'),
        report('{"kind": "application", "application_id": "x", "driver_pid": 1180591620717411303424}'),
        report('{"kind": "rank", "t": 1.0, "rank": 0, "role": "x", "host": "h", "state": "DONE", "node": "other"}'),
        report("{" * 5000),
        "open(folder + '/reports.jsonl', 'a').write(chr(0) * 300_000 + chr(10))",
    ],
    ids=[
        "reports are a link",
        "reports are a folder",
        "reports are a pipe",
        "exit.json is a folder",
        "no claim",
        "a false claim",
        "a rank too high",
        "a rank below zero",
        "a pid too large",
        "a node that is none",
        "no JSON",
        "zeros",
    ],
)
def test_a_job_that_spoils_its_own_folder_can_still_be_ended(gpuqd: Gpuqd, body: str) -> None:
    job_id = running(gpuqd, body)
    pid = gpuqd.client.job(job_id)["driver_pid"]

    gpuqd.client.cancel(job_id)
    job = gpuqd.ended(job_id)

    assert job["state"] == "CANCELLED"
    assert pid is None or not is_alive(pid)
    assert all(node["free_gpus"] == node["gpus"] for node in gpuqd.client.cluster()["nodes"])


def test_an_attempt_whose_folder_was_removed_is_neither_lost_nor_started_twice() -> None:
    with plain_gpuqd() as gpuqd:
        job_id = running(gpuqd, "pass")
        pid = gpuqd.reaches(job_id, "RUNNING")["driver_pid"]
        gpuqd.kill()
        shutil.rmtree(gpuqd.folder / "jobs" / str(job_id) / "1")

        gpuqd.start()

        assert is_alive(pid)
        gpuqd.client.cancel(job_id)
        assert gpuqd.ended(job_id)["state"] == "CANCELLED"
        assert not is_alive(pid)
        assert (gpuqd.folder / "gpuqd.log").read_text().count("INFO launched") == 1


@pytest.mark.parametrize("name", ["reports.jsonl", "claim", "launch.json", "logs", "exit.json"])
def test_a_script_may_be_called_as_a_file_of_ours(gpuqd: Gpuqd, name: str) -> None:
    text = '{"kind":"outcome","exit_code":0}\n'
    script = f"text = {text!r}\ndef main_fun(args, ctx):\n    raise ValueError('as it should')\n"

    job = gpuqd.ended(gpuqd.enqueue(script, script_name=name))

    assert job["state"] == "FAILED"


def test_a_pipe_in_place_of_the_log_is_told_in_a_sentence(gpuqd: Gpuqd) -> None:
    job_id = running(gpuqd, "pass")
    log = gpuqd.folder / "jobs" / str(job_id) / "1" / "logs" / "rank-0.log"
    log.unlink()
    os.mkfifo(log)

    with pytest.raises(Exception, match="no plain file"):
        gpuqd.client.logs(job_id, rank=0)
    gpuqd.client.cancel(job_id)
    gpuqd.ended(job_id)


def test_gpuqd_puts_its_socket_in_no_files_place(tmp_path: Path) -> None:
    from gpuq.errors import UsageError
    from gpuq_daemon.api.server import listen

    precious = tmp_path / "precious.txt"
    precious.write_text("mine")

    with pytest.raises(UsageError, match="is no socket"):
        listen(precious)
    assert precious.read_text() == "mine"


def test_gpuqd_takes_no_socket_that_somebody_answers(tmp_path: Path) -> None:
    from gpuq.errors import UsageError
    from gpuq_daemon.api.server import listen
    from tests.support.daemon import short_folder

    with short_folder() as folder, listen(folder / "s"), pytest.raises(UsageError, match="Somebody listens"):
        listen(folder / "s")
