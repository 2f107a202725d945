"""`gpuq show`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.naming import number_of
from gpuq.cli.show import print_job
from gpuq.cli.views.notes import picture_lines, text_lines
from gpuq.client import Client
from gpuq.errors import UsageError


@click.command("show")
@click.argument("job_id", metavar="ID")
@click.option("--text", "has_text", is_flag=True, help="What its script wrote by `tf.summary.text`.")
@click.option("--pictures", "has_pictures", is_flag=True, help="Which pictures it wrote; `gpuq export` gets them.")
@click.option("--tag", "-t", help="Of these texts or pictures, only this tag's.")
@click.option("--json", "as_json", is_flag=True, help="Print the job, or each text or picture, as a JSON object.")
def command(job_id: str, has_text: bool, has_pictures: bool, tag: str | None, as_json: bool) -> None:
    """Show everything about job ID: times, ranks, GPU time, and the error if it failed."""
    if has_text and has_pictures:
        raise UsageError("Ask for --text or for --pictures, one at a time.")
    if not has_text and not has_pictures:
        if tag is not None:
            raise UsageError("A tag is of texts or pictures: `gpuq show ID --text --tag TAG`.")
        print_job(job_id, as_json=as_json)
        return
    client = Client()
    number = number_of(client, job_id)
    found = client.texts(number, tag=tag) if has_text else client.pictures(number, tag=tag)
    if as_json:
        for one in found:
            terminal.say_json(one)
        return
    mark = "…" if terminal.is_utf8() else "~"
    lines = text_lines(number, found) if has_text else picture_lines(number, found, width=terminal.width(), mark=mark)
    terminal.say("\n".join(lines))
