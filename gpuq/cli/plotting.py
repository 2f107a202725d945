"""Fetches curves and draws them with their numbers below, once or until the jobs have ended."""

from __future__ import annotations

import time
from dataclasses import replace

from gpuq.chart import ChartOptions, draw, labels, legend
from gpuq.cli import terminal
from gpuq.cli.undrawn import why_silent
from gpuq.errors import NotFoundError, UsageError
from gpuq.near import hint
from gpuq.states import FINAL
from gpuq.summaries import SAMPLED, Curve
from gpuq.text import clean, fit
from gpuq.wire import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gpuq.client import Client, Json

_REDRAW_S = 2.0
_MOST_CURVES = 64


class Plot:
    """Curves of some jobs, asked for again at every redraw, and how they are drawn.

    `tags` may hold `*` and `?`, and so may `run`: then every run that fits is drawn, else the first one.
    """

    def __init__(
        self,
        client: Client,
        ids: Sequence[int],
        tags: Sequence[str],
        options: ChartOptions,
        *,
        rank: int | None = None,
        run: str | None = None,
        attempt: int | None = None,
        names: Mapping[int, str] | None = None,
    ) -> None:
        self.client = client
        self.ids = ids
        self.tags = tags
        self.options = options
        self.rank = rank
        self.run = run
        self.attempt = attempt
        self._names = names or {}

    def name(self, job_id: int) -> str:
        """Return what people call one of the jobs."""
        return self._names.get(job_id, str(job_id))

    def ask(self) -> list[Json]:
        """Return the curves as they are now, by job and tag."""
        columns = self.options.width * 2  # a braille cell is two dots wide
        return [
            self.client.curve(
                job_id,
                tag,
                rank=self.rank,
                run=run,
                attempt=self.attempt,
                columns=columns,
                x="step" if self.options.x == "step" else "wall",
                smooth=self.options.smooth,
            )
            for job_id, tag, run in self.chosen()
        ]

    def chosen(self) -> list[tuple[int, str, str | None]]:
        """Return what is drawn: job, tag and run.

        Raises:
            NotFoundError: none of the jobs has it.
        """
        series = {job_id: self.client.series(job_id) for job_id in self.ids}
        known = {job_id: self._scalars(job_id, found) for job_id, found in series.items()}
        if not self.tags and self.run is None:
            series = {job_id: [one for one in found if one["run"] != SAMPLED] for job_id, found in series.items()}
            known = {job_id: self._scalars(job_id, found) for job_id, found in series.items()}
        if not self.tags:
            return [(job_id, tag, run) for job_id in self.ids for tag, run in self._default(job_id, known[job_id])]
        chosen: list[tuple[int, str, str | None]] = []
        for job_id in self.ids:
            fits = [one for word in self.tags for one in known[job_id] if _fits(one[0], word)]
            chosen += [(job_id, tag, run) for tag, run in dict.fromkeys(fits)]
        for word in self.tags:
            if not any(_fits(tag, word) for _, tag, _ in chosen):
                self._refuse(word, series, known)
        if len(chosen) > _MOST_CURVES:
            raise UsageError(f"{len(chosen)} curves are too many for one chart: name fewer tags.")
        return chosen

    def has_ended(self) -> bool:
        """Whether no point can come any more."""
        return all(self.client.job(job_id)["state"] in FINAL for job_id in self.ids)

    def text(self, answers: Sequence[Json]) -> str:
        """Return the chart with a line of numbers for each curve below it."""
        curves = [decode(Curve, answer) for answer in answers]
        called = {job_id: self.name(job_id) for job_id in self.ids}
        names = labels(curves, called)
        title = ("job " if len(self.ids) == 1 else "jobs ") + ", ".join(called.values())
        tags = {curve.series.tag for curve in curves}
        if len(tags) == 1:
            title += f": {tags.pop()}"
        options = replace(self.options, title=title)
        below = [
            legend(curve, name, i, options, among=len(curves))
            for i, (curve, name) in enumerate(zip(curves, names, strict=True))
        ]
        return "\n".join([draw(curves, options), *below])

    def _scalars(self, job_id: int, series: Sequence[Json]) -> list[tuple[str, str | None]]:
        """Return tags, a loss first, each with the run that is asked for, or with every run that fits."""
        scalars = [one for one in series if one["kind"] == "scalar"]
        runs = sorted({one["run"] for one in scalars})
        if self.run is not None and runs:
            scalars = [one for one in scalars if _fits(one["run"], self.run)]
            if not scalars:
                raise NotFoundError(
                    f"Job {self.name(job_id)} has no run '{fit(clean(self.run), 60)}'; it has {_some(runs)}"
                    f"{' (no folder of its own)' if runs == ['.'] else ''}."
                )
        is_each = self.run is not None and _is_pattern(self.run)
        pairs = [(one["tag"], one["run"] if is_each else self.run) for one in scalars]
        return sorted(dict.fromkeys(pairs), key=lambda pair: pair[0] != "loss")

    def _default(self, job_id: int, known: Sequence[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
        """Return the tag that stands for the job, in each run."""
        if not known:
            raise NotFoundError(why_silent(self.client, job_id))
        progress = self.client.job(job_id)["progress"]
        tags = [tag for tag, _ in known]
        stands = progress["tag"] if progress is not None and progress["tag"] in tags else tags[0]
        return [one for one in known if one[0] == stands]

    def _refuse(self, word: str, series: dict[int, list[Json]], known: dict[int, list[tuple[str, str | None]]]) -> None:
        """Say why a tag is not drawn."""
        job_id = self.ids[0]
        tags = list(dict.fromkeys(tag for tag, _ in known[job_id]))
        shown = fit(clean(word), 60)
        for one in (one for found in series.values() for one in found):
            if one["kind"] == "histogram" and one["tag"] == word:
                raise UsageError(
                    f"'{shown}' of job {self.name(one['job_id'])} is a histogram: "
                    f"`gpuq histogram {self.name(one['job_id'])} TAG` draws it."
                )
        if not tags:
            raise NotFoundError(why_silent(self.client, job_id))
        raise NotFoundError(
            f"Job {self.name(job_id)} has no tag '{shown}'; {hint(word, tags, f'it has {_some(tags)}.')}"
        )


def _is_pattern(word: str) -> bool:
    return "*" in word or "?" in word


def _fits(name: str, word: str) -> bool:
    """Whether a name is the word, or fits it where it holds `*` or `?`."""
    if name == word or not _is_pattern(word):
        return name == word
    from fnmatch import fnmatchcase

    return fnmatchcase(name, word.replace("[", "[[]"))


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
