"""What the stream does not tell: what a view wants of one job goes in, values come out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gpuq import models
from gpuq.client import Json
from gpuq.errors import GpuqError
from gpuq.wire import decode
from gpuq_tui.asking import Asks, Parts
from gpuq_tui.foreign import cleaned, cleaned_log, cleaned_text
from gpuq_tui.lines.line import Look
from gpuq_tui.lines.scale import Scale
from gpuq_tui.told_job import told_job

if TYPE_CHECKING:  # what only some views ask for is loaded when they do
    from gpuq import summaries
    from gpuq.gpus import Gpu
    from gpuq.tracing import PodsTold, Traced
    from gpuq_tui.charting import Charts, ChartsWanted
    from gpuq_tui.lines.log import LogPiece
    from gpuq_tui.lines.logs import LogsWanted
    from gpuq_tui.lines.seeking import Seen, Sought
    from gpuq_tui.lists import Lists

T = TypeVar("T")

_LOG_BYTES = 256 * 1024
_FIRST_LOG_BYTES = 32 * 1024
_FIRST_OF_MANY = 4 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the view on top shows: all jobs (ended ones too if `everything`), and one of them closer.

    `series` is the one whose curve is drawn, thinned to `columns` along `scale`; `logs` are those that are read;
    `lists` are names of fields of `Lists`. `trace` is a handle. `is_job_told`: all that is shown of the job the stream
    tells. `sought` is looked for in the only one of `logs`.
    """

    everything: bool = False
    job_id: int | None = None
    is_whole_job: bool = False
    series: summaries.Series | None = None
    columns: int = 200
    scale: Scale = Scale()  # noqa: RUF009 - it is frozen
    lists: tuple[str, ...] = ()
    charts: ChartsWanted | None = None
    logs: LogsWanted | None = None
    checkpoints: bool = False
    messages: bool = False
    sought: Sought | None = None
    trace: str | None = None
    is_job_told: bool = False

    @property
    def is_question(self) -> bool:
        """Whether there is anything that the stream does not tell."""
        if self.is_job_told and self.trace is None:
            return False
        return self.job_id is not None or bool(self.lists) or self.charts is not None or self.trace is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What gpuqd said to `wanted`, or told by itself; a part is None if it was not asked for or not answered.

    `is_asked` tells an answer about `wanted.job_id` from what the stream told. `job` is there for a job shown whole,
    and for one that has left the list. `problem` says why gpuqd could not be asked; `refused` why one part could not
    be had. `pods` were told of the job since the stream began anew for the time `beginnings`.
    """

    wanted: Wanted
    is_asked: bool = False
    cluster: models.Cluster | None = None
    gpus: tuple[Gpu, ...] | None = None
    pods: tuple[PodsTold, ...] = ()
    beginnings: int | None = None
    jobs: tuple[models.Job, ...] | None = None
    why: models.Why | None = None
    job: models.Job | None = None
    series: tuple[summaries.Series, ...] | None = None
    curve: summaries.Curve | None = None
    logs: tuple[LogPiece | None, ...] | None = None
    seen: Seen | None = None
    earlier: LogPiece | None = None
    checkpoints: tuple[summaries.Checkpoint, ...] | None = None
    messages: tuple[models.Message, ...] | None = None
    lists: Lists | None = None
    charts: Charts | None = None
    trace: Traced | None = None
    problem: str | None = None
    refused: dict[str, str] = field(default_factory=dict[str, str])


class Feed:
    """Asks with the client and makes clean values of what comes back. One question at a time."""

    def __init__(self, client: Asks, look: Look) -> None:
        self._client = client
        self._look = look

    def ask(self, wanted: Wanted, *, with_ended: bool = False) -> Answer:
        """Return what gpuqd answers now about the job in view, and `with_ended` all jobs that are kept; blocks."""
        answer = Answer(wanted=wanted, is_asked=True)
        try:
            if with_ended:
                rows = self._client.jobs(everything=True)
                answer = replace(answer, jobs=tuple(told_job(row, self._look) for row in rows))
            if wanted.lists:
                answer = self._with_lists(answer)
            if wanted.charts is not None:
                answer = replace(answer, charts=self._charts(wanted.charts, answer.refused))
            if wanted.trace is not None:
                answer = self._with_trace(answer, wanted.trace)
            if wanted.job_id is not None:
                answer = self._with_details(answer, wanted.job_id)
        except (GpuqError, OSError) as error:
            return replace(answer, problem=cleaned_text(str(error), self._look))
        except (ValueError, TypeError, KeyError) as error:
            what = cleaned_text(f"{type(error).__name__}: {error}"[:200], self._look)
            return replace(answer, problem=f"its answer is not understood ({what}); is gpuq older than gpuqd?")
        return answer

    def job(self, job_id: int) -> models.Job | None:
        """Return a job, None if it cannot be had now; blocks."""
        try:
            return self._model(models.Job, self._client.job(job_id))
        except (GpuqError, OSError, ValueError, TypeError, KeyError):
            return None

    def _charts(self, wanted: ChartsWanted, refused: dict[str, str]) -> Charts:
        from gpuq_tui.charting import Charting

        return Charting(self._client, self._look).charts(wanted, refused)

    def _with_lists(self, answer: Answer) -> Answer:
        from gpuq_tui.lists import Lists

        part = Parts(answer.refused, self._look)
        rows = {name: part.take(name, lambda name=name: self._list(name)) for name in answer.wanted.lists}
        return replace(answer, lists=Lists(**rows))  # pyright: ignore[reportArgumentType] - `_list` goes by the field

    def _list(self, name: str) -> Any:
        """Return what `Lists` has by that name."""
        from gpuq_tui.lists import LISTED, Diagnosis, People, Shares

        match name:
            case "shares":
                return self._model(Shares, self._client.shares())
            case "people":
                return self._model(People, self._client.accounts())
            case "diag":
                return self._model(Diagnosis, self._client.diag())
            case _:
                model = LISTED[name]
                return tuple(self._model(model, row) for row in getattr(self._client, name)())

    def _with_trace(self, answer: Answer, handle: str) -> Answer:
        from gpuq.tracing import Traced

        part = Parts(answer.refused, self._look)
        return replace(answer, trace=part.take("trace", lambda: self._model(Traced, self._client.trace(handle))))

    def _with_details(self, answer: Answer, job_id: int) -> Answer:
        wanted, refused = answer.wanted, answer.refused
        part = Parts(refused, self._look)
        why = part.take("why", lambda: self._model(models.Why, self._client.why(job_id)))
        answer = replace(answer, why=why)
        if not wanted.is_whole_job:
            return answer
        answer = replace(
            answer,
            job=part.take("job", lambda: self._model(models.Job, self._client.job(job_id))),
            series=part.take("series", lambda: self._series(job_id)),
            curve=part.take("curve", lambda: self._curve(wanted)),
        )
        if wanted.checkpoints:
            from gpuq.summaries import Checkpoint

            rows = part.take("checkpoints", lambda: self._client.checkpoints(job_id))
            answer = replace(answer, checkpoints=tuple(self._model(Checkpoint, row) for row in rows or ()))
        if wanted.messages:
            rows = part.take("messages", lambda: self._client.messages(job=job_id))
            answer = replace(answer, messages=tuple(self._model(models.Message, row) for row in rows or ()))
        return answer if wanted.logs is None else self._with_logs(answer, job_id, wanted.logs, part)

    def _series(self, job_id: int) -> tuple[summaries.Series, ...]:
        from gpuq.summaries import Series

        # tags and runs stay as they are: they go back in the question for a curve
        return tuple(decode(Series, row) for row in self._client.series(job_id))

    def _curve(self, wanted: Wanted) -> summaries.Curve | None:
        if wanted.series is None:
            return None
        from gpuq_tui.charting import drawn

        return drawn(self._client, wanted.series, wanted.columns, wanted.scale)

    def _with_logs(self, answer: Answer, job_id: int, wanted: LogsWanted, part: Parts) -> Answer:
        from gpuq_tui.lines.logs import EARLIER_BYTES

        if answer.wanted.sought is not None:
            ask = partial(self._seek, job_id, wanted, answer.wanted.sought)
            return replace(answer, seen=part.take("log", ask))
        first = -max(_FIRST_LOG_BYTES // len(wanted.ranks), _FIRST_OF_MANY)
        pieces = tuple(
            part.take(
                "log",
                partial(self._log, job_id, rank, first if offset is None else offset, wanted, until=wanted.until),
            )
            for rank, offset in zip(wanted.ranks, wanted.offsets, strict=True)
        )
        earlier = None
        if wanted.before is not None:
            ask = partial(self._log, job_id, wanted.ranks[0], -EARLIER_BYTES, wanted, until=wanted.before)
            earlier = part.take("log", ask)
        return replace(answer, logs=pieces, earlier=earlier)

    def _seek(self, job_id: int, wanted: LogsWanted, sought: Sought) -> Seen:
        from gpuq_tui.lines.seeking import seek

        def read(before: int, size: int) -> tuple[str, int, int]:
            row = self._client.logs(
                job_id,
                rank=wanted.ranks[0],
                offset=-size,
                limit=size,
                attempt=wanted.attempt,
                stream=wanted.stream,
                until=before,
            )
            return row["data"], row["offset"], row["next_offset"]

        return seek(sought, read)

    def _log(
        self, job_id: int, rank: int | None, offset: int, wanted: LogsWanted, *, until: int | None = None
    ) -> LogPiece:
        from gpuq_tui.lines.log import LogPiece

        row = self._client.logs(
            job_id,
            rank=rank,
            offset=offset,
            limit=_LOG_BYTES,
            attempt=wanted.attempt,
            stream=wanted.stream,
            until=until,
        )
        return decode(LogPiece, {**row, "data": cleaned_log(row["data"], self._look)})

    def _model(self, model: type[T], row: Json) -> T:
        value: Any = cleaned(row, self._look)
        return decode(model, value)
