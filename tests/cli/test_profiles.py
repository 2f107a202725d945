"""What is asked for where: defaults, a job file, the script's head, the command line; the last wins and is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq import profiles
from gpuq.errors import UsageError
from gpuq.profiles import JobFile, defaults
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, a_job


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "gpuq").mkdir()
    (tmp_path / "site.toml").write_text('time = "1h"\npartition = "site"\nqos = "low"\n')
    (tmp_path / "gpuq" / "defaults.toml").write_text('partition = "mine"\nworkers = 2\n')
    (tmp_path / "train.py").write_text("#SBATCH -n 3\n#GPUQ --gpus-per-worker 2\ndef main_fun(args, ctx): pass\n")
    (tmp_path / "job.toml").write_text('script = "train.py"\nargs = ["--lr", "1"]\nname = "net"\nhold = true\n')
    monkeypatch.setattr(profiles, "SITE", str(tmp_path / "site.toml"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_the_last_that_says_something_wins(daemon: FakeDaemon, gpuq: Gpuq, here: Path) -> None:
    daemon.answers["POST /v1/jobs"] = a_job()

    assert gpuq("enqueue", str(here / "job.toml"), "--qos", "high").code == 0

    asked: dict[str, Any] = daemon.asked[-1][3]
    names = ("time_limit_s", "partition", "qos", "workers", "gpus_per_worker", "name", "hold", "args")
    assert [asked[name] for name in names] == [3600, "mine", "high", 3, 2, "net", True, ["--lr", "1"]]


def test_where_each_is_said_is_shown_and_nothing_is_queued(daemon: FakeDaemon, gpuq: Gpuq, here: Path) -> None:
    shown = gpuq("enqueue", "--explain", str(here / "job.toml"), "--qos", "high").out

    said = {line.split()[0]: line for line in shown.splitlines()}
    assert "site.toml" in said["time"]
    assert "defaults.toml" in said["partition"]
    assert "train.py line 2" in said["gpus-per-worker"]
    assert "job.toml" in said["hold"]
    assert "the command line" in said["qos"]
    assert [one[:2] for one in daemon.asked] == [("POST", "/v1/jobs/test")], "what its own defaults are, gpuqd is asked"


@pytest.mark.parametrize(
    "text",
    ["colour = 1", "workers = [1]", "hold = 1", "hold = 'yes'", "time = 1.5", "name = ''", "= 1", "time = true",
     "[time]\nx = 1", "nice = 'many'"],
)  # fmt: skip
def test_what_no_job_can_be_is_refused_by_its_file(daemon: FakeDaemon, gpuq: Gpuq, here: Path, text: str) -> None:
    (here / "gpuq" / "defaults.toml").write_text(text)

    done = gpuq("enqueue", "--explain", str(here / "train.py"))

    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "defaults.toml" in done.err


@pytest.mark.parametrize(
    "text", ["", "script = 1", "script = ''", "script = 'a.py'\nargs = 'x'", "script='a.py'\nargs=[1]"]
)
def test_a_job_file_names_its_script_and_its_words(here: Path, text: str) -> None:
    (here / "job.toml").write_text(text)

    with pytest.raises(UsageError):
        JobFile(str(here / "job.toml"))
    with pytest.raises(UsageError, match="no job file"):
        JobFile(str(here / "none.toml"))


def test_a_flag_that_is_off_is_not_asked_for(here: Path) -> None:
    (here / "gpuq" / "defaults.toml").write_text('exclusive = false\nstop_on = ["nan", "exploded"]\ngpu_type = "a100"')

    found = defaults()

    assert {name: word for name, (word, _) in found.items()} == {
        "time": "1h", "partition": "site", "qos": "low", "stop_on": "nan,exploded", "gpu_type": "a100",
    }  # fmt: skip


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(content)
        file.flush()
        with pytest.raises(UsageError):
            JobFile(file.name)


def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(here: Path) -> None:
    import os

    os.mkfifo(here / "pipe.toml")

    with pytest.raises(UsageError, match="regular file"):
        JobFile(str(here / "pipe.toml"))


@pytest.mark.parametrize(
    ("head", "words", "told"),
    [
        ("#SBATCH --mail-type=END\n", ["--notify", "failed"], "failed"),
        ("#SBATCH --mail-type=END\n", [], "ended"),
        ("#SBATCH --mail-type=END\n#GPUQ --notify requeued\n", [], "requeued"),
        ("#GPUQ --notify requeued\n", ["--mail-type", "FAIL"], "failed"),
        ("", [], "started"),
    ],
)
def test_the_last_that_says_what_is_told_wins_by_whichever_of_its_names(
    daemon: FakeDaemon, gpuq: Gpuq, here: Path, head: str, words: list[str], told: str
) -> None:
    (here / "site.toml").write_text('mail-type = "REQUEUE"\n')
    (here / "gpuq" / "defaults.toml").write_text('notify = "started"\n')
    (here / "train.py").write_text(f"{head}def main_fun(args, ctx): pass\n")
    daemon.answers["POST /v1/jobs"] = a_job()

    assert gpuq("enqueue", str(here / "train.py"), *words).code == 0

    assert daemon.asked[-1][3]["notify"] == told
