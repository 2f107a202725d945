"""What the interface knows of a line before it is run."""

from __future__ import annotations

import pytest

from gpuq.cli.commands import COMMANDS
from gpuq.cli.commands.admin import command as admin
from gpuq.cli.completion import candidates
from gpuq.cli.declare import Group
from gpuq.errors import UsageError
from gpuq_tui.lines.verbs import (
    CHANGING,
    NOT_HERE,
    READING,
    exactly,
    is_destroying,
    is_following,
    is_reading,
    jobs_meant,
    line_of,
    words_of,
)
from gpuq_tui.screens.prompt import common_beginning, parted
from tests.tui.scripted import a_job

KNOWN = {"jobs": ["12", "110"], "users": ["ann"], "accounts": ["vision"], "partitions": ["main"], "nodes": ["n1"]}


def test_every_verb_of_the_command_line_is_one_that_reads_or_changes_or_needs_a_terminal() -> None:
    assert set(COMMANDS) <= READING | CHANGING | NOT_HERE
    assert not READING & CHANGING


@pytest.mark.parametrize(
    ("line", "reads", "destroys"),
    [
        ("queue --json", True, False),
        ("gpuq why 12", True, False),
        ("cancel 12", False, True),
        ("cancel --help", True, False),
        ("hold 12", False, False),
        ("requeue 12", False, True),
        ("admin account list", True, False),
        ("admin account delete vision", False, True),
        ("admin node drain n1 --reason fan", False, False),
        ("frobnicate", False, False),
        ("admin node history n1", True, False),
        ("admin user add -h", True, False),
        ("admin qos modify long --priority 3 --dry-run", True, False),
        ("enqueue --name -h train.py", False, False),
        ("enqueue train.py --help", False, False),
        ("cancel -n --help 12", False, True),
        ("admin node drain n1 --reason --dry-run", False, False),
        ("admin batch -- --dry-run", False, False),
        ("admin batch list", False, False),
        ("admin share report 5", False, False),
    ],
)
def test_what_changes_is_told_from_what_reads(line: str, reads: bool, destroys: bool) -> None:
    words = words_of(line)

    assert is_reading(words) is reads
    assert is_destroying(words) is destroys


def test_words_are_taken_as_a_shell_would_and_back() -> None:
    words = words_of("update 12 'name=a b' dependency=\"x\"")

    assert words == ["update", "12", "name=a b", "dependency=x"]
    assert words_of(line_of(words)) == words
    assert words_of("at 14:05") == ["queue", "--at", "14:05"]
    assert words_of("logs -f 12_3 $(reboot) `x`") == ["logs", "-f", "12_3", "$(reboot)", "`x`"]
    with pytest.raises(UsageError, match="quotation"):
        words_of("name 'x")


def test_the_jobs_of_a_line_are_known() -> None:
    known = {job.shown_id: job for job in (a_job(12), a_job(13, array_id=13, array_index=0))}

    assert jobs_meant(["cancel", "12", "13_0"], known) == list(known.values())
    for words in (["cancel", "13"], ["cancel", "12-15"], ["cancel", "-s", "PD"], ["cancel", "99"], ["cancel"]):
        assert jobs_meant(words, known) is None
    assert is_following(["logs", "-f", "1"])
    assert not is_following(["logs", "1"])


@pytest.mark.parametrize(
    ("words", "part", "expected"),
    [
        ([], "ca", ["cancel"]),
        (["cancel"], "1", ["12", "110"]),
        (["cancel", "12"], "11", ["110"]),
        (["history", "-u"], "", ["ann"]),
        (["history", "--account"], "v", ["vision"]),
        (["admin"], "res", ["reservation"]),
        (["admin", "node"], "dr", ["drain"]),
        (["admin", "node", "drain"], "", ["n1"]),
        (["cancel"], "--j", ["--json"]),
        (["frobnicate"], "x", []),
    ],
)
def test_what_may_come_next_is_offered(words: list[str], part: str, expected: list[str]) -> None:
    assert candidates(words, part, KNOWN) == expected


def test_the_word_that_is_typed_is_told_from_those_before_it() -> None:
    assert parted("") == ([], "")
    assert parted("gpuq cancel 1") == (["cancel"], "1")
    assert parted("update 12 'name=a b' ") == (["update", "12", "name=a b"], "")
    assert parted("update 'a b") == (["update"], "b") or parted("update 'a b")[1] == "b"
    assert common_beginning(["release", "report", "requeue"]) == "re"
    assert common_beginning(["queue"]) == "queue"


def test_every_verb_of_admin_is_told_from_what_reads() -> None:
    reads = set[str]()
    for name in admin.names:
        one = admin.get(name)
        below = one.names if isinstance(one, Group) else [""]
        reads |= {f"{name} {verb}".strip() for verb in below if is_reading(words_of(f"admin {name} {verb}"))}

    assert {name for name in reads if " " not in name} == {
        *("diag", "audit", "report", "replay", "what-if", "simulate", "eta-report")
    }
    assert {name.split()[1] for name in reads if " " in name} == {"list", "history"}


def test_no_line_goes_to_another_gpuqd() -> None:
    for line in ("--host elsewhere cancel 12", "gpuq --host=elsewhere cancel 12"):
        with pytest.raises(UsageError, match="leave --host out"):
            words_of(line)


@pytest.mark.parametrize(
    ("line", "run"),
    [
        ("cancel -s PD 'name=re*'", ["cancel", "-s", "PD", "name=re*", "12", "13_4"]),
        ("cancel 10-20 3", ["cancel", "12", "13_4"]),
        ("requeue -H 10-20 -S 2", ["requeue", "-H", "-S", "2", "12", "13_4"]),
    ],
)
def test_a_line_of_which_it_was_said_whom_it_means_means_nobody_else(line: str, run: list[str]) -> None:
    said = ["Would cancel job 12 (a, ann, PENDING).", "Would cancel job 13_4 (job 7 (b), ann, PENDING)."]

    assert exactly(words_of(line), said) == run
    assert exactly(words_of(line), [*said, "Would cancel the tasks of array 4 (sweep, ann)."]) == words_of(line)
