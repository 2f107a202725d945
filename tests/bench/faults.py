"""A hundred `kill -9` under submit and dispatch load: jobs lost, started twice or charged twice are failures."""

from __future__ import annotations

import time

from tests.bench.rows import Row
from tests.support.daemon import plain_gpuqd
from tests.support.storm import check, rage

_KILLS, _SEED = 100, 2026


def measure() -> list[Row]:
    """Return how many kills were survived, and what was queued and run meanwhile; raise at the first thing lost."""
    with plain_gpuqd() as gpuqd:
        before = time.monotonic()
        storm = rage(gpuqd, kills=_KILLS, seed=_SEED)
        check(gpuqd, storm)
        taken = time.monotonic() - before
        jobs = len(gpuqd.client.jobs(everything=True))
    return [
        Row(name="kill -9 at random instants, survived", value=storm.kills, unit="kills", aim=f">= {_KILLS}"),
        Row(name="jobs queued and run meanwhile", value=jobs, unit="jobs"),
        Row(name="acknowledged jobs lost, started twice or charged twice", value=0, unit="jobs", aim="<= 0"),
        Row(name="time of it all", value=taken, unit="s"),
    ]
