"""The event loop's pulse."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gpuq_daemon.pulse import EVERY_S, STALL_S, Pulse
from gpuq_daemon.vitals import Vitals


def test_each_beat_counts_how_late_it_was(caplog: pytest.LogCaptureFixture) -> None:
    vitals = Vitals()
    ticks = iter([0.0, EVERY_S + 0.125])

    with caplog.at_level(logging.WARNING), pytest.raises(RuntimeError):  # the ticks run out
        asyncio.run(Pulse(vitals, lambda: next(ticks)).run())

    assert (vitals.lag.count, vitals.lag.max_s, caplog.records) == (1, 0.125, [])


def test_a_loop_that_stood_still_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Pulse(Vitals()).beat(STALL_S)

    assert [record.message for record in caplog.records] == ["the event loop stood still"]
