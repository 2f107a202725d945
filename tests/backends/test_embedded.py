"""The embedded engine is found again, repaired, ended; and says plainly why it cannot run."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest

from gpuq_daemon import processes
from gpuq_daemon.backends import engine_record
from gpuq_daemon.backends.base import EngineError
from gpuq_daemon.backends.embedded import EmbeddedEngine
from tests.support.engine import an_attempt, an_engine, short_folder


def an_engine_not_started(folder: Path, **more: object) -> EmbeddedEngine:
    settings: dict[str, object] = {"nodes": 1, "gpus_per_node": 1, "gpu_mode": "virtual", **more}
    return EmbeddedEngine(partition="p", folder=folder, python=Path(sys.executable), **settings)  # type: ignore[arg-type]


@pytest.mark.spark
def test_the_next_gpuqd_finds_the_engine_and_replaces_a_dead_worker() -> None:
    with short_folder() as folder, an_engine(folder) as engine:
        before = engine_record.read(folder / "engine" / "engine.json")
        assert before is not None
        assert before.master is not None
        first, second = before.workers
        processes.send_signal(second.process, signal.SIGKILL)
        while processes.is_alive(second.process):
            pass
        assert engine.health() == "The Spark worker of node embedded-2 has died."
        assert [node.is_up for node in engine.nodes()] == [True, False]

        with an_engine(folder) as again:
            after = engine_record.read(folder / "engine" / "engine.json")
            assert after is not None
            assert after.master == before.master
            assert after.workers[0] == first
            assert after.workers[1].process != second.process
            assert again.health() is None
            assert [node.is_up for node in again.nodes()] == [True, True]

        assert not processes.is_alive(before.master)
        assert not processes.marked(before.marker, marker="GPUQ_ENGINE")
        assert engine.health() == "The Spark master of the embedded engine has died."


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        engine = an_engine_not_started(tmp_path, master_port=port, memory_floor_mib=0)

        with pytest.raises(EngineError, match=f"Port {port} on 127.0.0.1 is taken"):
            engine.start()


def test_too_little_memory_is_told_with_numbers(tmp_path: Path) -> None:
    engine = an_engine_not_started(tmp_path, memory_floor_mib=10**9)

    with pytest.raises(EngineError, match=r"needs 1000000000 MiB .* but \d+ MiB are available"):
        engine.start()


def test_without_java_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(EngineError, match="no java on PATH: install Java 17 or newer"):
        an_engine_not_started(tmp_path).start()


def test_an_engine_that_is_not_started_says_so(tmp_path: Path) -> None:
    engine = an_engine_not_started(tmp_path, nodes=2, gpus_per_node=3)

    assert engine.health() == "The embedded engine is not started."
    assert [(node.name, node.gpus, node.is_up) for node in engine.nodes()] == [
        ("embedded-1", 3, False),
        ("embedded-2", 3, False),
    ]
    with pytest.raises(EngineError, match="not started"):
        engine.command(an_attempt(tmp_path, Path(__file__)))
    engine.stop()


def test_reclaim_refuses_a_token_that_names_another_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a token"):
        an_engine_not_started(tmp_path).reclaim("../../etc", None)
