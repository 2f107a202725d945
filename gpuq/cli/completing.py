"""Completion in bash, zsh and fish: click's scripts, our candidates, and names that gpuqd is asked for."""

from __future__ import annotations

import os

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from gpuq.cli import terminal
from gpuq.cli.completion import candidates
from gpuq.cli.group import root
from gpuq.client_admin import AdminClient
from gpuq.errors import GpuqError, UsageError
from gpuq.text import clean, is_clean

VARIABLE = "_GPUQ_COMPLETE"  # set by click's scripts when the tab key is pressed
SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
_PATIENCE_S = 2.0
_MOST = 500
_TO_FILES = ("--html", "--svg", "--png", "--out")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def complete() -> int:
    """Answer a shell that asks what may come next; say nothing where that is not known."""
    shell, _, verb = os.environ.get(VARIABLE, "").partition("_")
    if shell not in SHELLS or verb != "complete":
        return 1
    asked = SHELLS[shell](root, {}, "gpuq", VARIABLE)
    words, part = asked.get_completion_args()
    for item in _items(words, part):
        terminal.say(asked.format_completion(item))
    return 0


def source(shell: str) -> str:
    """Return the script that a shell reads to complete `gpuq`.

    Raises:
        UsageError: there is none for that shell.
    """
    if shell not in SHELLS:
        raise UsageError(f"There is no completion for '{clean(shell)[:40]}'; there is for bash, zsh and fish.")
    kind = SHELLS[shell]
    return kind.source_template % kind(click.Command("gpuq"), {}, "gpuq", VARIABLE).source_vars()


def _items(words: Sequence[str], part: str) -> Iterator[CompletionItem]:
    """Yield what `part` may become."""
    names = Names(AdminClient(timeout_s=_PATIENCE_S), words)
    found = [value for value in candidates(words, part, names) if is_clean(value) and "," not in value]
    for value in found[:_MOST]:
        yield CompletionItem(value, help=names.told.get(value))
    if not found and _is_file(words, part):
        yield CompletionItem(part, type="file")


def _is_file(words: Sequence[str], part: str) -> bool:
    """Whether a file may come next: the script that is queued, its words, or where something is written to."""
    return (words[:1] == ["enqueue"] and not part.startswith("-")) or (bool(words) and words[-1] in _TO_FILES)


class Names:
    """Names by kind, each asked for when it is wanted; none where gpuqd does not answer. `told` says more of some."""

    def __init__(self, client: AdminClient, words: Sequence[str]) -> None:
        self._client, self._words = client, words
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
        for number, name in zip(pending["id"], pending["name"], strict=True):
            self.told[str(number)] = clean(f"{name} PENDING")
        for job in queue["jobs"]:
            self.told[str(job["id"])] = clean(f"{job['name']} {job['state']}")
        return sorted(self.told, key=int, reverse=True)

    def _users(self) -> Iterable[str]:
        queue = self._client.queue()
        members = [member["user"] for member in self._client.accounts()["members"]]
        return ["me", *sorted({*queue["pending"]["user"], *(job["user"] for job in queue["jobs"]), *members})]

    def _tags(self) -> Iterable[str]:
        numbers = [int(word) for word in self._words if word.isdecimal()]
        return [series["tag"] for number in numbers[:3] for series in self._client.series(number)]
