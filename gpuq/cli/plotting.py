"""Fetches curves and draws them with their numbers below, once or until the jobs have ended."""

from __future__ import annotations

import time
from dataclasses import replace

from gpuq.chart import ChartOptions, draw, labels, legend
from gpuq.cli import terminal
from gpuq.cli.views.queue import FINAL
from gpuq.errors import NotFoundError, UsageError
from gpuq.models import Curve
from gpuq.text import clean, fit
from gpuq.wire import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpuq.client import Client, Json

_REDRAW_S = 2.0


class Plot:
    """Curves of some jobs, asked for again at every redraw, and how they are drawn."""

    def __init__(
        self,
        client: Client,
        ids: Sequence[int],
        tags: Sequence[str],
        rank: int | None,
        run: str | None,
        options: ChartOptions,
    ) -> None:
        self.client = client
        self.ids = ids
        self.tags = tags
        self.rank = rank
        self.run = run
        self.options = options

    def ask(self) -> list[Json]:
        """Return the curves as they are now, by job and tag."""
        return [curve for job_id in self.ids for curve in self._of_job(job_id)]

    def has_ended(self) -> bool:
        """Whether no point can come any more."""
        return all(self.client.job(job_id)["state"] in FINAL for job_id in self.ids)

    def text(self, answers: Sequence[Json]) -> str:
        """Return the chart with a line of numbers for each curve below it."""
        curves = [decode(Curve, answer) for answer in answers]
        names = labels(curves)
        title = ("job " if len(self.ids) == 1 else "jobs ") + ", ".join(map(str, self.ids))
        tags = {curve.series.tag for curve in curves}
        if len(tags) == 1:
            title += f": {tags.pop()}"
        options = replace(self.options, title=title)
        below = [
            legend(curve, name, i, options, among=len(curves))
            for i, (curve, name) in enumerate(zip(curves, names, strict=True))
        ]
        return "\n".join([draw(curves, options), *below])

    def _of_job(self, job_id: int) -> list[Json]:
        series = self.client.series(job_id)
        self._refuse_histograms(job_id, series)
        known = scalar_tags(self._of_run(job_id, series))
        if not known:
            raise NotFoundError(f"Job {job_id} has written no curve yet; `gpuq show {job_id}` says how it is.")
        tags = self.tags or [self._default_tag(job_id, known)]
        for tag in tags:
            if tag not in known:
                raise NotFoundError(f"Job {job_id} has no tag '{fit(clean(tag), 60)}'; it has {_some(known)}.")
        columns = self.options.width * 2  # a braille cell is two dots wide
        return [
            self.client.curve(job_id, tag, rank=self.rank, run=self.run, columns=columns, x=self.options.x)
            for tag in tags
        ]

    def _refuse_histograms(self, job_id: int, series: Sequence[Json]) -> None:
        scalars = scalar_tags(series)
        histograms = {one["tag"] for one in series if one["kind"] == "histogram"}.difference(scalars)
        for tag in self.tags:
            if tag in histograms:
                drawn = f"; it draws {_some(scalars)}." if scalars else "."
                raise UsageError(
                    f"'{fit(clean(tag), 60)}' of job {job_id} is a histogram, which plot does not draw yet{drawn}"
                )

    def _of_run(self, job_id: int, series: Sequence[Json]) -> Sequence[Json]:
        """Return the scalars of the run that is asked for; all where none is asked for or written yet."""
        runs = sorted({one["run"] for one in series if one["kind"] == "scalar"})
        if self.run is None or not runs:
            return series
        if self.run not in runs:
            raise NotFoundError(
                f"Job {job_id} has no run '{fit(clean(self.run), 60)}'; it has {_some(runs)}"
                f"{' (no folder of its own)' if runs == ['.'] else ''}."
            )
        return [one for one in series if one["run"] == self.run]

    def _default_tag(self, job_id: int, known: Sequence[str]) -> str:
        progress = self.client.job(job_id)["progress"]
        return progress["tag"] if progress is not None and progress["tag"] in known else known[0]


def scalar_tags(series: Sequence[Json]) -> list[str]:
    """Return the names that can be drawn, each once, a loss first and else in the order of the daemon."""
    tags = dict.fromkeys(one["tag"] for one in series if one["kind"] == "scalar")
    return sorted(tags, key=lambda tag: tag != "loss")


def _some(tags: Sequence[str]) -> str:
    shown = ", ".join(clean(tag) for tag in tags[:8])
    return shown if len(tags) <= 8 else f"{shown} and {len(tags) - 8} more (`--list`)"


def follow(plot: Plot, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Draw until the jobs have ended: over the last drawing on a terminal, below it where there is news in a pipe."""
    drawn, height = "", 0
    while True:
        ended = plot.has_ended()  # asked first, so that the last drawing has all points
        text = _text_or_wait(plot, ended)
        if text != drawn:
            if terminal.is_terminal() and height:
                terminal.say_part(f"\x1b[{height}A\x1b[J")
            terminal.say(text)
            terminal.flush()
            drawn, height = text, text.count("\n") + 1
        if ended:
            return
        sleep(_REDRAW_S)


def _text_or_wait(plot: Plot, ended: bool) -> str:
    try:
        return plot.text(plot.ask())
    except NotFoundError as error:
        if ended:
            raise
        return f"{error} Waiting for it."
