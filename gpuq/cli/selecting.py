"""The options that choose jobs, and the jobs that they choose."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.naming import jobs_named
from gpuq.cli.queue import me
from gpuq.errors import UsageError
from gpuq.selection import Selection, none_found, task_of
from gpuq.states import FINAL
from gpuq.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, TypeVar

    from gpuq.client import Client, Json
    from gpuq.selection import Named

    F = TypeVar("F", bound=Callable[..., object])

_OPTIONS = (
    declare.option("--user", "-u", help="Only jobs of this user; `me`, or `all`."),
    declare.option("--state", "-s", multiple=True, help="Only these states: R, pd,cf or FAILED."),
    declare.option("--account", "-A", help="Only jobs that this account pays for."),
    declare.option("--partition", "-p", help="Only jobs of this partition."),
    declare.option("--name", "-n", help="Only jobs of this name; * and ? stand for any letters."),
    declare.option("--since", "-S", help="Only jobs submitted since: now-2days, 2d, 16:00, 2026-12-01."),
)


_SINGLY = 20  # jobs that are asked for one by one, rather than all that there ever were
_LONG = (
    ("user", "Of the jobs of this user; `me`."),
    ("state", "Of jobs in these states: R, CD."),
    ("account", "Of jobs of this account."),
    ("partition", "Of jobs of this partition."),
    ("name", "Of jobs of this name; * and ? stand for any letters."),
)


def selects_jobs(command: F) -> F:
    """Give a command the options user, state, account, partition, name and since, as `**asked`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chooses_jobs(command: F) -> F:
    """Give a command of jobs and tags the options user, state, account, partition and name, by their long names."""
    for name, text in reversed(_LONG):
        command = declare.option(f"--{name}", multiple=name == "state", help=text)(command)
    return command


def chosen_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Take the options of `chooses_jobs` out of all that was asked, and return those that were given."""
    given = {name: asked.pop(name) for name, _ in _LONG}
    return {name: value for name, value in given.items() if value}


def changes_jobs(command: F) -> F:
    """Give a command that changes jobs those options, `--dry-run` and `--yes`."""
    command = declare.option("--yes", "-y", is_flag=True, help="Do not ask before several jobs are changed.")(command)
    command = declare.option("--dry-run", is_flag=True, help="Say which jobs it would be, and change nothing.")(command)
    return selects_jobs(command)


def selection(words: Sequence[str], asked: Mapping[str, Any]) -> Selection:
    """Return what words and the options of `selects_jobs` choose.

    Raises:
        UsageError: one of them cannot be read.
    """
    options: dict[str, str | None] = {**asked, "state": ",".join(asked.get("state") or ())}
    if options.get("user") == "me":
        options["user"] = me()
    return Selection(words, options, now=time.time())


def chosen(
    client: Client, words: Sequence[str], asked: Mapping[str, Any], *, states: frozenset[str], verb: str
) -> list[tuple[Named, Json | None]]:
    """Return the jobs that a command is to change: those named as they were, else all chosen that are in `states`.

    Where nobody is named, by number or `--user`, only one's own jobs are meant. The job comes with it where it had to
    be looked up.

    Raises:
        UsageError: nothing was chosen.
        NotFoundError: no job passes.
    """
    selected = selection(words, asked)
    if not (selected.has_numbers or selected.narrows or selected.is_everybodys):
        raise UsageError(f"Name the jobs to {verb}, or choose them, as in `gpuq {verb} -u me -s PD 'gpus>4'`.")
    named: list[tuple[Named, Json | None]] = [(one, None) for one in dict.fromkeys(selected.named)]
    if selected.is_list:
        return named
    if selected.user is None and not (selected.has_numbers or selected.is_everybodys):
        selected.user = me()
    everything = bool(states & FINAL)
    states = selected.states or states
    jobs = client.jobs(everything=everything or bool(states & FINAL), user=selected.user)
    found = [job for job in jobs if job["state"] in states and selected.keeps(job)]
    if selected.narrows or not named:
        if not found:
            raise none_found(selected)
        return [(task_of(job), job) for job in found]
    # Of ranges what can be changed; who is named singly is asked for, so that it is said what does not exist.
    singly = set(dict(named))
    return [*named, *((task_of(job), job) for job in found if not {task_of(job), (job["id"], None)} & singly)]


def looked_at(client: Client, selected: Selection, *, everything: bool) -> Iterable[Json]:
    """Return the jobs among which are those that are selected, by number: a few that are named are asked for alone.

    Raises:
        NotFoundError: one that is named is not there.
    """
    if selected.spans or not selected.named or len(selected.named) > _SINGLY:
        return client.jobs(everything=everything, user=selected.user)
    found = {job["id"]: job for one in dict.fromkeys(selected.named) for job in jobs_named(client, *one)}
    return [found[number] for number in sorted(found)]


def numbers_chosen(client: Client, words: Sequence[str], asked: Mapping[str, Any], *, most: int) -> list[int]:
    """Return the numbers of the jobs to look at, ended ones among them: those named, in their order, else by number.

    Raises:
        UsageError: there are more than `most`.
        NotFoundError: no job passes, or one that is named is not there.
    """
    selected = selection(words, asked)
    if selected.is_list:
        return [int(client.job(number, index=index)["id"]) for number, index in dict.fromkeys(selected.named)]
    jobs = [job for job in client.jobs(everything=True, user=selected.user) if selected.keeps(job)]
    if not jobs:
        raise none_found(selected)
    if len(jobs) > most:
        raise UsageError(f"{len(jobs)} jobs are chosen, and {most} are shown at most: choose more closely.")
    return [job["id"] for job in jobs]


def is_wanted(
    client: Client,
    jobs: Sequence[tuple[Named, Json | None]],
    verb: str,
    *,
    dry_run: bool,
    yes: bool,
    changes: str = "",
) -> bool:
    """Whether to go on: a person at a terminal is asked before several jobs are changed that nobody named singly.

    With `dry_run` what would be changed is printed, a job a line.

    Raises:
        NotFoundError: a job that is named is not there.
    """
    if dry_run:
        for named, job in jobs:
            terminal.say(_would(client, named, job, verb, changes))
        return False
    is_singly = any(job is None for _, job in jobs) or len(jobs) == 1
    if yes or is_singly or not terminal.is_conversation():
        return True
    names = ", ".join(str(n) if index is None else f"{n}_{index}" for (n, index), _ in jobs[:10])
    more = f" and {len(jobs) - 10} more" if len(jobs) > 10 else ""
    return terminal.says_yes(f"{verb.capitalize()} {len(jobs)} jobs ({names}{more})?")


def _would(client: Client, named: Named, job: Json | None, verb: str, changes: str) -> str:
    """Return what would be done to a job, a task or an array."""
    number, index = named
    job = job or client.job(number, index=index)
    if index is None and job.get("array_id") == number:
        return clean(f"Would {verb} the tasks of array {number} ({job['name']}, {job['user']}){changes}.")
    shown = number if index is None else f"{number}_{index}"
    return clean(f"Would {verb} job {shown} ({job['name']}, {job['user']}, {job['state']}){changes}.")
