"""`gpuq compare`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.commands.plot import split_words
from gpuq.cli.naming import jobs_named
from gpuq.cli.selecting import chooses_jobs, chosen_of
from gpuq.cli.views.compare import compared_lines, verdict_line
from gpuq.cli.views.notes import hparams_lines
from gpuq.cli.views.queue import shown_id
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.scale import X_AXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json

_PIPE_SIZE = (80, 24)
_MOST = 50


@declare.command("compare")
@declare.argument("words", metavar="ID... [TAG...]", nargs=-1)
@chooses_jobs
@declare.option("--rank", "-r", type=declare.IntRange(min=0), help="Of this rank. [the first]")
@declare.option("--run", help="Of this run (folder below the rank's log folder).")
@declare.option("--x", "x", type=declare.Choice(X_AXES), default="step", help="The x axis of the chart. [step]")
@declare.option("--chart/--no-chart", "has_chart", default=True, help="Draw the first tag. [yes]")
@declare.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII, as where the locale is not UTF-8.")
@declare.option("--width", type=declare.IntRange(24, 1000), help="Columns. [the terminal's]")
@declare.option("--json", "as_json", is_flag=True, help="Print each tag as a line of JSON, then hyperparameters.")
def command(
    words: tuple[str, ...],
    rank: int | None,
    run: str | None,
    x: str,
    has_chart: bool,
    is_ascii: bool,
    width: int | None,
    as_json: bool,
    **asked: object,
) -> None:
    """Hold jobs against each other: `gpuq compare 12 13`, `gpuq compare 12 13 14 loss`.

    For each scalar: its last and its best value, and the values where all of them have come, by step and by time since
    the first point. Differences are from the first job. Without TAG, all scalars that they have in common. The number
    of an array or a sweep alone means its tasks, with the values that each has.
    """
    client = Client()
    ids, tags = split_words(words, client, chosen_of(asked))
    if len(ids) == 1:
        ids = _begun(client, ids[0])
    if len(ids) < 2:
        raise UsageError("Comparing takes two jobs or more: `gpuq compare 12 13`.")
    found = client.compare(ids, tags, rank=rank, run=run)
    if as_json:
        for one in found["tags"]:
            terminal.say_json(one)
        if any(found["hparams"]):
            terminal.say_json({"hparams": dict(zip(ids, found["hparams"], strict=True))})
        return
    names = {number: shown_id(client.job(number)) for number in ids}
    is_ascii = is_ascii or not terminal.is_utf8()
    if has_chart:
        from gpuq.chart import ChartOptions
        from gpuq.cli.plotting import Plot

        options = ChartOptions(
            width=width or (terminal.size()[0] if terminal.is_terminal() else _PIPE_SIZE[0]),
            height=14,
            is_ascii=is_ascii,
            x=x,
            color=terminal.has_color(),
        )
        plot = Plot(client, ids, [_first(found)], options, rank=rank, run=run, names=names)
        terminal.say(plot.text(plot.ask()))
    for one in found["tags"]:
        lines = compared_lines(one, names=names, width=width or terminal.width(), mark="~" if is_ascii else "…")
        terminal.say("\n".join(["", *lines, *filter(None, [verdict_line(one, names=names)])]))
    settings = hparams_lines(
        [names[n] for n in ids], found["hparams"], width=width or terminal.width(), mark="~" if is_ascii else "…"
    )
    if settings:
        terminal.say("\n".join(["", *settings]))
    if found["left_out"]:
        terminal.say(f"\n{found['left_out']} more tags: name those that matter.")


def _begun(client: Client, job_id: int) -> list[int]:
    """Return the jobs of an array that have begun, the first fifty; of a job alone itself."""
    jobs = jobs_named(client, job_id)
    return [job["id"] for job in jobs if job["attempt"]][:_MOST] if len(jobs) > 1 else [job_id]


def _first(found: Json) -> str:
    """Return the tag to draw: a loss before all else."""
    tags = [one["tag"] for one in found["tags"]]
    return min(tags, key=lambda tag: (tag.rsplit("/", 1)[-1] != "loss", "loss" not in tag))
