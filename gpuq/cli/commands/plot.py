"""`gpuq plot`."""

from __future__ import annotations

import time
from dataclasses import replace

import click

from gpuq.chart import ChartOptions, draw, labels, legend
from gpuq.cli import terminal
from gpuq.cli.views.queue import FINAL
from gpuq.cli.views.table import table
from gpuq.client import Client
from gpuq.errors import NotFoundError
from gpuq.models import Curve
from gpuq.text import clean, fit
from gpuq.units import number, parse_job_id
from gpuq.wire import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_REDRAW_S = 2.0
_PIPE_SIZE = (80, 24)
_TAGS = ("JOB", "RANK", "RUN", "TAG", "KIND", "POINTS", "STEPS", "LAST")
_TAGS_RIGHT = frozenset({"JOB", "RANK", "POINTS", "LAST"})


@click.command("plot")
@click.argument("words", metavar="ID... [TAG...]", nargs=-1, required=True)
@click.option("--rank", "-r", type=click.IntRange(min=0), help="This rank's curve, not the first one's.")
@click.option("--run", help="The run (folder below the rank's log folder), such as train or validation.")
@click.option("--x", "x", type=click.Choice(["step", "wall"]), default="step", help="The x axis. [step]")
@click.option("--smooth", "-S", type=click.FloatRange(0, 0.999), default=0.0, help="TensorBoard's smoothing.")
@click.option("--log-y", is_flag=True, help="A logarithmic y axis.")
@click.option("--width", type=click.IntRange(24, 1000), help="Columns. [the terminal's]")
@click.option("--height", type=click.IntRange(6, 500), help="Lines. [20 at most]")
@click.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII, as where the locale is not UTF-8.")
@click.option("--follow/--once", "-f", "follow", help="Redraw until the jobs have ended. [once]")
@click.option("--list", "is_list", is_flag=True, help="List the tags instead.")
@click.option("--json", "as_json", is_flag=True, help="Print each curve (or tag) as a line of JSON.")
def command(
    words: tuple[str, ...],
    rank: int | None,
    run: str | None,
    follow: bool,
    is_list: bool,
    as_json: bool,
    width: int | None,
    height: int | None,
    **look: object,
) -> None:
    """Draw curves of jobs over each other: `gpuq plot 12`, `gpuq plot 12 13 loss accuracy`.

    Without TAG, the one that stands for the job: its loss, else its first.
    """
    ids, tags = split_words(words)
    client = Client()
    if is_list:
        _print_tags(client, ids, as_json)
        return
    options = _options(width, height, look)
    plot = _Plot(client, ids, tags, rank, run, options)
    if as_json:
        for curve in plot.ask():
            terminal.say_json(curve)
    elif follow:
        _follow(plot)
    else:
        terminal.say(plot.text(plot.ask()))


def split_words(words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return job numbers and tags: the numbers come first, at least one.

    Raises:
        UsageError: the first word is no job number.
    """
    count = next((i for i, word in enumerate(words) if not word.isdigit()), len(words))
    return [parse_job_id(word) for word in words[: max(1, count)]], list(words[max(1, count) :])


def _options(width: int | None, height: int | None, look: dict[str, object]) -> ChartOptions:
    columns, rows = terminal.size() if terminal.is_terminal() else _PIPE_SIZE
    return ChartOptions(
        width=width or columns,
        height=height or min(20, rows - 4),
        is_ascii=bool(look["is_ascii"]) or not terminal.is_utf8(),
        log_y=bool(look["log_y"]),
        smooth=float(str(look["smooth"])),
        x=str(look["x"]),
        color=terminal.has_color(),
    )


class _Plot:
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
        if len(curves) == 1:
            title += f": {names[0]}"
        options = replace(self.options, title=title)
        below = [
            legend(curve, name, i, options, among=len(curves))
            for i, (curve, name) in enumerate(zip(curves, names, strict=True))
        ]
        return "\n".join([draw(curves, options), *below])

    def _of_job(self, job_id: int) -> list[Json]:
        known = scalar_tags(self.client.series(job_id))
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


def _print_tags(client: Client, ids: Sequence[int], as_json: bool) -> None:
    series = [one for job_id in ids for one in client.series(job_id)]
    if as_json:
        for one in series:
            terminal.say_json(one)
    elif series:
        terminal.say("\n".join(table(_TAGS, [_tag_row(one) for one in series], right=_TAGS_RIGHT)))
    else:
        terminal.say("No tags yet.")


def _tag_row(one: Json) -> tuple[str, ...]:
    steps = f"{one['first_step']}-{one['last_step']}"
    return (
        str(one["job_id"]),
        str(one["rank"]),
        one["run"],
        one["tag"],
        one["kind"],
        str(one["count"]),
        steps,
        number(one["last_value"]),
    )


def _follow(plot: _Plot) -> None:
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
        time.sleep(_REDRAW_S)


def _text_or_wait(plot: _Plot, ended: bool) -> str:
    try:
        return plot.text(plot.ask())
    except NotFoundError:
        if ended:
            raise
        return "No curve yet; waiting for the first point."
