"""`kill -9` of gpuqd under load: ten here, a hundred by `python -m tests.bench faults`."""

from __future__ import annotations

from tests.support.daemon import plain_gpuqd
from tests.support.storm import check, rage


def test_killed_at_any_instant_gpuqd_loses_no_job_and_starts_and_charges_none_twice() -> None:
    with plain_gpuqd() as gpuqd:
        storm = rage(gpuqd, kills=10, seed=7)

        check(gpuqd, storm)

        assert len(storm.acknowledged) >= 10
