"""An application that stands by takes one attempt, of somebody who still waits for it."""

from __future__ import annotations

import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from gpuq_job import spec
from gpuq_job.lead import TAKEN
from gpuq_job.standby import listening, next_attempt
from tests.support.engine import short_folder


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as path:
        yield path


def a_spec(folder: Path) -> Path:
    path = folder / "spec.json"
    run = spec.Run(
        job_id=7,
        attempt=1,
        workers=2,
        gpus_per_worker=1,
        script="s.py",
        args=("s.py",),
        folder=str(folder),
        checkpoints=str(folder),
        host="127.0.0.1",
        key="00",
        words={"GPUQ_ARRAY_INDEX": "3"},
    )
    spec.write(path, run)
    return path


def test_the_attempt_that_is_brought_is_taken_with_its_words(folder: Path) -> None:
    listener = listening(str(folder / "s"))
    with socket.socket(socket.AF_UNIX) as lead:
        lead.connect(str(folder / "s"))
        lead.sendall(f"{a_spec(folder)}\n".encode())

        connection, run = next_attempt(listener, 10)

        assert connection is not None
        assert run is not None
        assert (run.job_id, run.words) == (7, {"GPUQ_ARRAY_INDEX": "3"})
        assert lead.recv(10) == TAKEN
        connection.close()


def test_an_attempt_is_not_run_twice_where_its_lead_has_begun_anew(folder: Path) -> None:
    listener = listening(str(folder / "s"))
    with socket.socket(socket.AF_UNIX) as lead:
        lead.connect(str(folder / "s"))
        lead.sendall(f"{a_spec(folder)}\n".encode())

    assert next_attempt(listener, 10) == (None, None)


def test_nobody_is_waited_for_longer_than_allowed(folder: Path) -> None:
    assert next_attempt(listening(str(folder / "s")), 0.05) == (None, None)


def test_a_path_that_holds_no_spec_ends_it(folder: Path) -> None:
    listener = listening(str(folder / "s"))
    with socket.socket(socket.AF_UNIX) as lead:
        lead.connect(str(folder / "s"))
        lead.sendall(f"{folder}/none\n".encode())

        assert next_attempt(listener, 10) == (None, None)
        assert lead.recv(10) == b"", "which begins anew"
