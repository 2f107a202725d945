"""A Spark for each attempt: its GPUs are its own until nothing of it is left."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gpuq_daemon import owners
from gpuq_daemon.backends.base import EngineError
from gpuq_daemon.backends.embedded import EmbeddedEngine
from gpuq_daemon.backends.private import PrivateEngine
from tests.support.engine import an_attempt, short_folder


def an_engine(folder: Path) -> PrivateEngine:
    return PrivateEngine(
        partition="p",
        folder=folder / "engine",
        nodes=1,
        gpus_per_node=2,
        python=Path(sys.executable),
        gpu_mode="virtual",
        memory_floor_mib=0,
    )


@pytest.mark.spark
def test_gpus_are_handed_on_only_when_nothing_of_an_attempt_is_left() -> None:
    with short_folder() as folder:
        engine = an_engine(folder)
        engine.start()
        first, second, third = (an_attempt(folder, Path(__file__), job_id=number) for number in (1, 2, 3))
        for attempt in (first, second):
            words = engine.command(attempt).argv
            assert not [word for word in words if "secret" in word and "secret.conf" not in word]
        assert engine.placed(first.token, {0: "embedded-2", 1: "elsewhere"}) == {0: "embedded-1"}
        with pytest.raises(EngineError, match="Too few GPUs"):
            engine.command(third)
        with subprocess.Popen(["/bin/sleep", "60"], env={"GPUQ_ATTEMPT": first.token}) as left:
            again = an_engine(folder)  # as after a restart of gpuqd
            again.start()
            with pytest.raises(EngineError, match="Too few GPUs"):
                again.command(third)

            while again.reclaim(first.token, None):
                left.poll()

            assert left.wait(10) == -9
        assert not first.scratch.exists()
        again.command(third)
        assert again.placed(third.token, {}) == {0: "embedded-1"}
        assert again.reclaim(first.token, None) == 0


def test_one_spark_for_all_runs_nobody_elses_job(tmp_path: Path) -> None:
    own = owners.lookup(os.geteuid())
    assert own is not None
    engine = EmbeddedEngine(partition="p", folder=tmp_path, nodes=1, gpus_per_node=1, python=Path(sys.executable))
    other = replace(own, uid=own.uid + 1, name="other")
    attempt = replace(an_attempt(tmp_path, Path(__file__)), owner=other)

    with pytest.raises(EngineError, match='set spark = "per-job"'):
        engine.command(attempt)
