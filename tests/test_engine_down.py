"""An engine that is down for ten minutes, which are 120 looks at it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gpuq_daemon.engines import Engines
from tests.support.plain_engine import PlainEngine


def test_an_engine_that_is_down_for_ten_minutes_is_told_once_and_taken_up_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine, changes = PlainEngine(), list[str]()
    engines = Engines({"plain": engine}, {"plain": None}, changed=lambda: changes.append("changed"))

    async def course() -> None:
        await engines.start()
        engine.problem = "the master does not answer"
        for _ in range(120):
            await engines.look()
            assert engines.down() == {"plain": "the master does not answer"}
        engine.problem = None
        await engines.look()

    with caplog.at_level(logging.INFO):
        asyncio.run(course())

    assert engines.down() == {}
    assert changes == ["changed", "changed"]
    assert len(caplog.records) == 2
