"""`gpuq plot`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.cli.saving import save
from gpuq.cli.selecting import chooses_jobs, chosen_of, numbers_chosen
from gpuq.cli.undrawn import why_silent
from gpuq.cli.views.queue import shown_id
from gpuq.cli.views.table import table
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.scale import X_AXES
from gpuq.units import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from gpuq.chart import ChartOptions
    from gpuq.cli.plotting import Plot
    from gpuq.client import Json

_PIPE_SIZE = (80, 24)
_MOST_JOBS = 20
_TAGS = ("JOB", "RANK", "RUN", "TAG", "KIND", "POINTS", "STEPS", "LAST")
_TAGS_RIGHT = frozenset({"JOB", "RANK", "POINTS", "LAST"})


@declare.command("plot")
@declare.argument("words", metavar="ID... [TAG...]", nargs=-1)
@chooses_jobs
@declare.option("--rank", "-r", type=declare.IntRange(min=0), help="This rank's curve, not the first one's.")
@declare.option(
    "--run", help="The run (folder below the rank's log folder), such as train; with * every one that fits."
)
@declare.option("--attempt", type=declare.IntRange(min=1), help="Of this attempt alone. [all, one after the other]")
@declare.option("--x", "x", type=declare.Choice(X_AXES), default="step", help="The x axis. [step]")
@declare.option("--smooth", "-S", type=declare.FloatRange(0, 0.999), default=0.0, help="TensorBoard's smoothing.")
@declare.option("--log-x", is_flag=True, help="A logarithmic x axis.")
@declare.option("--log-y", is_flag=True, help="A logarithmic y axis.")
@declare.option("--width", type=declare.IntRange(24, 1000), help="Columns. [the terminal's]")
@declare.option("--height", type=declare.IntRange(6, 500), help="Lines. [20 at most]")
@declare.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII, as where the locale is not UTF-8.")
@declare.option("--follow/--once", "-f", "is_follow", help="Redraw until the jobs have ended. [once]")
@declare.option("--svg", metavar="FILE", help="Write the chart as SVG instead.")
@declare.option("--png", metavar="FILE", help="Write the chart as PNG instead.")
@declare.option("--csv", "as_csv", is_flag=True, help="Print all points as CSV, of every rank and run.")
@declare.option("--list", "is_list", is_flag=True, help="List the tags instead.")
@declare.option("--json", "as_json", is_flag=True, help="Print each curve (or tag) as a line of JSON.")
def command(
    words: tuple[str, ...],
    rank: int | None,
    run: str | None,
    attempt: int | None,
    is_follow: bool,
    is_list: bool,
    as_json: bool,
    as_csv: bool,
    svg: str | None,
    png: str | None,
    width: int | None,
    height: int | None,
    **look: object,
) -> None:
    """Draw curves of jobs over each other: `gpuq plot 12 13 loss 'val/*'`, `gpuq plot --name 're*' loss`.

    Without TAG, the one that stands for the job: its loss, else its first. A job goes on over its attempts; where it
    went back is marked, and so is NaN.
    """
    client = Client()
    asked = chosen_of(look)
    ids, tags = split_words(words, client, asked)
    names = names_of(client, words, ids, is_chosen=bool(asked))
    if is_list:
        _print_tags(client, ids, names, as_json)
        return
    from gpuq.cli.plotting import Plot, follow  # all that draws

    options = _options(width, height, look)
    plot = Plot(client, ids, tags, options, rank=rank, run=run, attempt=attempt, names=names)
    if svg is not None or png is not None:
        for form, path in (("svg", svg), ("png", png)):
            if path is not None:
                save(path, [_picture(plot, form)])
    elif as_csv:
        save("-", _csv(plot))
    elif as_json:
        for curve in plot.ask():
            terminal.say_json(curve)
    elif is_follow:
        follow(plot)
    else:
        terminal.say(plot.text(plot.ask()))


def _picture(plot: Plot, form: str) -> bytes:
    options, chosen = plot.options, plot.chosen()
    return plot.client.picture(
        list(dict.fromkeys(job_id for job_id, _, _ in chosen)),
        list(dict.fromkeys(tag for _, tag, _ in chosen)),
        rank=plot.rank,
        run=list(dict.fromkeys(run for _, _, run in chosen)),
        attempt=plot.attempt,
        x=options.x,
        smooth=options.smooth,
        log_x=str(options.log_x).lower(),
        log_y=str(options.log_y).lower(),
        format=form,
    )


def _csv(plot: Plot) -> Iterator[bytes]:
    """Yield the lines of all jobs below one header."""
    tags: dict[int, list[str]] = {}
    for job_id, tag, _ in plot.chosen():
        tags.setdefault(job_id, []).append(tag)
    for place, (job_id, wanted) in enumerate(tags.items()):
        runs = None if plot.run is None else list(dict.fromkeys(run for one, _, run in plot.chosen() if one == job_id))
        table = plot.client.points(job_id, tag=wanted, rank=plot.rank, run=runs, attempt=plot.attempt, format="csv")
        first = next(table, b"")
        yield first.partition(b"\n")[2] if place else first
        yield from table


def split_words(
    words: Sequence[str], client: Client, asked: Mapping[str, Any] | None = None
) -> tuple[list[int], list[str]]:
    """Return job numbers and tags: the jobs come first, at least one, tasks as `12_3`.

    With options that choose jobs (`asked`), those that they choose, and every word that is no number is a tag.

    Raises:
        UsageError: the first word is no job.
    """
    if asked:
        named = [word for word in words if word.replace("_", "", 1).isdigit()]
        return numbers_chosen(client, named, asked, most=_MOST_JOBS), [word for word in words if word not in named]
    if not words:
        raise UsageError("Name the jobs by their ID, or choose them, as in `gpuq plot --name 're*' loss`.")
    count = next((i for i, word in enumerate(words) if not word.replace("_", "", 1).isdigit()), len(words))
    return [number_of(client, word) for word in words[: max(1, count)]], list(words[max(1, count) :])


def names_of(client: Client, words: Sequence[str], ids: Sequence[int], *, is_chosen: bool) -> dict[int, str]:
    """Return what the jobs are called that are tasks of arrays: as they were typed, or (`is_chosen`) as gpuqd says."""
    if is_chosen:
        return {number: shown_id(client.job(number)) for number in ids}
    return {number: word for word, number in zip(words, ids, strict=False) if "_" in word}


def _options(width: int | None, height: int | None, look: dict[str, object]) -> ChartOptions:
    from gpuq.chart import ChartOptions

    columns, rows = terminal.size() if terminal.is_terminal() else _PIPE_SIZE
    return ChartOptions(
        width=width or columns,
        height=height or min(20, rows - 4),
        is_ascii=bool(look["is_ascii"]) or not terminal.is_utf8(),
        log_y=bool(look["log_y"]),
        log_x=bool(look["log_x"]),
        smooth=float(str(look["smooth"])),
        x=str(look["x"]),
        color=terminal.has_color(),
    )


def _print_tags(client: Client, ids: Sequence[int], names: Mapping[int, str], as_json: bool) -> None:
    series = [one for job_id in ids for one in client.series(job_id)]
    if as_json:
        for one in series:
            terminal.say_json(one)
    elif series:
        terminal.say(
            "\n".join(
                table(
                    _TAGS,
                    [_tag_row(one, names.get(one["job_id"], str(one["job_id"]))) for one in series],
                    right=_TAGS_RIGHT,
                )
            )
        )
    else:
        terminal.say("\n".join(why_silent(client, job_id) for job_id in ids))


def _tag_row(one: Json, name: str) -> tuple[str, ...]:
    steps = f"{one['first_step']}-{one['last_step']}"
    return (
        name,
        str(one["rank"]),
        one["run"],
        one["tag"],
        one["kind"],
        str(one["count"]),
        steps,
        number(one["last_value"]),
    )
