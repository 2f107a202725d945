"""Which time is sure to have come. What is removed by its age must not be, because somebody set the clock wrong."""

from __future__ import annotations

from dataclasses import dataclass

_SLACK_S = 60.0  # what a clock that is kept in step may gain between two looks
SETTLED_S = 86_400.0
AWAY_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SureTime:
    """`at` had come, in Unix seconds, when the machine was up for `uptime` seconds.

    The clock may be ahead of that: it then is so by the same since an uptime of `ahead_since`, and `offset` is what it
    said less the uptime.
    """

    at: float
    uptime: float
    ahead_since: float | None = None
    offset: float = 0.0


def begin(last: float | None, now: float, uptime: float) -> SureTime:
    """Return what is sure at the start of gpuqd; `last` was sure when it was last noted, None: never.

    A clock that has gone on by more than a week meanwhile has to go evenly for a day before it is believed.
    """
    if last is None or now <= last + AWAY_S:
        return SureTime(at=now, uptime=uptime)
    return SureTime(at=last, uptime=uptime, ahead_since=uptime, offset=now - uptime)


def advance(sure: SureTime, now: float, uptime: float) -> SureTime:
    """Return what is sure now: never more than the clock says, nor, unless that has settled, more than has passed."""
    passed = sure.at + max(0.0, uptime - sure.uptime)
    if now <= passed + _SLACK_S:
        return SureTime(at=now, uptime=uptime)
    offset = now - uptime
    is_even = sure.ahead_since is not None and abs(offset - sure.offset) <= _SLACK_S
    since = sure.ahead_since if is_even and sure.ahead_since is not None else uptime
    if uptime - since >= SETTLED_S:
        return SureTime(at=now, uptime=uptime)
    return SureTime(at=passed, uptime=uptime, ahead_since=since, offset=offset)
