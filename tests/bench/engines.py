"""Launch/kill cycles on a Standalone cluster, and pairs of jobs at once: whatever is left or shared is a failure."""

from __future__ import annotations

import os
import random
import time
from collections import Counter

from tests.bench.rows import Row
from tests.support.cells import MODES, SAMPLES, check_ranks
from tests.support.cycles import VICTIMS, cycle, left_on
from tests.support.daemon import Gpuqd, gpuqd_with
from tests.support.standalone import a_standalone_cluster

_CYCLES, _PAIRS, _SEED = 50, 20, 2026


def measure() -> list[Row]:
    """Return how many cycles and pairs were survived; raise at the first thing that is left, shared or wrong."""
    cycles, pairs = (int(os.environ.get(name, most)) for name, most in (("CYCLES", _CYCLES), ("PAIRS", _PAIRS)))
    chance = random.Random(_SEED)
    with a_standalone_cluster(("0", "1"), ("2", "3")) as cluster, gpuqd_with(cluster.partition) as gpuqd:
        before = time.monotonic()
        found = [cycle(gpuqd, cluster, victim, chance) for victim in _mixed(cycles, chance)]
        taken = time.monotonic() - before
        for _ in range(pairs):
            _pair(gpuqd)
            assert left_on(cluster) == {}
    states = Counter(one.job["state"] for one in found)
    ends = [one.ended_s for one in found if one.job["state"] == "FAILED"]
    return [
        Row(
            name="launch/kill cycles on Standalone without a trace",
            value=len(found),
            unit="cycles",
            aim=f">= {_CYCLES}",
        ),
        Row(name="of them FAILED, with the reason", value=states["FAILED"], unit="jobs"),
        Row(name="of them gone on, as Spark began anew what was killed", value=states["CANCELLED"], unit="jobs"),
        Row(name="from the kill to the job's end, at most", value=max(ends, default=0.0), unit="s"),
        Row(name="a cycle", value=taken / max(1, len(found)), unit="s"),
        Row(name="pairs of jobs at once, no port and no GPU in common", value=pairs, unit="pairs", aim=f">= {_PAIRS}"),
    ]


def _mixed(count: int, chance: random.Random) -> list[str]:
    """Return so many victims, each kind as often as the others, in random order."""
    kinds = list(VICTIMS)
    found = [kinds[number % len(kinds)] for number in range(count)]
    chance.shuffle(found)
    return found


def _pair(gpuqd: Gpuqd) -> None:
    """Run two trainings at once; no GPU is with both, and both complete."""
    mode = MODES["sync"]
    spec = {"script_name": mode.sample, "script": (SAMPLES / mode.sample).read_text(), "args": ["--epochs", "1"]}
    both = [gpuqd.client.enqueue({**spec, "workers": 2})["id"] for _ in range(2)]
    jobs = [gpuqd.ended(job_id, timeout_s=400) for job_id in both]
    for job in jobs:
        assert job["state"] == "COMPLETED", job
        check_ranks(job)
    held = [{(rank["node"], gpu) for rank in job["ranks"] for gpu in rank["gpus"]} for job in jobs]
    assert not held[0] & held[1], held
