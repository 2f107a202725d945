"""`gpuq update`."""

from __future__ import annotations

import time

from gpuq.asking import read
from gpuq.cli import declare
from gpuq.cli.changing import change_chosen
from gpuq.cli.selecting import changes_jobs
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.filters import is_expression
from gpuq.near import hint
from gpuq.text import clean, fit
from gpuq.units import parse_count, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

# The word before the equals sign, and the option that it is.
FIELDS = {
    "name": "name",
    "workers": "workers",
    "gpus-per-worker": "gpus_per_worker",
    "ps": "ps",
    "evaluator": "evaluator",
    "epochs": "epochs",
    "independent": "independent",
    "driver": "driver",
    "cpus-per-ps": "cpus_per_ps",
    "memory-per-ps": "memory_per_ps",
    "time": "time",
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "gpu-type": "gpu_type",
    "nodes": "nodes",
    "exclusive": "exclusive",
    "layout": "layout",
    "cpus-per-worker": "cpus",
    "memory-per-worker": "memory",
    "nice": "nice",
    "begin": "begin",
    "deadline": "deadline",
    "dependency": "dependency",
    "reservation": "reservation",
    "signal": "signal",
    "stop-on": "stop_on",
    "retries": "retries",
    "notify": "notify",
    "notify-to": "notify_to",
    "mail-type": "mail_type",
    "mail-user": "mail_user",
}
# What scontrol calls them, where no spelling is near enough.
_SLURM = {
    "timelimit": "time",
    "jobname": "name",
    "starttime": "begin",
    "eligibletime": "begin",
    "numnodes": "nodes",
    "numtasks": "workers",
    "gres": "gpus-per-worker",
    "features": "gpu-type",
    "arraytaskthrottle": "throttle",
}
_CLEARED = {
    "time": "time_limit_s",
    "account": "account",
    "qos": "qos",
    "gpu-type": "gpu_type",
    "nodes": "nodes",
    "begin": "begin_at",
    "deadline": "deadline",
    "dependency": "dependency",
    "reservation": "reservation",
    "signal": "signal_s",
    "stop-on": "stop_on",
    "notify": "notify",
    "notify-to": "notify_to",
    "throttle": "throttle",
}


@declare.command("update")
@declare.argument("words", metavar="[ID]... FIELD=VALUE...", nargs=-1, required=True)
@changes_jobs
@declare.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
def command(words: tuple[str, ...], as_json: bool, **asked: object) -> int:
    """Change what pending jobs ask for, as in `gpuq update 12 time=2h nice=10 dependency=none`.

    Fields are named as the options of `gpuq enqueue`; `none` takes one back. An array's number means all its
    tasks that wait, 12_3-7 some of them, 12-15 a range of jobs; options and words such as 'gpus>4' or '!name=x' choose
    them otherwise (FIELD=VALUE is always a change). Besides:

    \b
    throttle=N       how many tasks of the array may run at once
    priority=top     before everybody, priority=normal back again (administrators)
    """
    which, given = _split(words)
    if not given:
        raise UsageError(f"Say what to change, as in `gpuq update {fit(clean(' '.join(which)), 40)} time=2h`.")
    changes, top = parse(given, now=time.time())
    client = Client()

    def change(number: int, index: int | None) -> Json:
        job: Json = {}
        if changes:
            job = client.update(number, changes, index=index)
        if top is not None:
            job = client.move_to_top(number, index=index, on=top)
        return job

    return change_chosen(
        client,
        which,
        asked,
        verb="update",
        changes=f": {fit(' '.join(given), 200)}",
        states=frozenset({"PENDING"}),
        change=change,
        told="changed",
        as_json=as_json,
    )


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words that choose jobs, and those that change them: whatever is FIELD=VALUE.

    Raises:
        UsageError: a word is neither.
    """
    which: list[str] = []
    given: list[str] = []
    for word in words:
        field, equals, _ = word.partition("=")
        is_change = bool(equals) and not word[:1].isdigit() and field.replace("-", "").replace("_", "").isalpha()
        if not is_change and not word[:1].isdigit() and not is_expression(word):
            if not (which or given):
                parse_job_id(word)  # says what a job is called
            raise UsageError(f"'{fit(clean(word), 60)}' is no change: write FIELD=VALUE, for example time=2h.")
        (given if is_change else which).append(word)
    fields = [word.partition("=")[0] for word in given]
    twice = next((field for field in fields if fields.count(field) > 1), None)
    if twice is not None:
        raise UsageError(f"{fit(clean(twice), 40)} is changed twice: say it once.")
    return which, given


def parse(words: Sequence[str], *, now: float) -> tuple[Json, bool | None]:
    """Return the changed fields of a `models.JobSpec`, and whether to go to the top (None: as it is).

    Raises:
        UsageError: a word is not FIELD=VALUE, or its value cannot be read.
    """
    changes: Json = {}
    given: dict[str, tuple[str, str]] = {}
    top: bool | None = None
    for word in words:
        field, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"'{fit(clean(word), 60)}' is no change: write FIELD=VALUE, for example time=2h.")
        if field == "priority":
            top = _is_top(value)
        elif value.lower() == "none" and field in _CLEARED:
            changes[_CLEARED[field]] = None
        elif field == "throttle":
            changes["throttle"] = parse_count(value, "tasks at once")
        elif field in FIELDS:
            given[FIELDS[field]] = (value, f"{field}: ")
        else:
            raise UsageError(f"There is no field '{fit(clean(field), 40)}'; {_hint(field)}")
    return changes | read(given, now), top


def _is_top(value: str) -> bool:
    if value.lower() not in ("top", "normal"):
        raise UsageError(f"'{fit(clean(value), 40)}' is not a priority to give: use top or normal.")
    return value.lower() == "top"


def _hint(field: str) -> str:
    if field.lower() in ("job", "jobid"):
        return "name the job by its number alone, as in `gpuq update 12 time=2h`."
    known = [*FIELDS, "throttle", "priority"]
    meant = _SLURM.get(field.lower())
    return f"did you mean {meant}?" if meant is not None else hint(field, known, f"fields are {', '.join(known)}.")
