"""`gpuq enqueue`."""

from __future__ import annotations

import os

import click

from gpuq.cli import terminal
from gpuq.cli.commands.logs import default_rank, print_log
from gpuq.cli.commands.wait import exit_code
from gpuq.cli.following import wait_for_end
from gpuq.cli.scripts import ScriptCommand, refuse_shell_script
from gpuq.cli.views.job import end_line, error_lines, queued_line
from gpuq.client import Client
from gpuq.errors import NotFoundError, UsageError
from gpuq.main_fun import check_main_fun
from gpuq.script import MAX_NAME_CHARACTERS, check_name, late_directives, read_directives, read_script
from gpuq.text import clean, fit, is_clean
from gpuq.units import parse_count, parse_time_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from gpuq.client import Json

    T = TypeVar("T")


@click.command("enqueue", cls=ScriptCommand)
@click.option("--name", "-J", help="The job's name; without it the script's.")
@click.option("--workers", "-w", help="TFoS nodes, the chief among them. [1]")
@click.option("--gpus-per-worker", "-g", help="GPUs for each of them. [1]")
@click.option("--time", "-t", help="Time limit: 90 (minutes), 30m, 2h, HH:MM:SS, D-HH:MM:SS. [none]")
@click.option("--partition", "-p", help="Where to run. [the default one]")
@click.option("--wait", "wait", is_flag=True, help="Follow the log to the end; exit with the job's exit code.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as one JSON object.")
@click.argument("script", metavar="SCRIPT.PY")
@click.argument("args", metavar="[-- ARGS]...", nargs=-1)
def command(script: str, args: tuple[str, ...], wait: bool, as_json: bool, **asked: str | None) -> int:
    """Queue SCRIPT.PY, whose `main_fun(args, ctx)` every worker runs as a TensorFlowOnSpark node.

    The script is copied as it is now. Options may also stand in its first comment lines, as in
    `#GPUQ --workers 2 --time 2h`; the command line wins. Words after `--` are for the script.
    """
    text = read_script(script)
    job_spec = spec(script, text, args, asked)
    for line in late_directives(text):
        terminal.say_error(f"Warning: {script} line {line}: #GPUQ after the first line of code is not read.")
    client = Client()
    job = client.enqueue(job_spec)
    if as_json:
        terminal.say_json(job)
    else:
        terminal.say(queued_line(job))
        if terminal.is_terminal() and not wait:
            terminal.say(f"Follow it: gpuq logs -f {job['id']}")
    return _follow(client, job, as_json) if wait else 0


def spec(script: str, text: str, args: Sequence[str], asked: dict[str, str | None]) -> Json:
    """Return the `models.JobSpec` of a command line (`asked`, None where not given) and a script's head.

    Raises:
        UsageError: anything of it cannot become a job.
    """
    refuse_shell_script(text, script)
    check_main_fun(text, script)
    given = {d.field: (d.value, f"{clean(script)} line {d.line}: ") for d in read_directives(text, script)}
    given |= {field: (value, "") for field, value in asked.items() if value is not None}
    for word in (os.path.basename(script), *args):
        _check_utf8(word)
    return {
        "script_name": os.path.basename(script),
        "script": text,
        "args": list(args),
        "name": _read(given, "name", _name),
        "workers": _read(given, "workers", lambda word: parse_count(word, "workers")) or 1,
        "gpus_per_worker": _read(given, "gpus_per_worker", lambda w: parse_count(w, "GPUs per worker")) or 1,
        "time_limit_s": _read(given, "time", parse_time_limit),
        "partition": _read(given, "partition", _partition),
    }


def _read(given: dict[str, tuple[str, str]], field: str, parse: Callable[[str], T]) -> T | None:
    """Return a field's value; None where it was not given. A mistake says the line of the script it is in."""
    if field not in given:
        return None
    word, where = given[field]
    try:
        return parse(word)
    except UsageError as error:
        raise UsageError(f"{where}{error}") from error


def _name(word: str) -> str:
    check_name(word)
    return word


def _partition(word: str) -> str:
    if not word.strip() or not is_clean(word) or len(word) > MAX_NAME_CHARACTERS:
        raise UsageError(f"'{fit(clean(word), 60)}' cannot be a partition's name.")
    return word


def _check_utf8(word: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"'{fit(clean(word), 60)}' is not UTF-8; a job's words must be.") from error


def _follow(client: Client, job: Json, as_json: bool) -> int:
    """Print the log of a queued job to its end, and how it ended; return its exit code."""
    followed = None
    try:
        if not as_json:
            rank = default_rank(job, None)
            print_log(client, job, rank, follow=True, lines=None, as_json=False)
            followed = rank
        job = wait_for_end(client, job)
    except NotFoundError:  # it ended without a log
        job = wait_for_end(client, client.job(job["id"]))
    except KeyboardInterrupt:
        terminal.say_error(f"Job {job['id']} goes on; `gpuq cancel {job['id']}` ends it.")
        raise
    if as_json:
        terminal.say_json(job)
    else:
        is_seen = followed is not None and job["failed_rank"] == followed  # else the tail is another log's
        terminal.say("\n".join([*error_lines(job, has_tail=not is_seen), end_line(job)]))
    return exit_code(job["exit_code"])
