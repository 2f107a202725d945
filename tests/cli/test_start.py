"""Starting is quick because little is loaded, and ends quietly whatever happens to the output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpuq.cli.commands import COMMANDS, ROOT
from gpuq.cli.commands.admin import command as ADMIN
from gpuq.models import FINAL_STATES, JobState
from gpuq.states import FINAL, SHORT_STATES
from tests.support.fake_daemon import FakeDaemon, a_cluster, a_job, a_log

HEAVY = {"textual", "msgspec", "sqlite3", "pyarrow", "numpy", "tensorflow", "pyspark"}
NOT_FOR_LOOKING = {"json", "re", "enum", "socket", "contextlib"}
SLOW = {"dataclasses", "typing", "click", "inspect", "http.client", "urllib.parse", "shutil", "plotext"}


# What takes its time anyway: a chart, another program.
SLOW_ANYWAY = {"admin report": SLOW - {"click"}, "tensorboard": {"shutil"}}


def loaded_by(*words: str) -> set[str]:
    """Return the modules that one command leaves loaded."""
    code = "import sys; from gpuq.cli import main; main(sys.argv[1:]); print('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-S", "-c", code, *words], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.fixture(autouse=True)
def _find_packages(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Let children find the packages without `site`, whose hooks load modules of their own."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))


@pytest.mark.parametrize("words", [["--version"], ["queue"], ["queue", "--json"], [], ["why", "12"], ["show", "12"]])
def test_the_commonest_commands_load_nothing_slow(daemon: FakeDaemon, words: list[str]) -> None:
    daemon.answers |= {"GET /v1/cluster": a_cluster(), "GET /v1/jobs": {"jobs": [a_job()]}, "GET /v1/jobs/12": a_job()}
    daemon.answers["GET /v1/jobs/12/why"] = {
        "job_id": 12,
        "state": "RUNNING",
        "reason": None,
        "text": "runs.",
        "held_by": [],
    }

    loaded = loaded_by(*words)

    assert "gpuq.cli" in loaded
    assert not loaded & (HEAVY | SLOW)


def test_looking_at_the_queue_loads_neither_json_nor_sockets(daemon: FakeDaemon) -> None:
    assert not loaded_by("queue") & NOT_FOR_LOOKING


@pytest.mark.parametrize("verb", [*COMMANDS, *(f"admin {name}" for name in ADMIN.names)])
def test_no_verb_needs_anything_slow_to_begin(verb: str) -> None:
    code = (
        "import sys; from gpuq.cli.commands import ROOT; found = ROOT\n"
        "for word in sys.argv[1:]: found = found.get(word)\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code, *verb.split()], capture_output=True, text=True, check=True)

    assert not set(done.stderr.split()) & ((HEAVY | SLOW) - SLOW_ANYWAY.get(verb, set()))


@pytest.mark.parametrize("rest", [[], ["--", "--lr", "0.1"]])
def test_a_plain_enqueue_loads_nothing_slow(daemon: FakeDaemon, tmp_path: Path, rest: list[str]) -> None:
    script = tmp_path / "train.py"
    script.write_text("#GPUQ --workers 2\ndef main_fun(args, ctx): pass\n")
    daemon.answers["POST /v1/jobs"] = a_job()

    assert not loaded_by("enqueue", str(script), *rest) & (HEAVY | SLOW)

    assert daemon.asked[-1][3]["args"] == rest[1:]


@pytest.mark.parametrize("words", [["--help"], ["show", "12"], ["logs", "12"], ["plot", "--help"]])
def test_no_command_loads_the_daemons_or_the_screens_libraries(daemon: FakeDaemon, words: list[str]) -> None:
    job = a_job(state=JobState.COMPLETED, attempt=1)
    daemon.answers |= {"GET /v1/jobs/12": job, "GET /v1/jobs/12/logs": a_log("x\n")}

    assert not loaded_by(*words) & HEAVY


def test_a_reader_that_goes_away_is_no_error(daemon: FakeDaemon) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(state=JobState.COMPLETED, attempt=1),
        "GET /v1/jobs/12/logs": a_log("x" * 200_000),
    }
    read, write = os.pipe()
    os.close(read)

    with open(write, "wb") as gone:
        code = "import sys; from gpuq.cli import main; sys.exit(main(['logs', '12']))"
        done = subprocess.run([sys.executable, "-c", code], stdout=gone, stderr=subprocess.PIPE, check=False)

    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_is_said(daemon: FakeDaemon) -> None:
    with open("/dev/full", "wb") as full:
        code = "import sys; from gpuq.cli import main; sys.exit(main(['--version']))"
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False)

    assert done.returncode == 1
    assert done.stderr == b"gpuq: Cannot write the output: No space left on device.\n"


def test_names_of_states_are_those_of_the_models() -> None:
    assert set(SHORT_STATES) == set(JobState)
    assert set(FINAL_STATES) == FINAL


def test_every_command_has_its_help() -> None:
    for name in COMMANDS:
        command = ROOT.get(name)
        assert command is not None
        assert command.name == name
        assert command.help
