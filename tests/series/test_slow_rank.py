"""The rank that the others of a synchronous training wait for is named, and no healthy one is."""

from __future__ import annotations

from random import Random

import pytest
from msgspec import convert

from gpuq_daemon.series.sampled import Sample, Steps
from gpuq_daemon.series.slow_rank import FEWEST_SAMPLES, Paces, SlowRank
from gpuq_job.steps import StepTimes

EVERY_S = 10.0


def a_training(
    random: Random, *, ranks: int, seconds: float, sleepy: int | None = None, share: float = 1.0
) -> list[Sample]:
    """Return what ranks tell of a synchronous training: in each step all wait for the one that comes last.

    The `sleepy` one sleeps for as long as a step takes otherwise, in a `share` of the steps. All of them pause now and
    then, and the chief alone writes something after each step and saves after each hundredth.
    """
    clocks = [0.0] * ranks
    times = [StepTimes(lambda rank=rank: clocks[rank]) for rank in range(ranks)]
    pace = random.uniform(0.03, 0.6)
    told, at, steps = list[Sample](), EVERY_S, 0
    while clocks[0] < seconds:
        for rank in range(ranks):
            clocks[rank] += random.expovariate(1 / 0.002) + (0.003 if rank == 0 else 0.0)
            clocks[rank] += 1.0 if rank == 0 and steps % 100 == 99 else 0.0
            clocks[rank] += random.uniform(0.1, 0.5) if random.random() < 0.01 else 0.0
            if rank == sleepy and random.random() < share:
                clocks[rank] += max(0.05, pace)
        begins = list(clocks)
        ends = max(begins) + pace * random.uniform(0.9, 1.2)

        def wait(rank: int, until: float = ends) -> None:
            clocks[rank] = until

        for rank in range(ranks):
            times[rank].counted(wait)(rank)
        steps += 1
        if ends >= at:
            at += EVERY_S
            for rank in range(ranks):
                if (taken := times[rank].take()) is not None:
                    of_steps = convert(taken, Steps)
                    told.append(Sample(t=ends, rank=rank, cpu=50, memory_mib=100, idle_s=0, steps=of_steps))
    return told


def named(samples: list[Sample], seconds: float | None = None) -> set[int]:
    """Return every rank that is said to be slow at any time."""
    paces, found = Paces(), set[int]()
    for sample in samples:
        paces.add(sample)
        slow = paces.slow()
        if slow is not None and (seconds is None or sample.t <= seconds):
            found.add(slow.rank)
    return found


@pytest.mark.parametrize("seed", range(10))
def test_a_rank_that_sleeps_is_named_within_a_minute_and_no_other_ever(seed: int) -> None:
    random = Random(seed)
    ranks = random.randint(2, 16)
    sleepy = random.randrange(ranks)

    samples = a_training(random, ranks=ranks, seconds=300, sleepy=sleepy, share=random.choice((1.0, 0.8)))

    assert named(samples, seconds=60) == {sleepy}
    assert named(samples) == {sleepy}


@pytest.mark.parametrize("seed", range(10))
def test_nobody_is_named_in_a_healthy_training(seed: int) -> None:
    random = Random(1000 + seed)

    assert named(a_training(random, ranks=random.randint(2, 16), seconds=900)) == set()


def a_sample(rank: int, at: float, own_s: float, step_s: float) -> Sample:
    steps = Steps(count=10, mean_s=step_s, p95_s=step_s, own_s=own_s, own_p95_s=own_s)
    return Sample(t=at, rank=rank, cpu=1, memory_mib=1, idle_s=0, steps=steps)


def test_a_few_samples_are_too_few_and_old_ones_do_not_count() -> None:
    paces = Paces()
    for n in range(FEWEST_SAMPLES - 1):
        for rank in range(2):
            paces.add(a_sample(rank, n * EVERY_S, own_s=0.5 * rank, step_s=0.6))
    assert paces.slow() is None

    for n in range(10, 20):
        for rank in range(2):
            paces.add(a_sample(rank, n * EVERY_S, own_s=0.01, step_s=0.1))
    assert paces.slow() is None

    for n in range(20, 30):
        for rank in range(2):
            paces.add(a_sample(rank, n * EVERY_S, own_s=0.5 * rank, step_s=0.6))
    slow = paces.slow()
    assert slow is not None
    assert slow == SlowRank(rank=1, own_s=0.5, others_s=0.0, step_s=0.6, p95_s=0.5)
    assert slow.text == (
        "rank 1 holds up the others: 0.5 s of each step of 0.6 s (95 % below 0.5 s) are outside TensorFlow, "
        "0 s in the others"
    )


def test_a_rank_alone_holds_up_nobody() -> None:
    paces = Paces()
    for n in range(6):
        paces.add(a_sample(0, n * EVERY_S, own_s=5.0, step_s=6.0))

    assert paces.slow() is None
