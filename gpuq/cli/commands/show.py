"""`gpuq show`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.naming import is_number, number_of
from gpuq.cli.selecting import numbers_chosen, selects_jobs
from gpuq.cli.show import print_job, print_one
from gpuq.cli.views.code import code_lines, file_text
from gpuq.cli.views.notes import picture_lines, text_lines
from gpuq.client import Client
from gpuq.errors import UsageError

_MOST = 50


@declare.command("show")
@declare.argument("words", metavar="[WHICH]...", nargs=-1)
@selects_jobs
@declare.option(
    "--code", "has_code", is_flag=True, help="What it runs: script, files beside it, git commit and changes."
)
@declare.option("--file", "path", metavar="PATH", help="Print one of those files, as it was queued.")
@declare.option("--text", "has_text", is_flag=True, help="What its script wrote by `tf.summary.text`.")
@declare.option("--pictures", "has_pictures", is_flag=True, help="Which pictures it wrote; `gpuq export` gets them.")
@declare.option("--tag", "-t", help="Of these texts or pictures, only this tag's.")
@declare.option("--json", "as_json", is_flag=True, help="Print the job, its code, or each text or picture, as JSON.")
def command(
    words: tuple[str, ...],
    has_code: bool,
    path: str | None,
    has_text: bool,
    has_pictures: bool,
    tag: str | None,
    as_json: bool,
    **asked: object,
) -> None:
    """Show everything about a job: times, ranks, GPU time, and the error if it failed.

    Of an array's number: how its tasks are, and which failed with what; with --json each task as a line. Or about
    several, one after the other, the newest last, 50 at most: `gpuq show 12-15`, `gpuq show -u me -s R`.
    """
    if has_text + has_pictures + has_code + (path is not None) > 1:
        raise UsageError("Ask for --code, --file, --text or --pictures, one at a time.")
    if tag is not None and not (has_text or has_pictures):
        raise UsageError("A tag is of texts or pictures: `gpuq show ID --text --tag TAG`.")
    if words and words[0].isalpha():
        _refuse_slurms(words[0])
    job_id = words[0] if len(words) == 1 and not any(asked.values()) else ""
    if not job_id or not job_id.replace("_", "", 1).isalnum():
        if has_text or has_pictures or has_code or path is not None:
            raise UsageError("Name one job for its code, texts or pictures: `gpuq show 12 --code`.")
        _print_several(words, asked, as_json=as_json)
    elif has_text or has_pictures:
        _print_notes(job_id, tag, has_text=has_text, as_json=as_json)
    elif has_code or path is not None:
        _print_code(job_id, path, as_json=as_json)
    else:
        print_job(job_id, as_json=as_json)


def _refuse_slurms(word: str) -> None:
    """Say what shows nodes, partitions and so on, as `scontrol show` names them.

    Raises:
        UsageError: the word is one of those.
    """
    from gpuq.cli.slurm import shown

    other = shown(word)
    if other is not None:
        raise UsageError(f"`gpuq show` takes jobs, by number or by words about them; what shows a {word} is {other}.")


def _print_several(words: tuple[str, ...], asked: dict[str, object], *, as_json: bool) -> None:
    """Print all jobs that are chosen, as JSON a line each.

    Raises:
        UsageError: none is chosen by anything, or too many are.
        NotFoundError: no job passes.
    """
    if not words and not any(asked.values()):
        raise UsageError("Name a job by its ID, or choose some, as in `gpuq show -u me -s R`.")
    client = Client()
    named = list(dict.fromkeys(words))
    if len(named) <= _MOST and not any(asked.values()) and all(is_number(word) for word in named):
        for place, word in enumerate(named):
            _begin(place, as_json)
            print_job(word, as_json=as_json)
        return
    for place, number in enumerate(numbers_chosen(client, words, asked, most=_MOST)):
        _begin(place, as_json)
        print_one(client, client.job(number), as_json=as_json)


def _begin(place: int, as_json: bool) -> None:
    if place and not as_json:
        terminal.say("")


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
