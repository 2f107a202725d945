"""What is read from a script at submit: its text, and the options in its head.

The daemon checks again; here a mistake costs no round trip and queues nothing.
"""

from __future__ import annotations

import os

from gpuq.errors import UsageError
from gpuq.regular import NotRegularError, open_regular
from gpuq.text import clean, is_clean
from gpuq.units import size

MAX_SCRIPT_BYTES = 1024 * 1024
MAX_NAME_CHARACTERS = 128
DIRECTIVE = "#GPUQ"

OPTIONS = {
    "--name": "name",
    "-J": "name",
    "--workers": "workers",
    "-w": "workers",
    "--gpus-per-worker": "gpus_per_worker",
    "-g": "gpus_per_worker",
    "--ps": "ps",
    "--evaluator": "evaluator",
    "--epochs": "epochs",
    "--independent": "independent",
    "--driver": "driver",
    "--cpus-per-ps": "cpus_per_ps",
    "--memory-per-ps": "memory_per_ps",
    "--time": "time",
    "-t": "time",
    "--partition": "partition",
    "-p": "partition",
    "--account": "account",
    "-A": "account",
    "--qos": "qos",
    "-q": "qos",
    "--gpu-type": "gpu_type",
    "--nodes": "nodes",
    "-N": "nodes",
    "--exclusive": "exclusive",
    "--layout": "layout",
    "--cpus-per-worker": "cpus",
    "-c": "cpus",
    "--memory-per-worker": "memory",
    "-m": "memory",
    "--nice": "nice",
    "--hold": "hold",
    "-H": "hold",
    "--begin": "begin",
    "-b": "begin",
    "--deadline": "deadline",
    "--dependency": "dependency",
    "-d": "dependency",
    "--array": "array",
    "-a": "array",
    "--reservation": "reservation",
    "--signal": "signal",
    "--stop-on": "stop_on",
    "--retries": "retries",
    "--sweep": "sweep",
    "--files": "files",
    "--py-files": "files",
    "--notify": "notify",
    "--notify-to": "notify_to",
    "--mail-type": "mail_type",
    "--mail-user": "mail_user",
}
FLAGS = frozenset({"exclusive", "hold", "evaluator", "independent", "driver"})  # fields whose options take no value


class Directive:
    """One option of a `#GPUQ` line: the field it sets, its word, and the line it stands in (from 1)."""

    __slots__ = ("field", "line", "value")

    def __init__(self, *, field: str, value: str, line: int) -> None:
        self.field, self.value, self.line = field, value, line


def read_script(path: str) -> str:
    """Return the text of the script at `path`, byte for byte.

    Raises:
        UsageError: there is no such file, it is not a regular one, not readable, too large or not UTF-8.
    """
    shown = clean(path)
    try:
        handle = open_regular(path)
    except FileNotFoundError as error:
        raise UsageError(f"There is no script {shown}.") from error
    except NotRegularError as error:
        raise UsageError(f"{shown} is {error.what}; give a Python script.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot read {shown}: {_cause(error)}.") from error
    with os.fdopen(handle, "rb") as stream:
        n_bytes = os.fstat(handle).st_size
        content = stream.read(MAX_SCRIPT_BYTES + 1)
    if len(content) > MAX_SCRIPT_BYTES:
        raise UsageError(
            f"{shown} is {size(max(n_bytes, len(content)))}; a script may have at most 1 MiB: "
            "put data on the file system."
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{shown} line {line} is not UTF-8 text; save the script as UTF-8.") from error


def _cause(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or "unknown cause"


def read_directives(text: str, path: str) -> list[Directive]:
    """Return the options of the `#GPUQ` lines before the first line of code, in their order.

    Raises:
        UsageError: a line cannot be split into words, or holds an unknown option or one without a value.
    """
    found: list[Directive] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            break
        words = _after_directive(stripped)
        if words is not None:
            found += _directives(words, number, clean(path))
    return found


def late_directives(text: str) -> list[int]:
    """Return which lines (from 1) are `#GPUQ` lines after the first line of code: too late to be read."""
    in_head, late = True, list[int]()
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        stripped = line.strip()
        in_head = in_head and (not stripped or stripped.startswith("#"))
        if not in_head and _after_directive(line.rstrip()) is not None:
            late.append(number)
    return late


def _after_directive(line: str) -> str | None:
    """Return what follows `#GPUQ`, or None. Formatters make `# GPUQ` of it: that counts too, before an option."""
    words = line[1:].split(None, 1) if line.startswith("#") else []
    if words[:1] != [DIRECTIVE[1:]]:
        return None
    rest = words[1] if len(words) > 1 else ""
    return rest if line.startswith(DIRECTIVE) or rest.startswith("-") else None


def _directives(words_text: str, line: int, path: str) -> list[Directive]:
    import shlex  # this and `difflib` load `re`: for those who need them only

    try:
        words = shlex.split(words_text, comments=True)
    except ValueError as error:
        raise UsageError(f"{path} line {line}: a quotation mark is not closed.") from error
    found: list[Directive] = []
    while words:
        option, value = _split_option(words.pop(0))
        if option not in OPTIONS:
            raise UsageError(f"{path} line {line}: {_unknown(option)}")
        if OPTIONS[option] in FLAGS:
            if value is not None:
                raise UsageError(f"{path} line {line}: {option} takes no value.")
            value = "yes"
        elif value is None:
            if not words:
                raise UsageError(f"{path} line {line}: {option} needs a value.")
            value = words.pop(0)
        found.append(Directive(field=OPTIONS[option], value=value, line=line))
    return found


def _split_option(word: str) -> tuple[str, str | None]:
    """Return option and value of `--name=x`, `-w2`, or the option alone."""
    if word.startswith("--"):
        option, equals, value = word.partition("=")
        return option, value if equals else None
    return (word[:2], word[2:]) if word[:2] in OPTIONS and len(word) > 2 else (word, None)


def _unknown(option: str) -> str:
    import difflib

    near = difflib.get_close_matches(option, OPTIONS, n=1)
    hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(o for o in OPTIONS if o[1] == "-") + "."
    return f"there is no {DIRECTIVE} option {clean(option)[:60]}; {hint}"


def check_name(name: str) -> None:
    """Check a job's name.

    Raises:
        UsageError: it is empty, longer than 128 characters, or not printable.
    """
    if not name.strip():
        raise UsageError("A job's name cannot be empty; leave --name out to take the script's.")
    if not is_clean(name):
        raise UsageError("A job's name cannot hold line breaks, control characters or escape codes.")
    if len(name) > MAX_NAME_CHARACTERS:
        raise UsageError(f"The job's name has {len(name)} characters; it may have at most {MAX_NAME_CHARACTERS}.")
