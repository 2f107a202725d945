"""`gpuq histogram`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.cli.saving import save
from gpuq.cli.views.heat import map_lines, ridge_lines, room_for
from gpuq.client import Client
from gpuq.errors import NotFoundError
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json

_PIPE_SIZE = (80, 24)


@declare.command("histogram")
@declare.argument("job_id", metavar="ID")
@declare.argument("tag", required=False)
@declare.option("--rank", "-r", type=declare.IntRange(min=0), help="Of this rank. [the first]")
@declare.option("--run", help="Of this run (folder below the rank's log folder).")
@declare.option("--attempt", type=declare.IntRange(min=1), help="Of this attempt alone. [all, one after the other]")
@declare.option("--ridges", "is_ridges", is_flag=True, help="A line a step, not a map of steps and values.")
@declare.option("--width", type=declare.IntRange(24, 1000), help="Columns. [the terminal's]")
@declare.option("--height", type=declare.IntRange(4, 400), help="Bins of the map, or ridges. [16]")
@declare.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII, as where the locale is not UTF-8.")
@declare.option("--svg", metavar="FILE", help="Write the map as SVG instead.")
@declare.option("--png", metavar="FILE", help="Write the map as PNG instead.")
@declare.option("--json", "as_json", is_flag=True, help="Print the distributions as they were written, as JSON.")
def command(
    job_id: str,
    tag: str | None,
    rank: int | None,
    run: str | None,
    attempt: int | None,
    is_ridges: bool,
    width: int | None,
    height: int | None,
    is_ascii: bool,
    svg: str | None,
    png: str | None,
    as_json: bool,
) -> None:
    """Draw how the distribution of TAG in job ID moves over its steps: weights, gradients, activations.

    Steps go across and values up; the fuller a bin, the darker. Without TAG, lists the tags that are distributions.
    """
    client = Client()
    number = number_of(client, job_id)
    if tag is None:
        _list(client, number)
        return
    which: Json = {"rank": rank, "run": run, "attempt": attempt}
    if svg is not None or png is not None:
        for form, path in (("svg", svg), ("png", png)):
            if path is not None:
                save(path, [client.heat_picture(number, tag, format=form, **which)])
        return
    if as_json:
        terminal.say_json(client.histograms(number, tag, **which))
        return
    columns = width or (terminal.size()[0] if terminal.is_terminal() else _PIPE_SIZE[0])
    found = _asked(client, number, tag, which, columns, height or 16, is_ridges)
    draw = ridge_lines if is_ridges else map_lines
    terminal.say("\n".join(draw(found, columns, is_ascii=is_ascii or not terminal.is_utf8())))


def _asked(client: Client, number: int, tag: str, which: Json, columns: int, height: int, is_ridges: bool) -> Json:
    room = min(500, room_for(columns, is_ridges=is_ridges))
    bins, steps = (room, height) if is_ridges else (height, room)
    return client.heat_map(number, tag, bins=bins, at_most=steps, **which)


def _list(client: Client, number: int) -> None:
    tags = dict.fromkeys(one["tag"] for one in client.series(number) if one["kind"] == "histogram")
    if not tags:
        raise NotFoundError(f"Job {number} has written no histogram; `tf.summary.histogram` writes one.")
    terminal.say("\n".join(fit(clean(tag), 200) for tag in tags))
