"""How the two screens look. Renew on purpose: `pytest tests/tui/test_snapshots.py --snapshot-update`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

import pytest
from textual.app import App

from gpuq.models import JobState, Reason
from tests.tui.scripted import ScriptedClient, a_curve, a_job, a_running_job, a_series, an_app


class Compare(Protocol):
    """pytest-textual-snapshot's fixture."""

    def __call__(self, app: App[None], *, press: tuple[str, ...], terminal_size: tuple[int, int]) -> bool: ...


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction] - pytest's
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def a_client() -> ScriptedClient:
    """Return a small queue with a job that has a chart and a log."""
    queue = [
        a_running_job(1, name="resnet50"),
        a_job(2, name="bert", user="bob"),
        a_job(3, name="dlrm", user="carol", reason=Reason.PRIORITY),
        a_job(4, name="crash", state=JobState.FAILED, reason=None, error="ValueError: shapes do not match"),
    ]
    loss = a_curve(a_series("loss"), [2.5 * 0.95**i for i in range(100)])
    return ScriptedClient(queue=queue, curves={"loss": loss}, log="".join(f"step {i}\n" for i in range(9)))


def test_the_queue_looks_as_before(snap_compare: Compare) -> None:
    assert snap_compare(an_app(a_client()), press=("a", "j"), terminal_size=(80, 24))


def test_a_job_looks_as_before(snap_compare: Compare) -> None:
    assert snap_compare(an_app(a_client()), press=("enter",), terminal_size=(80, 24))
