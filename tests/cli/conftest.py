"""A fake daemon and a way to run `gpuq` in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gpuq.cli import main
from tests.support.fake_daemon import FakeDaemon, serve


@dataclass(frozen=True)
class Outcome:
    """What one command left behind."""

    code: int
    out: str
    err: str


Gpuq = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _own_host(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] - pytest's
    """Let no test leave the daemon that a `--host` of its named to the next one."""
    monkeypatch.setenv("GPUQ_HOST", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")  # nor those who run the tests their own defaults


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A daemon whose answers the test scripts."""
    with tempfile.TemporaryDirectory() as directory, serve(Path(directory)) as fake:  # a socket's path is short
        monkeypatch.setenv("GPUQ_SOCKET", fake.path)
        yield fake


@pytest.fixture
def gpuq(capfd: pytest.CaptureFixture[str]) -> Gpuq:
    """Run `gpuq` with these words."""

    def run(*words: str) -> Outcome:
        code = main(words)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
