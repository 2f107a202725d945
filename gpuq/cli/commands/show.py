"""`gpuq show`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.naming import number_of
from gpuq.cli.show import print_job
from gpuq.cli.views.code import code_lines, file_text
from gpuq.cli.views.notes import picture_lines, text_lines
from gpuq.client import Client
from gpuq.errors import UsageError


@click.command("show")
@click.argument("job_id", metavar="ID")
@click.option("--code", "has_code", is_flag=True, help="What it runs: script, files beside it, git commit and changes.")
@click.option("--file", "path", metavar="PATH", help="Print one of those files, as it was queued.")
@click.option("--text", "has_text", is_flag=True, help="What its script wrote by `tf.summary.text`.")
@click.option("--pictures", "has_pictures", is_flag=True, help="Which pictures it wrote; `gpuq export` gets them.")
@click.option("--tag", "-t", help="Of these texts or pictures, only this tag's.")
@click.option("--json", "as_json", is_flag=True, help="Print the job, its code, or each text or picture, as JSON.")
def command(
    job_id: str,
    has_code: bool,
    path: str | None,
    has_text: bool,
    has_pictures: bool,
    tag: str | None,
    as_json: bool,
) -> None:
    """Show everything about job ID: times, ranks, GPU time, and the error if it failed."""
    if has_text + has_pictures + has_code + (path is not None) > 1:
        raise UsageError("Ask for --code, --file, --text or --pictures, one at a time.")
    if tag is not None and not (has_text or has_pictures):
        raise UsageError("A tag is of texts or pictures: `gpuq show ID --text --tag TAG`.")
    if has_text or has_pictures:
        _print_notes(job_id, tag, has_text=has_text, as_json=as_json)
    elif has_code or path is not None:
        _print_code(job_id, path, as_json=as_json)
    else:
        print_job(job_id, as_json=as_json)


def _print_notes(job_id: str, tag: str | None, *, has_text: bool, as_json: bool) -> None:
    """Print the texts that a job wrote, or what pictures."""
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


def _print_code(job_id: str, path: str | None, *, as_json: bool) -> None:
    """Print what a job runs, or one file of it."""
    if path is not None and as_json:
        raise UsageError("Give --file or --json, not both: --code --json holds all files.")
    client = Client()
    spec = client.spec(number_of(client, job_id))
    if path is not None:
        terminal.say_bytes(file_text(spec, path).encode())
    elif as_json:
        terminal.say_json({name: spec.get(name) for name in ("script_name", "script", "code")})
    else:
        terminal.say("\n".join(code_lines(spec)))
