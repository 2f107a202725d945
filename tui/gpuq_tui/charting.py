"""Which charts there are of some jobs, and what is drawn in those that are in view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from gpuq import summaries
from gpuq.client import Json
from gpuq.errors import NotFoundError
from gpuq.summaries import SeriesKind
from gpuq.wire import decode
from gpuq_tui.asking import Asks, Parts
from gpuq_tui.foreign import cleaned
from gpuq_tui.lines.chart import chartable, tag_order
from gpuq_tui.lines.line import Look
from gpuq_tui.lines.scale import Scale

_MOST_STEPS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartsWanted:
    """Charts of jobs side by side: `most` of them from number `first` on, of a `kind` (`lines.undrawn.KINDS`).

    Curves are thinned to `columns` and drawn along `scale`, all runs of a tag in one chart if `is_together`;
    distributions have so many `bins`.
    """

    job_ids: tuple[int, ...]
    first: int
    most: int
    columns: int
    kind: str = "curves"
    scale: Scale = Scale()  # noqa: RUF009 - it is frozen
    bins: int = 20
    is_together: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a chart is about: a tag or variable, of a run (None: of all of them), of a job (None: of all of them)."""

    tag: str
    run: str | None = "."
    job_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is in a chart: curves, or distributions as the API tells them, in clean text."""

    curves: tuple[summaries.Curve, ...] = ()
    distributions: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """The names of all charts of some jobs, and what is in those that are in view, in their order."""

    names: tuple[Name, ...]
    shown: tuple[Shown, ...]


class Charting:
    """Asks for charts with the client. One question at a time."""

    def __init__(self, client: Asks, look: Look) -> None:
        self._client = client
        self._look = look

    def charts(self, wanted: ChartsWanted, refused: dict[str, str]) -> Charts:
        """Return what is wanted; why a part of it could not be had is put into `refused`."""
        part = Parts(refused, self._look)
        if wanted.kind == "curves":
            return self._curves(wanted, part)
        find = self._histograms if wanted.kind == "histograms" else self._variables
        names = [name for job_id in wanted.job_ids for name in part.take(wanted.kind, partial(find, job_id)) or ()]
        names.sort(key=lambda name: (name.tag, name.run or "", name.job_id or 0))
        in_view = names[wanted.first : wanted.first + wanted.most]
        shown = [Shown(distributions=part.take(wanted.kind, partial(self._distributions, n, wanted))) for n in in_view]
        return Charts(names=tuple(names), shown=tuple(shown))

    def _curves(self, wanted: ChartsWanted, part: Parts) -> Charts:
        found = {
            job_id: chartable(part.take("curves", partial(self._series, job_id)) or ()) for job_id in wanted.job_ids
        }
        keys = {(one.tag, "" if wanted.is_together else one.run) for series in found.values() for one in series}
        ordered = sorted(keys, key=tag_order)
        names = [Name(tag=tag, run=None if wanted.is_together else run) for tag, run in ordered]
        shown = [
            Shown(curves=tuple(self._drawn(name, found, wanted, part)))
            for name in names[wanted.first : wanted.first + wanted.most]
        ]
        return Charts(names=tuple(names), shown=tuple(shown))

    def _drawn(
        self, name: Name, found: dict[int, tuple[summaries.Series, ...]], wanted: ChartsWanted, part: Parts
    ) -> Iterator[summaries.Curve]:
        for job_id in wanted.job_ids:
            for one in found[job_id]:
                if one.tag == name.tag and name.run in (None, one.run):
                    ask = partial(drawn, self._client, one, wanted.columns, wanted.scale)
                    if (curve := part.take("curves", ask)) is not None:
                        yield curve

    def _series(self, job_id: int) -> tuple[summaries.Series, ...]:
        # tags and runs stay as they are: they go back in the question for a curve
        return tuple(decode(summaries.Series, row) for row in self._client.series(job_id))

    def _histograms(self, job_id: int) -> list[Name]:
        series = (one for one in self._series(job_id) if one.kind is SeriesKind.HISTOGRAM)
        return [Name(tag=tag, run=run, job_id=job_id) for tag, run in dict.fromkeys((s.tag, s.run) for s in series)]

    def _variables(self, job_id: int) -> list[Name]:
        try:
            weights = self._client.checkpoint(job_id)["weights"]
        except NotFoundError:  # it has no checkpoint yet: then there is nothing to draw, which is no refusal
            return []
        return [Name(tag=one["name"], job_id=job_id) for one in weights]

    def _distributions(self, name: Name, wanted: ChartsWanted) -> Json:
        assert name.job_id is not None
        if wanted.kind == "weights":
            found = self._client.distribution(name.job_id, name.tag, at=None, minus=None, bins=wanted.bins)
        else:
            steps = min(_MOST_STEPS, wanted.columns)
            found = self._client.heat_map(name.job_id, name.tag, run=name.run, bins=wanted.bins, at_most=steps)
        return cleaned(found, self._look)


def drawn(client: Asks, series: summaries.Series, columns: int, scale: Scale) -> summaries.Curve:
    """Return the part of a curve that a scale shows."""
    begin, end = scale.part
    found = client.curve(
        series.job_id,
        series.tag,
        rank=series.rank,
        run=series.run,
        columns=columns,
        x=scale.x,
        smooth=scale.smooth,
        begin=begin,
        end=end,
    )
    return decode(summaries.Curve, found)
