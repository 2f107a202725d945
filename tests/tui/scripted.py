"""A client that answers from values, and an app around it that asks without threads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from textual.pilot import Pilot

from gpuq import models
from gpuq.client import Json
from gpuq.errors import ForbiddenError, NotFoundError, UnavailableError
from gpuq.gpus import Gpu
from gpuq.models import Cluster, Job, JobState, Node, Progress, Rank, RankState, Reason, Why
from gpuq.sharing import AccountRow, Drain, LimitRow, Member, QosRow, ShareRow
from gpuq.summaries import Checkpoint, CheckpointContents, Curve, Distribution, HeatMap, Series, SeriesKind, Weights
from gpuq.tracing import Trace, Traced
from gpuq_tui.app import GpuqApp
from gpuq_tui.changes import Event
from gpuq_tui.lines.line import Look

T = TypeVar("T")


class QuietError(Exception):
    """There is nothing to tell yet."""

    def __init__(self, until: asyncio.Event) -> None:
        super().__init__()
        self.until = until


class ScriptedStream(Iterator[list[Event]]):
    """Tells everything there is, then what a test gives it with `tell`; ends when it is closed."""

    def __init__(self, snapshot: list[Event]) -> None:
        self.last: str | None = None
        self._told = [snapshot]
        self._stirred = asyncio.Event()
        self._is_closed = False

    def tell(self, *told: Event) -> None:
        """Tell these events together."""
        self._told.append(list(told))
        self._stirred.set()

    def batches(self) -> Iterator[list[Event]]:
        return self

    def __iter__(self) -> Iterator[list[Event]]:
        return self

    def __next__(self) -> list[Event]:
        self._stirred.clear()
        if self._told:
            return self._told.pop(0)
        if self._is_closed:
            raise UnavailableError("gpuqd ended the stream; it may be starting again.")
        raise QuietError(self._stirred)

    def close(self) -> None:
        self._is_closed = True
        self._stirred.set()


@dataclass
class ScriptedRun:
    """A line that has printed all it had to say."""

    said: str
    is_closed: bool = False

    def pieces(self) -> Iterator[str]:
        yield from (self.said,) if self.said else ()

    def exit_code(self) -> int:
        return 0

    def close(self) -> None:
        self.is_closed = True


NOW = 1_795_600_000.0  # 2026-11-25 09:46:40 UTC
HOSTILE = "\x1b[31mred\x1b]0;title\x07 [bold]x[/bold] [/] ‮rtl \U0001f469‍\U0001f469 漢字 \udcff\n" + "n" * 10_000


def a_job(job_id: int = 1, **changes: Any) -> Job:
    """Return a job that waits for two GPUs."""
    job = Job(
        id=job_id,
        name="train",
        user="alice",
        partition="main",
        state=JobState.PENDING,
        reason=Reason.RESOURCES,
        workers=2,
        gpus_per_worker=1,
        gpus=2,
        gpu_kind="virtual GPU",
        script_name="train.py",
        script_sha256="ab" * 32,
        submitted_at=NOW - 100,
    )
    return replace(job, **changes)


def a_running_job(job_id: int = 1, **changes: Any) -> Job:
    """Return a job with two running ranks and a loss."""
    ranks = tuple(
        Rank(rank=r, role="worker" if r else "chief", host="n1", pid=70 + r, gpus=(str(r),), state=RankState.RUNNING)
        for r in (0, 1)
    )
    running = dict[str, Any](
        state=JobState.RUNNING,
        reason=None,
        started_at=NOW - 60,
        running_at=NOW - 50,
        attempt=1,
        nodes=("n1",),
        ranks=ranks,
        progress=Progress(tag="loss", step=40, value=0.5, wall_time=NOW, previous=0.6),
    )
    return a_job(job_id, **{**running, **changes})


def a_series(tag: str, **changes: Any) -> Series:
    """Return a scalar of rank 0 of job 1."""
    series = Series(
        job_id=1, attempt=1, rank=0, run=".", tag=tag, kind=SeriesKind.SCALAR,
        count=3, first_step=0, last_step=2, last_wall_time=NOW, last_value=1.0,
    )  # fmt: skip
    return replace(series, **changes)


def a_curve(series: Series, values: Sequence[float] = (3.0, 2.0, 1.0)) -> Curve:
    """Return a curve through `values` at steps 0, 1, 2, ..."""
    points = tuple(values)
    steps = tuple(float(i) for i in range(len(points)))
    return Curve(series=series, steps=steps, wall_times=steps, low=points, high=points, last=points, count=len(points))


A_CHECKPOINT = Checkpoint(job_id=1, name="ckpt-5", format="tensorflow", step=5, save=None, saved_at=NOW, bytes=24)


def a_variable(name: str) -> Weights:
    """Return a variable of a checkpoint."""
    return Weights(name=name, key=name, dtype="float32", shape=(6,), bytes=24)


def as_json(value: Any) -> Json:
    """Return a model as the API's JSON, lists and all."""
    return json.loads(json.dumps(asdict(value)))


@dataclass
class ScriptedClient:
    """Answers as `gpuq.client.Client` would, from what it was given; raises `failure` if there is one."""

    queue: list[Job] = field(default_factory=list[Job])
    curves: dict[str, Curve] = field(default_factory=dict[str, Curve])
    log: str = ""
    engine_message: str | None = None
    failure: Exception | None = None
    free: int = 0
    ran: list[list[str]] = field(default_factory=list[list[str]])
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    path: str = "/nowhere"
    share_rows: list[ShareRow] = field(default_factory=list[ShareRow])
    drained: list[Drain] = field(default_factory=list[Drain])
    traces: tuple[Trace, ...] = ()
    gpu_cells: list[Gpu] = field(default_factory=list[Gpu])
    variables: tuple[str, ...] = ()
    heat: Callable[[str, int], HeatMap] | None = None
    bend: Callable[[int, Curve], Curve] | None = None
    nodes: tuple[Node, ...] = ()
    are_streams_told: bool = True
    told: list[models.Message] = field(default_factory=list[models.Message])
    whys: dict[int, Why] = field(default_factory=dict[int, Why])
    """By job; of the others a word or two."""
    rank_logs: dict[int | None, str] = field(default_factory=dict[int | None, str])
    asked_curves: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    streams: list[ScriptedStream] = field(default_factory=list[ScriptedStream])
    asked: list[str] = field(default_factory=list[str])
    asked_logs: list[tuple[int | None, int]] = field(default_factory=list[tuple[int | None, int]])
    held_logs: asyncio.Event | None = None
    """No log is read while this is there and not set."""

    def stream(self, *, last: str | None = None, heartbeat_s: float = 15, table: bool = False) -> ScriptedStream:
        self._fail()
        self.asked.append(f"stream after {last}")
        live = [as_json(job) for job in self.queue if not job.state.is_final]
        cells = {"gpus": [as_json(gpu) for gpu in self.gpu_cells], "gone": [], "is_whole": True}
        snapshot: list[Event] = [("reset", {}), ("cluster", self._cluster()), ("gpus", cells), ("jobs", {"jobs": live})]
        snapshot.append(("ready", {}))
        self.streams.append(ScriptedStream(snapshot))
        return self.streams[-1]

    def _cluster(self) -> Json:
        n1 = Node(name="n1", partition="main", host="n1", gpu_kind="virtual GPU", gpus=2, free_gpus=self.free)
        is_ok = self.engine_message is None
        return as_json(
            Cluster(
                name="prod",
                version="1",
                pid=1,
                engine_ok=is_ok,
                engine_message=self.engine_message,
                nodes=self.nodes or (n1,),
            )
        )

    def jobs(self, *, everything: bool = False) -> list[Json]:
        self._fail()
        self.asked.append("jobs")
        return [as_json(job) for job in self.queue if everything or not job.state.is_final]

    def job(self, job_id: int) -> Json:
        return as_json(self._find(job_id))

    def why(self, job_id: int) -> Json:
        job = self._find(job_id)
        self.asked.append(f"why {job_id}")
        if job_id in self.whys:
            return as_json(self.whys[job_id])
        text = f"Job {job_id} needs {job.gpus} GPUs and 0 are free."
        return as_json(
            Why(
                job_id=job_id,
                state=job.state,
                reason=job.reason,
                text=text,
                needs_gpus=job.gpus,
                free_gpus=0,
                total_gpus=2,
            )
        )

    def start(self, words: Sequence[str], columns: int) -> ScriptedRun:
        """Note a line and give what it prints: by its first word in `outputs`, else that it was done."""
        self.ran.append(list(words))
        return ScriptedRun(self.outputs.get(words[0] if words else "", f"{' '.join(words)}: done\n"))

    def shares(self) -> Json:
        self._fail()
        rows = [as_json(row) for row in self.share_rows]
        return {"at": NOW, "half_life_s": 604_800.0, "is_open": not rows, "shares": rows}

    def accounts(self) -> Json:
        self._fail()
        account = AccountRow(name="vision", parent="root", shares=3, users=1)
        member = Member(user="ann", account="vision", shares=1, is_default=True)
        return {"accounts": [as_json(account)], "members": [as_json(member)]}

    def qos(self) -> list[Json]:
        return [as_json(QosRow(name="urgent", priority=10, usage_factor=2.0))]

    def limits(self) -> list[Json]:
        limit = LimitRow(
            kind="user", name="ann", running_gpus=8, running_jobs=None, queued_jobs=None, gpu_hours=None, longest_s=None
        )
        return [as_json(limit)]

    def reservations(self) -> list[Json]:
        return []

    def drains(self) -> list[Json]:
        self._fail()
        return [as_json(drain) for drain in self.drained]

    def trace(self, handle: str) -> Json:
        self.asked.append(f"trace {handle}")
        return as_json(Traced(handle=handle, kind="job", traces=self.traces, searched=""))

    def diag(self) -> Json:
        raise ForbiddenError("Only operators may see how gpuqd fares.")

    def logs(
        self,
        job_id: int,
        *,
        rank: int | None = None,
        offset: int = 0,
        limit: int = 10**9,
        attempt: int | None = None,
        stream: str | None = None,
        until: int | None = None,
    ) -> Json:
        self._find(job_id)
        if self.held_logs is not None and not self.held_logs.is_set():
            raise QuietError(self.held_logs)
        self.asked_logs.append((rank, offset))
        log = self.log if attempt is None else f"attempt {attempt}\n"
        log = self.rank_logs.get(rank, log)
        if stream is not None and self.are_streams_told:
            log = "".join(text for text in log.splitlines(keepends=True) if text.startswith(stream))
        if not log:
            raise NotFoundError(f"Job {job_id} has no log yet.")
        data = log.encode("utf-8", "surrogatepass")
        last = len(data) if until is None else min(until, len(data))
        start = max(0, last + offset) if offset < 0 else offset
        end = min(last, start + limit)
        return {
            "is_told_apart": None if stream is None else self.are_streams_told,
            "data": data[start:end].decode("utf-8", "surrogatepass"),
            "offset": start,
            "next_offset": end,
            "size": len(data),
            "is_final": False,
            "rank": rank,
        }

    def checkpoints(self, job_id: int) -> list[Json]:
        self._find(job_id)
        return [as_json(A_CHECKPOINT)] if self.variables else []

    def messages(self, **asked: object) -> list[Json]:
        return [as_json(one) for one in self.told if one.job_id == asked["job"]]

    def series(self, job_id: int) -> list[Json]:
        self._find(job_id)
        return [as_json(replace(curve.series, job_id=job_id)) for curve in self.curves.values()]

    def curve(self, job_id: int, tag: str, **how: Any) -> Json:
        self._find(job_id)
        self.asked_curves.append(how)
        curve = self.curves[tag] if self.bend is None else self.bend(job_id, self.curves[tag])
        return as_json(replace(curve, series=replace(curve.series, job_id=job_id)))

    def heat_map(self, job_id: int, tag: str, **how: Any) -> Json:
        self._find(job_id)
        series = a_series(tag, kind=SeriesKind.HISTOGRAM)
        if self.heat is not None:
            return as_json(self.heat(tag, int(how["bins"])))
        return as_json(HeatMap(series=series, low=-1.0, high=1.0, steps=(0, 5), counts=((1.0, 3.0), (4.0, 0.0))))

    def checkpoint(self, job_id: int, at: str | None = None) -> Json:
        self._find(job_id)
        if not self.variables:
            raise NotFoundError(f"Job {job_id} has no checkpoint yet.")
        return as_json(CheckpointContents(checkpoint=A_CHECKPOINT, weights=tuple(map(a_variable, self.variables))))

    def distribution(self, job_id: int, name: str, *, at: str | None, minus: str | None, bins: int) -> Json:
        self._find(job_id)
        return as_json(
            Distribution(
                checkpoint=A_CHECKPOINT, minus=None, weights=a_variable(name), counts=(2, 4),
                count=6, finite=6, zeros=1, nans=0, infinities=0, mean=0.0, std=1.0, low=-1.0, high=1.0,
            )
        )  # fmt: skip

    def _find(self, job_id: int) -> models.Job:
        self._fail()
        for job in self.queue:
            if job.id == job_id:
                return job
        raise NotFoundError(f"There is no job {job_id}.")

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


async def at_once(function: Callable[[], T], /) -> T:
    """Return `function()`; what would block is waited for."""
    while True:
        try:
            return function()
        except QuietError as quiet:
            await quiet.until.wait()


@dataclass
class Times:
    """A clock that tests set."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


def an_app(
    client: ScriptedClient,
    *,
    look: Look | None = None,
    clock: Callable[[], float] | None = None,
    is_read_only: bool = False,
    settings_at: Path | None = None,
) -> GpuqApp:
    """Return the app around a scripted client."""
    return GpuqApp(
        client,
        look=look or Look(),
        clock=clock or Times(),
        starts=client.start,
        beside=at_once,
        is_read_only=is_read_only,
        user="alice",
        settings_at=settings_at,
    )


def piloted(
    app: GpuqApp, use: Callable[[Pilot[None]], Coroutine[Any, Any, None]], size: tuple[int, int] = (80, 24)
) -> None:
    """Run the app without a terminal, with its first answer shown, and `use` it."""

    async def drive() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await use(pilot)

    asyncio.run(drive())


def screen_text(app: GpuqApp) -> str:
    """Return what is on the screen, row by row."""
    compositor = app.screen._compositor  # pyright: ignore[reportPrivateUsage] - the only text of the whole screen
    strips = compositor.render_strips(app.size)
    return "\n".join(strip.text.rstrip() for strip in strips)
