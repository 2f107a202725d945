"""A cluster with something of everything, for the screens in the documents."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from gpuq.gpus import Gpu, GpuState
from gpuq.models import Holder, Job, JobState, Node, Progress, Reason, Signal, SignalKind, Why
from gpuq.summaries import Curve, HeatMap, SeriesKind
from gpuq.units import moment
from tests.tui.scripted import NOW, ScriptedClient, a_curve, a_job, a_running_job, a_series

_WAITING = (
    ("resnet152-b512", "alice", "vision", 16, Reason.RESOURCES, 900.0),
    ("bert-pretrain", "bob", "nlp", 8, Reason.PRIORITY, 4200.0),
    ("dlrm-criteo", "dave", "rec", 4, Reason.PRIORITY, 7000.0),
    ("unet-seg", "carol", "vision", 8, Reason.HELD_BY_USER, 20_000.0),
)
_RUNNING = (
    ("resnet50", "alice", "vision", 8, ("gpu-01",), 1.284, 1.301),
    ("t5-base", "erin", "nlp", 8, ("gpu-02",), 2.013, 2.045),
    ("ranker-v3", "dave", "rec", 4, ("gpu-03",), 0.1312, 0.1312),
    ("vit-small", "carol", "vision", 2, ("gpu-03",), 0.871, 0.852),
)


def showcase() -> ScriptedClient:
    """Return a client that answers about such a cluster, the same each time."""
    held = {"gpu-01": (0, (104,)), "gpu-02": (0, (105,)), "gpu-03": (2, (106, 107))}
    nodes = tuple(
        Node(
            name=name, host=name, partition="a100", gpu_kind="GPU", gpus=8, free_gpus=free, gpu_type="a100", job_ids=ids
        )
        for name, (free, ids) in held.items()
    )
    return ScriptedClient(
        queue=[*_running(), *_waiting(), *_sweep()],
        nodes=nodes,
        curves=_curves(),
        bend=_of_job,
        heat=_spreading,
        gpu_cells=_gpus(),
        whys={110: _why()},
        log="".join(
            f"step {step} loss {_loss(step):.4f} img/s {410 + step % 7}\n" for step in range(17_900, 18_230, 10)
        ),
    )


def _running() -> list[Job]:
    jobs = [
        a_running_job(
            104 + i, name=name, user=user, account=account, gpus=gpus, workers=max(1, gpus // 4),
            gpus_per_worker=min(4, gpus), gpu_kind="GPU", partition="a100", nodes=where, time_limit_s=43_200,
            submitted_at=NOW - 15_000 - 900 * i, started_at=NOW - 12_120 - 700 * i, running_at=NOW - 12_100 - 700 * i,
            progress=Progress(tag="loss", step=18_220 - 340 * i, value=value, previous=before, wall_time=NOW),
        )
        for i, (name, user, account, gpus, where, value, before) in enumerate(_RUNNING)
    ]  # fmt: skip
    idle = "rank 1 holds a GPU and does nothing for 38 min"
    signal = Signal(kind=SignalKind.IDLE, attempt=1, rank=1, tag="", step=0, wall_time=NOW - 2280, text=idle)
    return [*jobs[:-1], replace(jobs[-1], signals=(signal,))]


def _waiting() -> list[Job]:
    return [
        a_job(110 + i, name=name, user=user, account=account, gpus=gpus, workers=gpus // 4, gpus_per_worker=4,
              gpu_kind="GPU", partition="a100", reason=reason, submitted_at=NOW - waited, priority=812_000 - 20_000 * i)
        for i, (name, user, account, gpus, reason, waited) in enumerate(_WAITING)
    ]  # fmt: skip


def _why() -> Why:
    until = {job_id: NOW + 43_200 - 12_120 - 700 * (job_id - 104) for job_id in (104, 105, 106, 107)}
    held = {107: ("carol", 2), 106: ("dave", 4), 105: ("erin", 8), 104: ("alice", 8)}
    holders = tuple(Holder(job_id=i, user=user, gpus=gpus, until=until[i]) for i, (user, gpus) in held.items())
    named = "; ".join(
        f"job {one.job_id} ({one.user}) holds {one.gpus} until {moment(until[one.job_id])} at the latest"
        for one in holders[:3]
    )
    start_at = until[105]
    return Why(
        job_id=110, state=JobState.PENDING, reason=Reason.RESOURCES,
        text=f"needs 16 GPUs (4 x 4), 2 of 24 free: {named} and 1 more job; starts by {moment(start_at)}.",
        needs_gpus=16, free_gpus=2, total_gpus=24, held_by=holders, start_at=start_at, p50_at=NOW + 5400,
        p90_at=NOW + 16_000, priority=812_000,
    )  # fmt: skip


def _sweep() -> list[Job]:
    return [
        a_job(120 + i, name="lr-sweep", user="erin", account="nlp", gpus=1, workers=1, gpu_kind="GPU", partition="a100",
              reason=Reason.PRIORITY, submitted_at=NOW - 300, array_id=120, array_index=i)
        for i in range(4)
    ]  # fmt: skip


def _loss(step: float) -> float:
    return 1.25 + 3.2 * math.exp(-step / 3200)


def _curves() -> dict[str, Curve]:
    chance = random.Random(7)
    steps = range(0, 18_240, 96)

    def noisy(values: list[float], spread: float) -> list[float]:
        return [value + spread * chance.gauss(0, 1) for value in values]

    shapes = {
        "loss": noisy([_loss(s) for s in steps], 0.05),
        "val/accuracy": noisy([0.74 - 0.66 * math.exp(-s / 4200) for s in steps], 0.006),
        "images per second": noisy([412.0 - 150 * math.exp(-s / 300) for s in steps], 9),
        "learning rate": [0.1 * 0.5 * (1 + math.cos(math.pi * s / 18_240)) for s in steps],
    }
    curves: dict[str, Curve] = {}
    for tag, values in shapes.items():
        series = a_series(tag, count=len(values), last_step=steps[-1], last_value=values[-1])
        curve = a_curve(series, values)
        curves[tag] = replace(
            curve, steps=tuple(map(float, steps)), wall_times=tuple(NOW - 12_000 + 0.66 * s for s in steps)
        )
    for tag in ("conv1/kernel", "conv5/kernel", "dense/bias", "dense/kernel"):
        curves[tag] = a_curve(a_series(tag, kind=SeriesKind.HISTOGRAM))
    return curves


def _spreading(tag: str, bins: int) -> HeatMap:
    """Return a distribution that spreads and moves while the training goes on."""
    pace, drift = 1 + len(tag) % 3, (len(tag) % 5 - 2) / 4
    steps = tuple(range(0, 18_240, 380))

    def counts(step: int) -> tuple[float, ...]:
        width, middle = 0.12 + 0.25 * pace * step / 18_240, drift * step / 18_240
        places = ((2 * (k + 0.5) / bins - 1 - middle) / width for k in range(bins))
        return tuple(float(round(5000 * math.exp(-place * place / 2))) for place in places)

    series = a_series(tag, kind=SeriesKind.HISTOGRAM, count=len(steps), job_id=104)
    return HeatMap(series=series, low=-1.0, high=1.0, steps=steps, counts=tuple(map(counts, steps)))


def _of_job(job_id: int, curve: Curve) -> Curve:
    """Return the curve of a job: no two go the same way."""
    factor = 1 + 0.09 * (job_id - 104)

    def bent(values: tuple[float | None, ...]) -> tuple[float | None, ...]:
        return tuple(None if value is None else value * factor for value in values)

    return replace(curve, low=bent(curve.low), high=bent(curve.high), last=bent(curve.last))


def _gpus() -> list[Gpu]:
    held = (
        [("gpu-01", 104)] * 8
        + [("gpu-02", 105)] * 8
        + [("gpu-03", 106)] * 4
        + [("gpu-03", 107)] * 2
        + [("gpu-03", None)] * 2
    )
    places: dict[str, int] = {}
    cells: list[Gpu] = []
    for node, job_id in held:
        place = places.setdefault(node, 0)
        places[node] += 1
        state = GpuState.FREE if job_id is None else GpuState.IDLE if (job_id, place) == (107, 5) else GpuState.BUSY
        cells.append(Gpu(node=node, place=place, partition="a100", kind="GPU", state=state, job_id=job_id))
    return cells
