"""`#SBATCH` lines: what of them has a meaning here, and what has none.

Slurm gives GPUs to nodes or tasks, gpuq to workers: a task is a worker. Source: Slurm, sbatch(1).
"""

from __future__ import annotations

import os
import shlex

from gpuq.errors import UsageError
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTIVE = "#SBATCH"
_LETTERS = {
    "J": "job-name", "t": "time", "p": "partition", "A": "account", "q": "qos", "N": "nodes", "n": "ntasks",
    "c": "cpus-per-task", "b": "begin", "d": "dependency", "a": "array", "H": "hold", "G": "gpus", "C": "constraint",
    "o": "output", "e": "error", "D": "chdir", "L": "licenses", "w": "nodelist", "x": "exclude", "k": "no-kill",
    "O": "overcommit", "s": "oversubscribe", "Q": "quiet", "v": "verbose", "W": "wait", "M": "clusters",
}  # fmt: skip
_FLAGS = frozenset(
    {"hold", "exclusive", "nice", "requeue", "no-requeue", "no-kill", "overcommit", "oversubscribe", "contiguous"}
    | {"quiet", "verbose", "wait", "parsable", "spread-job", "use-min-nodes", "reboot", "ignore-pbs", "get-user-env"}
)  # options that may stand without a value; one comes after `=` only
_SAME = {
    "job-name": "name", "time": "time", "partition": "partition", "account": "account", "qos": "qos", "begin": "begin",
    "cpus-per-task": "cpus", "deadline": "deadline", "dependency": "dependency", "array": "array", "nodes": "nodes",
    "reservation": "reservation", "constraint": "gpu_type", "mail-type": "mail_type", "mail-user": "mail_user",
}  # fmt: skip
_OPTION = {"cpus": "cpus-per-worker", "memory": "memory-per-worker"}
_MEANT = frozenset(
    {"ntasks", "ntasks-per-node", "gres", "gpus", "gpus-per-node", "gpus-per-task", "mem", "mem-per-cpu"}
    | {"hold", "exclusive"}
)


class Asked:
    """What the `#SBATCH` lines of a script ask for.

    `fields` has the words by the names of `gpuq.asking`, with where they stand; `left_out` the options that mean
    nothing here, in their order, with their lines.
    """

    def __init__(self) -> None:
        self.fields: dict[str, tuple[str, str]] = {}
        self.left_out: list[tuple[int, str]] = []


def read_sbatch(text: str, path: str) -> Asked:
    """Return what the `#SBATCH` lines before the first line of code ask for.

    `--ntasks` (or `--nodes` x `--ntasks-per-node`) is the number of workers; GPUs of a node or of the job are divided
    among its workers.

    Raises:
        UsageError: a line cannot be split into words, or GPUs do not divide among the workers.
    """
    asked = Asked()
    given: dict[str, tuple[str, int]] = {}
    for name, value, line in _options(text, clean(path)):
        if name in _SAME or name in _MEANT or (name in ("nice", "signal") and value):
            given[name] = (value, line)
        else:
            asked.left_out.append((line, name if name.startswith("'") else f"--{name}"))
    for name, (value, line) in given.items():
        if name in _SAME:
            asked.fields[_SAME[name]] = (value, f"{clean(path)} line {line}: ")
    _add_flags(asked, given, clean(path))
    _add_workers(asked, given, clean(path))
    return asked


def _options(text: str, path: str) -> Iterator[tuple[str, str, int]]:
    """Yield name, value ("" for none) and line of each option; a word that is none in quotation marks."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            return
        if stripped.split(None, 1)[:1] != [DIRECTIVE]:
            continue
        try:
            words = shlex.split(stripped.removeprefix(DIRECTIVE), comments=True)
        except ValueError as error:
            raise UsageError(f"{path} line {number}: a quotation mark is not closed.") from error
        while words:
            name, value = _split(words.pop(0))
            if not name.startswith("-"):
                yield f"'{fit(clean(name), 40)}'", "", number
                continue
            name = name[2:]
            if value is None and name not in _FLAGS and words and not words[0].startswith("-"):
                value = words.pop(0)
            yield name, value or "", number


def _split(word: str) -> tuple[str, str | None]:
    """Return `--name` and value of an option, a word that is none as it is."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    if word.startswith("-") and len(word) > 1:
        return f"--{_LETTERS.get(word[1], word[1])}", word[2:] or None
    return word, None


def _add_flags(asked: Asked, given: dict[str, tuple[str, int]], path: str) -> None:
    for flag in ("hold", "exclusive"):
        if flag in given:
            asked.fields[flag] = ("yes", f"{path} line {given[flag][1]}: ")
    if "nice" in given:
        asked.fields["nice"] = (given["nice"][0], f"{path} line {given['nice'][1]}: ")
    if "signal" in given:
        value, line = given["signal"]
        at = value.rpartition(":")[2]  # B: and R: say whom Slurm signals; here it is always the script
        if at.partition("@")[0].upper().removeprefix("SIG") in ("USR1", "10") and "@" in at:
            asked.fields["signal"] = (at.partition("@")[2], f"{path} line {line}: ")
        else:
            asked.left_out.append((line, f"--signal={fit(clean(value), 20)} (the signal here is USR1, as in USR1@60)"))


def _add_workers(asked: Asked, given: dict[str, tuple[str, int]], path: str) -> None:
    """Add workers, their GPUs and their memory, of what is said of tasks and nodes."""
    nodes = _count(given, "nodes", path) or 1
    a_node = _count(given, "ntasks-per-node", path)
    workers = _count(given, "ntasks", path) or nodes * (a_node or 1)
    if {"ntasks", "nodes", "ntasks-per-node"} & set(given):
        asked.fields["workers"] = (str(workers), f"{path}: ")
    per_node = max(1, workers // nodes)
    for name, parts in (("gpus-per-task", 1), ("gpus-per-node", per_node), ("gres", per_node), ("gpus", workers)):
        if name in given:
            value, line = given[name]
            _add_gpus(asked, name, value, parts, f"{path} line {line}: ")
    if "mem" in given:
        asked.fields["memory"] = (_divided_memory(given["mem"][0], per_node), f"{path} line {given['mem'][1]}: ")
    elif "mem-per-cpu" in given:
        value, line = given["mem-per-cpu"]
        cpus = _count(given, "cpus-per-task", path) or 1
        digits = value.rstrip("KMGTkmgt")
        asked.fields["memory"] = (
            f"{int(digits) * cpus}{value[len(digits) :]}" if digits.isdecimal() else value,
            f"{path} line {line}: ",
        )


def _add_gpus(asked: Asked, name: str, value: str, parts: int, where: str) -> None:
    words = value.split(":")
    if name == "gres":
        if words[0] != "gpu" or "," in value:
            raise UsageError(f"{where}--gres={fit(clean(value), 40)} asks for other things than GPUs; write gpu:N.")
        words = words[1:] or ["1"]
    model, number = (words[0], words[1]) if len(words) > 1 else ("", words[0])
    if not (number.isascii() and number.isdigit() and len(number) < 7) or len(words) > 2:
        raise UsageError(f"{where}--{name}={fit(clean(value), 40)} is not a number of GPUs; write N or MODEL:N.")
    each, left = divmod(int(number), parts)
    if left:
        raise UsageError(f"{where}{number} GPUs do not divide among {parts} workers; say --gpus-per-task.")
    asked.fields["gpus_per_worker"] = (str(each), where)
    if model:
        asked.fields["gpu_type"] = (model, where)


def _count(given: dict[str, tuple[str, int]], name: str, path: str) -> int | None:
    """Return a whole number that was given, None where it was not; of `2-4` nodes the first."""
    if name not in given:
        return None
    value, line = given[name]
    if not (value.isascii() and value.isdigit() and 0 < len(value) < 7 and int(value)):
        raise UsageError(
            f"{path} line {line}: --{name}={fit(clean(value), 40)} is not a number; write a whole one from 1."
        )
    return int(value)


def _divided_memory(value: str, parts: int) -> str:
    """Return a part of a node's memory, in MiB where it does not divide."""
    digits = value.rstrip("KMGTkmgt")
    if not digits.isdecimal() or len(digits) > 9:
        return value
    amount, unit = int(digits), value[len(digits) :]
    if amount % parts == 0:
        return f"{amount // parts}{unit}"
    scale = {"": 1, "m": 1, "g": 1024, "t": 1024 * 1024}.get(unit.lower())
    return value if scale is None else str(amount * scale // parts)


def same_line(text: str, path: str) -> str | None:
    """Return the line of gpuq that does what a batch script for a shell does with its one plain `python` command.

    It takes over the `#SBATCH` options that mean something, and the words after the Python script. None where there is
    no such command, or where the shell does more with it than run it.
    """
    commands = [line for line in text.split("\n") if _is_python(line)]
    if len(commands) != 1 or any(line.split(None, 1)[:1] in (["for"], ["while"], ["if"]) for line in text.split("\n")):
        return None
    line = commands[0]
    if set("$`|<>&;(){}") & set(line):
        return None
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    rest = words[1 + next(i for i, word in enumerate(words) if os.path.basename(word).startswith("python")) :]
    while rest and rest[0].startswith("-"):
        if rest[0] in ("-m", "-c"):
            return None
        rest = rest[2 if rest[0] in ("-X", "-W") else 1 :]
    if not rest or not rest[0].endswith(".py"):
        return None
    try:
        asked = read_sbatch(text, path)
    except UsageError:
        return None
    said: list[str] = []
    for name, (value, _) in asked.fields.items():
        option = f"--{_OPTION.get(name, name).replace('_', '-')}"
        said += [option] if option in ("--hold", "--exclusive") else [option, shlex.quote(value)]
    args = ["--", *map(shlex.quote, rest[1:])] if rest[1:] else []
    return clean(" ".join(["gpuq", "enqueue", *said, shlex.quote(rest[0]), *args]))


def _is_python(line: str) -> bool:
    """Whether a line of a shell script runs Python, by any of its words."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return "python" in line and not line.lstrip().startswith("#")
    return any(os.path.basename(word).startswith("python") for word in words)
