"""Answers the tab key of bash, zsh and fish: our candidates, and names that gpuqd is asked for.

The scripts that ask are click's, and so is the form of the answers; click itself would take longer than a finger.
"""

from __future__ import annotations

import os

from gpuq.cli import terminal
from gpuq.cli.completion import candidates
from gpuq.client_admin import AdminClient
from gpuq.errors import GpuqError
from gpuq.text import clean, is_clean

VARIABLE = "_GPUQ_COMPLETE"  # set by click's scripts when the tab key is pressed
SHELLS = ("bash", "zsh", "fish")
_PATIENCE_S = 2.0
_MOST = 500
_TO_FILES = ("--html", "--svg", "--png", "--out")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def complete() -> int:
    """Answer a shell that asks what may come next; say nothing where that is not known."""
    shell, _, verb = os.environ.get(VARIABLE, "").partition("_")
    if shell not in SHELLS or verb != "complete":
        return 1
    words, part = _typed(shell)
    names = Names(AdminClient(timeout_s=_PATIENCE_S), words, part)
    found = [value for value in candidates(words, part, names) if is_clean(value) and "," not in value]
    for value in found[:_MOST]:
        terminal.say(_answer(shell, "plain", value, names.told.get(value)))
    if not found and _is_file(words, part):
        terminal.say(_answer(shell, "file", part, None))
    return 0


def _typed(shell: str) -> tuple[list[str], str]:
    """Return the words behind `gpuq` before the one that is typed, and that one so far."""
    words, at = _split(os.environ.get("COMP_WORDS", ""))[1:], os.environ.get("COMP_CWORD", "")
    if shell != "fish":
        place = int(at) - 1 if at.isdecimal() else len(words)
        return words[:place], words[place] if place < len(words) else ""
    part = (_split(at) or [""])[0]
    return (words[:-1] if part and words[-1:] == [part] else words), part


def _split(line: str) -> list[str]:
    """Return the words of a line as a shell has them; a quotation mark may still be open."""
    if not any(mark in line for mark in "'\"\\"):
        return line.split()
    from click.shell_completion import split_arg_string

    return split_arg_string(line)


def _answer(shell: str, kind: str, value: str, told: str | None) -> str:
    """Return one candidate in the form that click's script for a shell reads. Source: click, "Shell Completion"."""
    if shell == "zsh":
        shown = value if told is None else value.replace(":", "\\:")
        return f"{kind}\n{shown}\n{told or '_'}"
    return f"{kind},{value}\t{told}" if shell == "fish" and told is not None else f"{kind},{value}"


def _is_file(words: Sequence[str], part: str) -> bool:
    """Whether a file may come next: the script that is queued, its words, or where something is written to."""
    return (words[:1] == ["enqueue"] and not part.startswith("-")) or (bool(words) and words[-1] in _TO_FILES)


class Names:
    """Names by kind, each asked for when it is wanted; none where gpuqd does not answer. `told` says more of some.

    Of jobs the newest that begin with `part`.
    """

    def __init__(self, client: AdminClient, words: Sequence[str], part: str) -> None:
        self._client, self._words, self._part = client, words, part
        self.told: dict[str, str] = {}

    def get(self, kind: str, default: Sequence[str] = ()) -> Sequence[str]:
        """Return the names of a kind; `default` where there are none."""
        try:
            return list(dict.fromkeys(self._ask(kind))) or list(default)
        except (GpuqError, KeyError, OSError):
            return list(default)

    def _ask(self, kind: str) -> Iterable[str]:
        match kind:
            case "jobs":
                return self._jobs()
            case "users":
                return self._users()
            case "accounts":
                return [account["name"] for account in self._client.accounts()["accounts"]]
            case "qos":
                return [qos["name"] for qos in self._client.qos()]
            case "nodes":
                return [node["name"] for node in self._client.cluster()["nodes"]]
            case "partitions":
                return [node["partition"] for node in self._client.cluster()["nodes"]]
            case "tags":
                return self._tags()
            case _:
                return ()

    def _jobs(self) -> Iterable[str]:
        queue = self._client.queue()
        pending = queue["pending"]
        states = {number: f"{name} PENDING" for number, name in zip(pending["id"], pending["name"], strict=True)}
        states |= {job["id"]: f"{job['name']} {job['state']}" for job in queue["jobs"]}
        found = [(str(number), number) for number in sorted(states, reverse=True)]
        newest = [(word, number) for word, number in found if word.startswith(self._part)][:_MOST]
        self.told |= {word: clean(states[number]) for word, number in newest}
        return [word for word, _ in newest]

    def _users(self) -> Iterable[str]:
        queue = self._client.queue()
        members = [member["user"] for member in self._client.accounts()["members"]]
        return ["me", *sorted({*queue["pending"]["user"], *(job["user"] for job in queue["jobs"]), *members})]

    def _tags(self) -> Iterable[str]:
        numbers = [int(word) for word in self._words if word.isdecimal()]
        return [series["tag"] for number in numbers[:3] for series in self._client.series(number)]
