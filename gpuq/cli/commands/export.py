"""`gpuq export`."""

from __future__ import annotations

from gpuq.cli import declare
from gpuq.cli.naming import number_of
from gpuq.cli.saving import save
from gpuq.cli.saving_pictures import save_pictures
from gpuq.client import Client

_ENDINGS = {"parquet": "parquet", "arrow": "arrows", "csv": "csv", "json": "json"}


@declare.command("export")
@declare.argument("job_id", metavar="ID")
@declare.argument("tags", metavar="[TAG...]", nargs=-1)
@declare.option("--out", "-o", metavar="FILE", help="Where to; - is stdout. [job-ID.parquet]")
@declare.option("--format", "form", type=declare.Choice(list(_ENDINGS)), default="parquet", help="[parquet]")
@declare.option("--histograms", "is_histograms", is_flag=True, help="The distributions, not the scalars.")
@declare.option("--pictures", "is_pictures", is_flag=True, help="The pictures, a file each, into a folder.")
def command(
    job_id: str, tags: tuple[str, ...], out: str | None, form: str, is_histograms: bool, is_pictures: bool
) -> None:
    """Write all points of job ID to a file: a row a point, every attempt, rank and run, none left out.

    Parquet, an Arrow IPC stream, CSV or JSON; gpuqd writes it, so that nothing is needed here.
    """
    client = Client()
    number = number_of(client, job_id)
    if is_pictures:
        save_pictures(client, number, tags, out or f"job-{number}-pictures")
        return
    kind = "histogram" if is_histograms else "scalar"
    path = out or f"job-{number}{'-histograms' if is_histograms else ''}.{_ENDINGS[form]}"
    save(path, client.points(number, tag=list(tags), kind=kind, format=form))
