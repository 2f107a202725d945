"""Queues a script; without click."""

from __future__ import annotations

import os
import time

from gpuq.asking import over, read
from gpuq.cli import terminal
from gpuq.cli.views.job import queued_line
from gpuq.client import Client
from gpuq.code import code_of
from gpuq.errors import GpuqError, UsageError
from gpuq.main_fun import check_driver, check_feed, check_main_fun
from gpuq.pitfalls import keras_fit_line
from gpuq.profiles import JobFile, defaults
from gpuq.script import OPTIONS, late_directives, read_directives, read_script
from gpuq.text import clean, fit
from gpuq.units import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpuq.client import Json
    from gpuq.profiles import Asked

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})


def print_queued(script: str, args: Sequence[str]) -> None:
    """Queue a script with nothing asked for but what stands in its head, and print that it is."""
    queue(Client(), checked_spec(script, args, {}))


def checked_spec(script: str, args: Sequence[str], asked: Mapping[str, str | None]) -> Json:
    """Return the `models.JobSpec` of what was typed; say what of the script is known to fail.

    Raises:
        UsageError: it cannot become a job.
    """
    script, args, written = _read_job_file(script, args)
    text = read_script(script)
    given = given_of(script, text, asked, written)
    job_spec = spec(script, text, args, given, now=time.time())
    for line in late_directives(text):
        terminal.say_error(f"Warning: {script} line {line}: #GPUQ after the first line of code is not read.")
    fit = keras_fit_line(text) if job_spec["workers"] > 1 else None
    if fit is not None:
        terminal.say_error(
            f"Warning: {script} line {fit}: model.fit of Keras 3 fails under MultiWorkerMirroredStrategy on several "
            "workers; write the training loop, or use tf_keras."
        )
    return job_spec


def queue(client: Client, job_spec: Json, *, as_json: bool = False, is_followed: bool = False) -> Json:
    """Queue a job, print that it is, and return it."""
    job = client.enqueue(job_spec)
    if as_json:
        terminal.say_json(job)
    else:
        terminal.say(queued_line(job))
        if terminal.is_terminal() and not is_followed:
            terminal.say(f"Follow it: gpuq logs -f {job['id']}")
    return job


def explained(script: str, args: Sequence[str], asked: Mapping[str, str | None]) -> list[str]:
    """Return what a job would ask for, a line each with where it is said, the last of several.

    Raises:
        UsageError: it cannot become a job.
    """
    script, args, written = _read_job_file(script, args)
    text = read_script(script)
    given = given_of(script, text, asked, written)
    sites = _given_by_site(spec(script, text, args, given, now=time.time()))
    import shlex  # loads `re`, for those who ask only

    from gpuq.cli.views.table import table

    options: dict[str, str] = {}
    for option, field in OPTIONS.items():
        options.setdefault(field, option.lstrip("-"))
    rows = [
        (options[field], word, where.removesuffix(": ") or "the command line")
        for field, (word, where) in sorted(given.items(), key=lambda item: options[item[0]])
    ]
    words = [("args", shlex.join(args), "")] if args else []
    return table(("OPTION", "VALUE", "SAID BY"), [("script", script, ""), *words, *rows, *sites])


def _given_by_site(asked: Json) -> list[tuple[str, str, str]]:
    """Return what gpuqd would add to a job, and say on stderr where it cannot be asked, or would not let it in."""
    try:
        given = Client().test(asked).get("given", ())
    except GpuqError as error:
        terminal.say_error(f"What gpuqd's own [defaults] add is not known: {error}")
        return []
    return [(*_option_of(one["field"], one["value"]), f"gpuqd's {clean(one['said_by'])}") for one in given]


def _option_of(field: str, value: int | str) -> tuple[str, str]:
    """Return a field of `models.JobSpec` as the option that it is, and its value as one types it."""
    name = field.removesuffix("_s").replace("_", "-").removesuffix("-limit")
    return name, duration(value) if isinstance(value, int) else clean(value)


def _read_job_file(script: str, args: Sequence[str]) -> tuple[str, Sequence[str], Asked]:
    """Return script, words and what is asked for of a job file; of a script it and its words."""
    if not script.endswith(".toml"):
        return script, args, {}
    job = JobFile(script)
    return job.script, args or job.args, job.asked


def given_of(script: str, text: str, asked: Mapping[str, str | None], written: Asked) -> Asked:
    """Return what is asked for and where it is said: by defaults, the script's head, a job file, the command line.

    Raises:
        UsageError: one of them cannot be read.
    """
    refuse_shell_script(text, script)
    directives = {d.field: (d.value, f"{clean(script)} line {d.line}: ") for d in read_directives(text, script)}
    typed = {field: (value, "") for field, value in asked.items() if value is not None}
    found: Asked = {}
    for said in (defaults(), sbatch_fields(text, script), directives, written, typed):
        found = over(found, said)
    return found


def spec(script: str, text: str, args: Sequence[str], given: Asked, *, now: float) -> Json:
    """Return the `models.JobSpec` of a script and of what is asked for: words, and where each is said ("": typed).

    `now` is what relative times count from.

    Raises:
        UsageError: anything of it cannot become a job.
    """
    for word in (os.path.basename(script), *args):
        _check_utf8(word)
    (check_driver if "driver" in given else check_main_fun)(text, script)
    if "epochs" in given:
        check_feed(text, script)
    made = read(given, now)
    files, where = made.pop("files", []), given.get("files", ("", ""))[1]
    code = code_of(script, files, base=os.path.dirname(script) if where else "")
    return {
        "script_name": os.path.basename(script),
        "script": text,
        "args": list(args),
        **dict.fromkeys(("name", "time_limit_s", "partition")),
        **dict.fromkeys(("workers", "gpus_per_worker"), 1),
        **made,
        **({} if code is None else {"code": code}),
    }


def sbatch_fields(text: str, script: str) -> dict[str, tuple[str, str]]:
    """Return what a script's `#SBATCH` lines ask for, and name on stderr what of them means nothing here."""
    if "#SBATCH" not in text:
        return {}
    from gpuq.sbatch import read_sbatch

    asked = read_sbatch(text, script)
    if asked.left_out:
        told = ", ".join(f"{option} (line {line})" for line, option in asked.left_out)
        terminal.say_error(f"Warning: {script}: of its #SBATCH lines these mean nothing here: {told}.")
    return asked.fields


def _check_utf8(word: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"'{fit(clean(word), 60)}' is not UTF-8; a job's words must be.") from error


def refuse_shell_script(text: str, path: str) -> None:
    """Refuse a script that is meant for a shell, as `sbatch` takes them, by its name or its first line.

    Raises:
        UsageError: it is a shell script.
    """
    if "main_fun" not in text and (path.endswith((".sh", ".bash")) or _runs_in_shell(text.split("\n", 1)[0])):
        from gpuq.sbatch import same_line

        line = same_line(text, path)
        hint = "" if line is None else f" What it asks for is `{line}`."
        raise UsageError(
            f"{clean(path)} is a shell script; give a Python script that defines `def main_fun(args, ctx):`, "
            f"which every worker runs.{hint}"
        )


def _runs_in_shell(first_line: str) -> bool:
    if not first_line.startswith("#!"):
        return False
    return any(os.path.basename(word) in _SHELLS for word in first_line[2:].split())
