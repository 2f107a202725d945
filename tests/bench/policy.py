"""How long a pass takes, by policy, and how that grows: `python -m tests.bench.policy [POLICY ...] [PENDING ...]`.

A full cluster of 1 000 nodes with 4 GPU models, 500 users in 20 accounts. CPU seconds of this process.
"""

from __future__ import annotations

import gc
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.fairtree import Shares, fair_tree
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.limits import Limit, Limits
from gpuq_daemon.policy.making import engine_for
from gpuq_daemon.policy.plan import plan
from gpuq_daemon.policy.reasons import explain
from gpuq_daemon.policy.rules import Qos, Rules
from gpuq_daemon.policy.snapshot import ActiveJob, NodeView, PendingJob, Plan, Snapshot
from gpuq_daemon.policy.tiers.settings import Tiers
from tests.bench.rows import Row, quantile

USERS, ACCOUNTS, NODES, MODELS = 500, 20, 1000, ("a100", "h100", "t4", "v100")
SHAPES = ((1, 1), (1, 2), (1, 4), (1, 8), (2, 8), (4, 8), (2, 4), (4, 1), (16, 8), (64, 8))
WEIGHTS = (30, 12, 12, 16, 8, 5, 5, 8, 3, 1)
LIMITS_S = (None, 900, 1800, 3600, 7200, 4 * 3600, 8 * 3600, 12 * 3600, 86400, 2 * 86400)
NOW = 1_700_000_000.0
SIZES: Sequence[int] = (1_000, 10_000, 100_000)  # pending jobs
POLICIES: dict[str, Tiers | None] = {"multifactor": None, "tiered": Tiers(), "fair-first": Tiers(is_governed=True)}


def measure() -> list[Row]:
    """Return the rows of every policy that can decide live, at 1 000, 10 000 and 100 000 pending jobs."""
    return [row for policy in POLICIES for pending in SIZES for row in measure_at(pending, policy)]


def measure_at(pending: int, policy: str) -> list[Row]:
    """Return the rows at one number of pending jobs."""
    gc.unfreeze()  # so that what the size before kept is not in the way
    gc.collect()
    rng, tree = random.Random(pending), a_tree()
    world = a_world(rng, tree, pending, POLICIES[policy])
    begin = time.process_time()
    engine = engine_for(world)
    settle(engine)
    filled = time.process_time() - begin
    gc.collect()
    gc.freeze()  # as the daemon does once it has loaded its queue
    full = [timed(lambda: full_pass(engine, rng, tree)) for _ in range(8)]
    rows = [
        Row(name="build and fill", value=filled, unit="s CPU", aim="<= 5"),
        Row(name="full pass with all reasons, worst of 8", value=max(full), unit="s CPU", aim="<= 1"),
        *change_rows(engine, rng),
        *question_rows(engine, rng),
        Row(name="peak RSS of the benchmark", value=peak_rss_mib(), unit="MiB", aim="<= 600"),
    ]
    return [replace(row, name=f"{policy}: {row.name}, {pending} pending") for row in rows]


def change_rows(engine: Engine, rng: random.Random) -> Iterator[Row]:
    """Yield how long a pass takes after one change."""
    after_submit, after_end = changes(engine, rng)
    for name, spans in (("submit", after_submit), ("end", after_end)):
        yield Row(name=f"pass after one {name}, p50", value=quantile(spans, 0.5) * 1e3, unit="ms CPU")
        yield Row(name=f"pass after one {name}, p99", value=quantile(spans, 0.99) * 1e3, unit="ms CPU", aim="<= 20")


def question_rows(engine: Engine, rng: random.Random) -> Iterator[Row]:
    """Yield how long it takes to explain a job, and to plan without any shortcut."""
    snapshot = engine.snapshot(NOW + 1000)
    engine.plan(NOW + 1000)
    waiting = rng.sample(sorted(job.job_id for job in snapshot.pending), 20)
    why = max(timed(partial(explain, engine, job_id)) for job_id in waiting)
    yield Row(name="why, worst of 20", value=why * 1e3, unit="ms CPU")
    if snapshot.rules.tiers is None:  # which have no other definition than their engine
        yield Row(name="plan(snapshot), pure", value=timed(lambda: plan(snapshot)), unit="s CPU")


def peak_rss_mib() -> float:
    """Return the most memory this process ever had in RAM. Source: getrusage(2) ru_maxrss, in KiB on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def a_tree() -> Tree:
    """Return 20 accounts with 25 users each."""
    accounts = (Account(name="root", parent=None), *(Account(name=f"a{i}", shares=i % 5 + 1) for i in range(ACCOUNTS)))
    users = tuple(Association(user=f"u{i}", account=f"a{i % ACCOUNTS}") for i in range(USERS))
    return Tree(accounts=accounts, associations=users)


def a_world(rng: random.Random, tree: Tree, pending: int, tiers: Tiers | None) -> Snapshot:
    """Return a cluster whose nodes all run something, with jobs waiting; of ten nine may be stopped."""
    nodes = tuple(
        NodeView(name=f"n{i:04}", partition="main", gpus=8, gpu_type=MODELS[i % 4], cpus=64, memory_mib=512_000)
        for i in range(NODES)
    )
    limits = Limits(
        users={f"u{i}": Limit(running_gpus=64) for i in range(0, USERS, 2)},
        accounts={f"a{i}": Limit(running_gpus=1200) for i in range(ACCOUNTS)},
        qos_users={"high": Limit(running_jobs=4)},
        parents=tree.parents(),
    )
    rules = Rules(limits=limits, qos={"normal": Qos(priority=0), "high": Qos(priority=10)}, partitions={"main": 1})
    rules = replace(rules, tiers=tiers, tree=tree)
    active: list[ActiveJob] = []
    for i in range(NODES):
        left = 8
        while left:
            gpus = min(left, rng.choice((1, 1, 2, 4, 8)))
            left -= gpus
            user = rng.randrange(USERS)
            active.append(
                ActiveJob(
                    job_id=len(active) + 1,
                    user=f"u{user}",
                    account=f"a{user % ACCOUNTS}",
                    partition="main",
                    gpus_by_node={f"n{i:04}": gpus},
                    started_at=NOW - 100 - 40 * (i % 200),
                    gang=Gang(gpus_per_worker=gpus),
                    is_preemptible=len(active) % 10 > 0,
                    until=NOW + rng.randrange(100, 90_000) if rng.random() < 0.9 else None,
                )
            )
    jobs = tuple(a_job(rng, 100_000 + i) for i in range(pending))
    return Snapshot(
        now=NOW, nodes=nodes, pending=jobs, active=tuple(active), rules=rules, shares=some_shares(rng, tree)
    )


_GANGS: dict[tuple[int, int, str | None], Gang] = {}


def a_job(rng: random.Random, job_id: int) -> PendingJob:
    """Return a job of some user, shape, model and length."""
    workers, gpus = rng.choices(SHAPES, WEIGHTS)[0]
    model = rng.choice((*MODELS, None)) if rng.random() < 0.9 else None
    user = min(int(rng.paretovariate(1.0)), USERS - 1) if rng.random() < 0.3 else rng.randrange(USERS)
    gang = _GANGS.setdefault(
        (workers, gpus, model), Gang(workers=workers, gpus_per_worker=gpus, gpu_type=model, cpus_per_worker=gpus)
    )
    return PendingJob(
        job_id=job_id,
        user=f"u{user}",
        account=f"a{user % ACCOUNTS}",
        qos="high" if rng.random() < 0.1 else "normal",
        name=f"train-{job_id}",
        partition="main",
        submitted_at=NOW - rng.randrange(5 * 86400),
        time_limit_s=rng.choice(LIMITS_S),
        gang=gang,
        is_preemptible=job_id % 10 > 0,
    )


def some_shares(rng: random.Random, tree: Tree) -> Shares:
    """Return the shares of a random usage."""
    return fair_tree(tree, {(a.account, a.user): rng.random() * 1e6 for a in tree.associations}, at=NOW)


def settle(engine: Engine) -> None:
    """Carry out passes until nothing starts any more."""
    while (decided := engine.plan(NOW)).starts:
        carry_out(engine, decided, NOW)


def carry_out(engine: Engine, decided: Plan, now: float) -> list[ActiveJob]:
    """Begin what a plan starts."""
    begun: list[ActiveJob] = []
    for one in decided.preemptions:
        engine.stop(one.job_id)  # and is not seen again: what it would wait for is not measured here
    for start in decided.starts:
        job = engine.pending(start.job_id)
        on = {node: workers * job.gang.gpus_per_worker for node, workers in start.workers_by_node.items()}
        until = None if job.time_limit_s is None else now + job.time_limit_s
        begun.append(
            ActiveJob(
                job_id=job.job_id, user=job.user, account=job.account, qos=job.qos, name=job.name, started_at=now,
                partition="main", gpus_by_node=on, cpus_by_node=on, until=until, gang=job.gang,
                is_preemptible=job.is_preemptible,
            )
        )  # fmt: skip
        engine.begin(begun[-1])
    return begun


def full_pass(engine: Engine, rng: random.Random, tree: Tree) -> None:
    """Order all jobs by new shares, plan, and find every reason."""
    engine.recalculate(some_shares(rng, tree), {})
    engine.plan(NOW)
    dict(engine.reasons())


def changes(engine: Engine, rng: random.Random) -> tuple[list[float], list[float]]:
    """Submit and end jobs by turns; return how long each change with its pass took."""
    active = {job.job_id: job for job in engine.snapshot(NOW).active}
    after_submit, after_end = list[float](), list[float]()
    now = NOW
    for turn in range(100):
        now += 2.0
        job = a_job(rng, 1_000_000 + turn)
        after_submit.append(timed(partial(submit, engine, replace(job, submitted_at=now), now)))
        active.update((one.job_id, one) for one in carry_out(engine, engine.plan(now), now))
        ended = active.pop(rng.choice(sorted(active.keys() & {job.job_id for job in engine.snapshot(now).active})))
        after_end.append(timed(partial(end, engine, ended.job_id, now)))
        active.update((one.job_id, one) for one in carry_out(engine, engine.plan(now), now))
    return after_submit, after_end


def submit(engine: Engine, job: PendingJob, now: float) -> None:
    """Submit a job and make a pass."""
    engine.submit(job)
    engine.plan(now)


def end(engine: Engine, job_id: int, now: float) -> None:
    """End a job and make a pass."""
    engine.end(job_id, Fate.OK)
    engine.plan(now)


def timed(do: Callable[[], object]) -> float:
    """Return the CPU seconds something takes."""
    begin = time.process_time()
    do()
    return time.process_time() - begin


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()] or SIZES
    for name in [word for word in sys.argv[1:] if word in POLICIES] or POLICIES:
        for found in (row for size in sizes for row in measure_at(size, name)):
            print(f"{found.name:60} {found.value:>10.3f} {found.unit:8} {found.aim or ''}".rstrip(), flush=True)
