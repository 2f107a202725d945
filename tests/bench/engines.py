"""Launch/kill cycles on a Standalone cluster, and pairs of jobs at once: whatever is left or shared is a failure.

Before that, what gpuq costs a training beside TensorFlowOnSpark alone.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

from tests.bench import overheads
from tests.bench.rows import Row, quantile
from tests.support.cells import check_ranks, what_is_left
from tests.support.cycles import VICTIMS, Cycle, cycle, left_on
from tests.support.daemon import Gpuqd, gpuqd_with
from tests.support.standalone import a_standalone_cluster

_CYCLES, _PAIRS, _SEED = 50, 20, 2026


def measure() -> list[Row]:
    """Return how many cycles and pairs were survived; what was left, shared or wrong in the others is printed."""
    cycles, pairs = (int(os.environ.get(name, most)) for name, most in (("CYCLES", _CYCLES), ("PAIRS", _PAIRS)))
    costs = overheads.measure()
    chance = random.Random(_SEED)
    found: list[Cycle] = []
    shared = 0
    with a_standalone_cluster(("0", "1"), ("2", "3")) as cluster, gpuqd_with(cluster.partition) as gpuqd:
        before = time.monotonic()
        for victim in _mixed(cycles, chance):
            try:
                found.append(cycle(gpuqd, cluster, victim, chance, workers=chance.choice((1, 2))))
                _say(f"{victim}, {found[-1].delay_s:.1f} s after it was there: {found[-1].job['error']}")
            except AssertionError as error:
                _say(f"FAILED: {victim}: {error}")
        taken = time.monotonic() - before
        for number in range(pairs):
            try:
                _pair(gpuqd, gpuqd.folder / f"pair-{number}")
                assert left_on(cluster) == {}
                _say(f"pair {number + 1}")
            except AssertionError as error:
                shared += 1
                _say(f"FAILED: pair {number + 1}: {error}")
    states = Counter(one.job["state"] for one in found)
    ends = [one.ended_s for one in found if one.job["state"] == "FAILED"]
    return [
        *costs,
        Row(
            name="launch/kill cycles on Standalone without a trace",
            value=len(found),
            unit="cycles",
            aim=f">= {cycles}",
        ),
        Row(name="of them FAILED, with the reason", value=states["FAILED"], unit="jobs"),
        Row(name="of them gone on, as Spark began anew what was killed", value=states["CANCELLED"], unit="jobs"),
        Row(name="from the kill to the job's end, half of them within", value=quantile(ends or [0.0], 0.5), unit="s"),
        Row(name="from the kill to the job's end, at most", value=max(ends, default=0.0), unit="s"),
        Row(name="a cycle", value=taken / max(1, cycles), unit="s"),
        Row(
            name="pairs of jobs at once, no port and no GPU in common",
            value=pairs - shared,
            unit="pairs",
            aim=f">= {pairs}",
        ),
    ]


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


def _mixed(count: int, chance: random.Random) -> list[str]:
    """Return so many victims, each kind as often as the others, in random order."""
    kinds = list(VICTIMS)
    found = [kinds[number % len(kinds)] for number in range(count)]
    chance.shuffle(found)
    return found


# Every rank of both jobs listens where TensorFlow would, until all four do.
_LISTENS = """
import json, os, pathlib, socket, time

def main_fun(args, ctx):
    config = json.loads(os.environ["TF_CONFIG"])
    host, port = config["cluster"][config["task"]["type"]][config["task"]["index"]].rsplit(":", 1)
    with socket.create_server((host, int(port))):
        there = pathlib.Path(args[1])
        (there / f"{os.environ['GPUQ_JOB_ID']}-{ctx.executor_id}").write_text(port)
        while len(list(there.iterdir())) < 4:
            time.sleep(0.05)
"""


def _pair(gpuqd: Gpuqd, folder: Path) -> None:
    """Run two jobs of two ranks at once; all have ports and GPUs of their own, and both complete."""
    folder.mkdir()
    both = [gpuqd.enqueue(_LISTENS, workers=2, args=[str(folder)]) for _ in range(2)]
    try:
        jobs = [gpuqd.ended(job_id, timeout_s=200) for job_id in both]
    finally:
        for job_id in both:
            gpuqd.client.cancel(job_id)  # what has ended stays as it is
    for job in jobs:
        assert job["state"] == "COMPLETED", job
        check_ranks(job)
        assert what_is_left(gpuqd, job["id"]) == {}
    held = [{(rank["node"], gpu) for rank in job["ranks"] for gpu in rank["gpus"]} for job in jobs]
    assert len(held[0] | held[1]) == 4, held
    ports = [file.read_text() for file in folder.iterdir()]
    assert len(set(ports)) == 4, ports
