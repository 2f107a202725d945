"""What a job asks for, from the words of a command line or a script's head to the fields of a `models.JobSpec`.

`READERS` has one reader a field, named as the options are.
"""

from __future__ import annotations

from gpuq.errors import UsageError
from gpuq.script import MAX_NAME_CHARACTERS, check_name
from gpuq.text import clean, fit, is_clean
from gpuq.units import parse_count, parse_memory, parse_moment, parse_time_limit, parse_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Reader = Callable[[str, float], Any]

_LONGEST_WORD = 64 * 1024
_YES, _NO = frozenset({"yes", "true", "on", "1"}), frozenset({"no", "false", "off", "0"})


def read(given: Mapping[str, tuple[str, str]], now: float) -> dict[str, Any]:
    """Return the fields of a JobSpec that were given: {option: (word, where it stands)}.

    `now` (Unix seconds) is what relative times count from.

    Raises:
        UsageError: a word cannot be what it should; the message begins with where it stands.
    """
    made: dict[str, Any] = {}
    for option, (word, where) in given.items():
        field, reader = READERS[option]
        try:
            made[field] = reader(word, now)
        except UsageError as error:
            raise UsageError(f"{where}{error}") from error
    return made


def over(below: Mapping[str, tuple[str, str]], above: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return what is asked for by both; of options that mean the same field, `notify` and `mail_type`, those above."""
    said = {READERS[option][0] for option in above}
    return {option: word for option, word in below.items() if READERS[option][0] not in said} | {**above}


def _name(word: str, _: float) -> str:
    check_name(word)
    return word


def _called(what: str) -> Reader:
    def reader(word: str, _: float) -> str:
        if not word.strip() or not is_clean(word) or len(word) > MAX_NAME_CHARACTERS:
            raise UsageError(f"'{fit(clean(word), 60)}' cannot be {what}'s name.")
        return word

    return reader


def _count(what: str) -> Reader:
    return lambda word, _: parse_count(word, what)


def _layout(word: str, _: float) -> str:
    if word.lower() not in ("pack", "spread"):
        raise UsageError(f"'{fit(clean(word), 60)}' is not a layout: use pack or spread.")
    return word.lower()


def _plain(what: str) -> Reader:
    """Return a reader of text that only the daemon can judge; it must be one clean line."""

    def reader(word: str, _: float) -> str:
        if not word.strip() or not is_clean(word) or len(word) > _LONGEST_WORD:
            raise UsageError(f"'{fit(clean(word), 60)}' is not {what}; see `gpuq enqueue --help`.")
        return word.strip()

    return reader


def _flag(word: str, _: float) -> bool:
    if word.lower() not in _YES | _NO:
        raise UsageError(f"'{fit(clean(word), 60)}' is neither yes nor no.")
    return word.lower() in _YES


def _files(word: str, _: float) -> list[str]:
    paths = word.split(",")
    if not all(paths):
        raise UsageError("--files names files and folders, with commas between them.")
    return paths


def _sweep(word: str, _: float) -> str:
    from gpuq.sweep import parse

    parse(word)
    return word


def _signal(word: str, _: float) -> int:
    """Return seconds before the limit from `60` (seconds, as in Slurm), `5m`, or Slurm's `USR1@60`."""
    at = word.strip().upper().removeprefix("SIG").removeprefix("USR1@")
    return int(at) if at.isascii() and at.isdigit() and len(at) <= 9 else parse_time_limit(at)


def _notify(word: str, _: float) -> str | None:
    from gpuq.notices import events_of

    return events_of(word) or None


def _mail_type(word: str, _: float) -> str | None:
    from gpuq.notices import events_of_slurm

    return events_of_slurm(word) or None


def _mail_user(word: str, _: float) -> str:
    return ",".join(f"mail:{_plain('an address of mail')(one, 0.0)}" for one in word.split(","))


READERS: dict[str, tuple[str, Reader]] = {
    "name": ("name", _name),
    "workers": ("workers", _count("workers")),
    "gpus_per_worker": ("gpus_per_worker", _count("GPUs per worker")),
    "ps": ("ps", lambda word, _: parse_whole(word, "a number of parameter servers")),
    "evaluator": ("evaluator", _flag),
    "epochs": ("epochs", _count("epochs")),
    "independent": ("independent", _flag),
    "driver": ("driver", _flag),
    "cpus_per_ps": ("cpus_per_ps", _count("CPUs per parameter server")),
    "memory_per_ps": ("memory_mib_per_ps", lambda word, _: parse_memory(word)),
    "time": ("time_limit_s", lambda word, _: parse_time_limit(word)),
    "partition": ("partition", _called("a partition")),
    "account": ("account", _called("an account")),
    "qos": ("qos", _called("a QOS")),
    "gpu_type": ("gpu_type", _called("a GPU model")),
    "nodes": ("nodes", _count("nodes")),
    "exclusive": ("exclusive", _flag),
    "layout": ("layout", _layout),
    "cpus": ("cpus_per_worker", lambda word, _: parse_whole(word, "a number of CPUs")),
    "memory": ("memory_mib_per_worker", lambda word, _: parse_memory(word)),
    "nice": ("nice", lambda word, _: parse_whole(word, "a nice value")),
    "hold": ("hold", _flag),
    "begin": ("begin_at", lambda word, now: parse_moment(word, now=now)),
    "deadline": ("deadline", lambda word, now: parse_moment(word, now=now)),
    "dependency": ("dependency", _plain("a dependency")),
    "array": ("array", _plain("an array")),
    "reservation": ("reservation", _called("a reservation")),
    "signal": ("signal_s", _signal),
    "stop_on": ("stop_on", lambda word, _: ",".join(part.strip().lower() for part in word.split(","))),
    "sweep": ("sweep", _sweep),
    "files": ("files", _files),
    "retries": ("retries", lambda word, _: parse_whole(word, "a number of retries")),
    "mail_type": ("notify", _mail_type),
    "mail_user": ("notify_to", _mail_user),
    "notify": ("notify", _notify),
    "notify_to": ("notify_to", _plain("a way to tell of a job")),
}
