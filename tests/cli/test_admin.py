"""What administrators type, against a scripted daemon on a real socket."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gpuq.cli.commands.admin.reservation import window
from gpuq.cli.views.nodes import node_lines
from gpuq.errors import UsageError
from gpuq.gpus import Gpu, GpuState
from gpuq.models import JobState
from gpuq.sharing import AccountRow, Drain, LimitRow, Member, QosRow, ReservationRow, ShareRow
from gpuq.units import moment, parse_moment
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, Problem, a_cluster, a_job, as_json


def a_share(account: str, user: str | None = None, **named: Any) -> ShareRow:
    plain: dict[str, Any] = {
        "account": account,
        "user": user,
        "depth": 1,
        "shares": 1,
        "usage": 0.0,
        "used": 0.0,
        "due": 0.25,
        "level_fs": None,
        "is_first": False,
        "rank": None,
        "factor": None,
        "back_s": 0.0,
    }
    return ShareRow(**(plain | named))


def shares(*rows: ShareRow, is_open: bool = False) -> dict[str, Any]:
    return {"at": 1.0, "half_life_s": 604_800.0, "is_open": is_open, "shares": list(rows)}


def test_shares_are_a_tree_that_says_who_is_over_and_until_when(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/shares"] = shares(
        a_share("root", depth=0, due=0.0, used=1.0, usage=7200.0),
        a_share("vis", shares=3, used=0.9, due=0.75, level_fs=0.8333333, back_s=90_000.0, usage=6480.0),
        a_share("vis", "ann", depth=2, is_first=True, rank=2, factor=1.0),
        a_share("nlp", shares=None, used=0.1, due=0.25, level_fs=None),
        a_share("off", shares=0, used=0.1, due=0.0, level_fs=0.0, back_s=None),
    )

    done = gpuq("share")

    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()] == [
        [
            "ACCOUNT",
            "USER",
            "SHARES",
            "USAGE",
            "h",
            "USED",
            "DUE",
            "LEVEL",
            "FS",
            "RANK",
            "FACTOR",
            "BACK",
            "TO",
            "DUE",
        ],
        ["root", "-", "2.0", "-", "-", "-", "-", "-"],
        ["vis", "3", "1.8", "90.0%", "75.0%", "0.8333", "-", "-", "!", "in", "25", "h"],
        ["ann", "1", "0.0", "0.0%", "25.0%", "inf", "2", "1.0000"],
        ["nlp", "parent", "0.0", "10.0%", "25.0%", "-", "-", "-"],
        ["off", "0", "0.0", "10.0%", "0.0%", "0", "-", "-", "!", "never"],
    ]


def test_shares_of_one_account_are_asked_for_and_printed_as_json(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    answer = shares(a_share("v/s"))
    daemon.answers["GET /v1/shares"] = answer

    done = gpuq("share", "v/s", "--json")

    assert json.loads(done.out) == as_json(answer)
    assert daemon.asked == [("GET", "/v1/shares", {"account": "v/s"}, None)]


def test_shares_say_when_there_are_no_accounts_yet_and_hide_no_control_letters(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/shares"] = shares(a_share("a\x1b[2J", "u\x07"), a_share("a\x1b[2J"), is_open=True)

    done = gpuq("share")

    assert "everybody may queue" in done.out
    assert "\x1b" not in done.out
    assert "\x07" not in done.out


ASKS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "account add vis --shares 3": ("POST", "/v1/accounts", {"name": "vis", "shares": "3"}),
    "account add gpu --parent vis --shares parent": (
        "POST",
        "/v1/accounts",
        {"name": "gpu", "parent": "vis", "shares": "parent"},
    ),
    "account modify vis --parent root": ("PATCH", "/v1/accounts/vis", {"parent": "root"}),
    "account delete vis": ("DELETE", "/v1/accounts/vis", None),
    "user add ann --account vis": ("POST", "/v1/members", {"user": "ann", "account": "vis", "is_default": False}),
    "user add ann --account vis --shares 2 --default": (
        "POST",
        "/v1/members",
        {"user": "ann", "account": "vis", "shares": "2", "is_default": True},
    ),
    "user default ann nlp": ("PATCH", "/v1/members/nlp/ann", {"is_default": True}),
    "user delete ann --account vis": ("DELETE", "/v1/members/vis/ann", None),
    "share vis 5": ("PATCH", "/v1/accounts/vis", {"shares": "5"}),
    "share vis -1": ("PATCH", "/v1/accounts/vis", {"shares": "-1"}),
    "share vis/ann parent": ("PATCH", "/v1/members/vis/ann", {"shares": "parent", "is_default": False}),
    "qos add urgent --priority 10 --usage-factor 2": (
        "POST",
        "/v1/qos",
        {"name": "urgent", "priority": 10, "usage_factor": 2.0},
    ),
    "qos add fast --accounts vis,nlp": ("POST", "/v1/qos", {"name": "fast", "accounts": ["vis", "nlp"]}),
    "qos modify fast --accounts all": ("PATCH", "/v1/qos/fast", {"accounts": []}),
    "qos modify urgent --priority 0": ("PATCH", "/v1/qos/urgent", {"priority": 0}),
    "qos delete urgent": ("DELETE", "/v1/qos/urgent", None),
    "limit set user:ann running-gpus=8 gpu-hours=1.5 longest=2d queued-jobs=none": (
        "PATCH",
        "/v1/limits/user/ann",
        {"running_gpus": 8, "gpu_hours": 1.5, "longest_s": 172_800, "queued_jobs": None},
    ),
    "limit clear qos_user:normal": ("DELETE", "/v1/limits/qos_user/normal", None),
    "node drain n1 --reason fan": ("POST", "/v1/drains", {"node": "n1", "reason": "fan"}),
    "node resume n1": ("DELETE", "/v1/drains/n1", None),
    "reservation delete night": ("DELETE", "/v1/reservations/night", None),
}


@pytest.mark.parametrize("words", ASKS)
def test_a_change_is_one_question_and_one_sentence(daemon: FakeDaemon, gpuq: Gpuq, words: str) -> None:
    method, path, body = ASKS[words]
    daemon.answers[f"{method} {path}"] = {"name": "x", "is_default": True}

    done = gpuq("admin", *words.split())

    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") == 1
    assert daemon.asked == [(method, path, {}, body)]


REFUSED = {
    "limit set ann running-gpus=8": "'ann' is not whom to limit: give user:NAME, account:NAME",
    "limit set user:ann gpus=8": "'gpus=8' is not a limit: write running-gpus=VALUE",
    "limit set user:ann running-gpus=-1": "'-1' cannot be running-gpus: give a whole number from 0, or `none`.",
    "limit set user:ann running-gpus=99999999999": "cannot be running-gpus",
    "limit set user:ann gpu-hours=nan": "'nan' cannot be gpu-hours: give hours from 0, or `none`.",
    "limit set user:ann gpu-hours=-1": "'-1' cannot be gpu-hours",
    "limit set user:ann longest=soon": "'soon' is not a time limit",
    "account modify vis": "Nothing to change of account vis: give --parent or --shares.",
    "account delete a/b": "'a/b' is not a name",
    "account delete ..": "'..' is not a name",
    "qos modify urgent": "Nothing to change of QOS urgent",
    "qos add urgent --priority high": "Invalid value for '--priority'",
    "user add ann": "Missing option '--account'; see `gpuq admin user add --help`.",
    "acount list": "There is no command 'acount'; did you mean account?",
    "user adds ann": "There is no command 'adds'; did you mean add?",
    "user x ann": "There is no command 'x'; `gpuq admin user --help` lists them.",
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_mistake_is_one_sentence_and_asks_nothing(daemon: FakeDaemon, gpuq: Gpuq, words: str) -> None:
    done = gpuq("admin", *words.split())

    assert done.code == 2
    assert REFUSED[words] in done.err
    assert done.err.count("\n") == 1
    assert daemon.asked == []


def test_without_a_command_the_help_is_shown(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    for words in (("admin",), ("admin", "limit")):
        done = gpuq(*words)

        assert (done.code, done.err) == (0, "")
        assert f"Usage: gpuq {' '.join(words)} [OPTIONS] COMMAND" in done.out


def test_what_the_daemon_refuses_is_shown_as_it_says_it(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["PATCH /v1/accounts/vis"] = Problem(403, "User eve may not administer this cluster.")

    done = gpuq("admin", "share", "vis", "3")

    assert (done.code, done.err) == (4, "gpuq: User eve may not administer this cluster.\n")


def test_lists_are_tables_or_json(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    accounts = [AccountRow(name="vis", parent="root", shares=None, users=2)]
    members = [Member(user="ann", account="vis", shares=1, is_default=True)]
    limit = LimitRow(
        kind="user", name="ann", running_gpus=0, running_jobs=None, queued_jobs=None, gpu_hours=12345.5, longest_s=3600
    )
    daemon.answers |= {
        "GET /v1/accounts": {"accounts": accounts, "members": members},
        "GET /v1/qos": {"qos": [QosRow(name="normal", priority=0, usage_factor=0.5)]},
        "GET /v1/limits": {"limits": [limit]},
        "GET /v1/drains": {"drains": [Drain(node="n1", reason="fan\x1b", since=5.0, by_user="root")]},
    }

    assert gpuq("admin", "account", "list").out.split() == [
        "ACCOUNT",
        "BELOW",
        "SHARES",
        "USERS",
        "vis",
        "root",
        "parent",
        "2",
    ]
    assert gpuq("admin", "user", "list").out.split() == [
        "USER",
        "ACCOUNT",
        "SHARES",
        "DEFAULT",
        "ann",
        "vis",
        "1",
        "yes",
    ]
    assert gpuq("admin", "user", "list", "--account", "nlp").out == "Nobody is in this account.\n"
    assert gpuq("admin", "qos", "list").out.split()[-4:] == ["normal", "0", "0.5", "all"]
    assert gpuq("admin", "limit", "list").out.split()[-6:] == ["user:ann", "0", "-", "-", "12345.5", "01:00:00"]
    assert "fan\\x1b" in gpuq("admin", "node", "list").out
    assert json.loads(gpuq("admin", "limit", "list", "--json").out) == [as_json(limit)]
    assert json.loads(gpuq("admin", "user", "list", "--json").out) == as_json(members)


def test_nodes_say_what_is_free_and_why_one_is_out(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "GET /v1/cluster": a_cluster(free_gpus=1),
        "GET /v1/drains": {"drains": [Drain(node="node-2", reason="fan", since=5.0, by_user="root")]},
    }

    done = gpuq("nodes")

    assert [line.split()[-3:] for line in done.out.splitlines()[1:]] == [["1", "up", "-"], ["drained:", "fan", "-"]]


def test_a_reservation_lasts_from_now_or_from_when_it_is_to(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    made = ReservationRow(
        name="night", nodes=("n1", "n2"), start_at=1_000.0, end_at=4_600.0, accounts=("vis",), users=("ann",)
    )
    daemon.answers |= {"POST /v1/reservations": made, "GET /v1/reservations": {"reservations": [made]}}

    done = gpuq("admin", "reservation", "create", "night", "--nodes", "n1,n2", "--duration", "1h", "--accounts", "vis")
    body = daemon.asked[0][3]

    assert done.code == 0
    assert done.out.startswith("Reservation night keeps n1, n2 from ")
    assert done.out.endswith(" for vis, user ann.\n")
    assert (body["nodes"], body["accounts"], body["users"]) == (["n1", "n2"], ["vis"], [])
    assert "start_at" not in body
    assert gpuq("admin", "reservation", "list").out.split()[-6:-1] == [
        *moment(4_600.0).split(),
        "n1,n2",
        "vis,",
        "user",
    ]
    assert json.loads(gpuq("admin", "reservation", "list", "--json").out) == [as_json(made)]


def test_a_reservation_has_one_end() -> None:
    assert window("now+1h", None, "30m", now=1_000.0) == (4_600.0, 6_400.0)
    assert window("now", "now+2hours", None, now=1_000.0) == (None, 8_200.0)
    for end, duration in ((None, None), ("now+1h", "1h")):
        with pytest.raises(UsageError, match="give either --end or --duration"):
            window(None, end, duration, now=0.0)


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


MORNING = 1_772_348_400.0  # 2026-03-01 08:00:00 in Berlin


@pytest.mark.usefixtures("_berlin")
@pytest.mark.parametrize(
    ("word", "after_s"),
    [
        ("now", 0),
        ("now+90", 90),
        ("now + 30 minutes", 1800),
        ("now+2h", 7200),
        ("now+1h30m", 5400),
        ("NOW+1week", 604_800),
        ("today", 0),
        ("tomorrow", 86_400),
        ("09:30", 5400),
        ("09:30:10", 5410),
        ("08:00", 86_400),
        ("07:00", 82_800),
        ("noon", 14_400),
        ("midnight", 57_600),
        ("2026-03-02", 57_600),
        ("2026-03-02T08:00", 86_400),
        ("2026-04-01T08:00:00", 31 * 86_400 - 3600),
        ("2026-02-28", -115_200),
    ],
)
def test_times_are_as_slurm_writes_them(word: str, after_s: int) -> None:
    assert parse_moment(word, now=MORNING) == MORNING + after_s


@pytest.mark.parametrize(
    "word",
    [
        "",
        "soon",
        "now-1h",
        "now+",
        "now+h",
        "now+1fortnight",
        "24:00",
        "1:2:3:4",
        "2026-02-30",
        "2026-13-01",
        "26-01-01",
        "2026-01-01T",
        "2026-01-01T25:00",
        "9999999999-01-01",
        "now+9999999999h",
        "2026-1-1",
        "-",
        "12:",
        "٣:٠٠",
    ],
)
def test_what_is_no_time_is_refused_in_one_sentence(word: str) -> None:
    with pytest.raises(UsageError, match="is not a time: write"):
        parse_moment(word, now=MORNING)


def test_nodes_and_gpus_call_tasks_by_their_place(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    task = a_job(id=21, array_id=20, array_index=3, state=JobState.RUNNING, started_at=1_001.0)
    cluster = a_cluster()
    busy = replace(cluster.nodes[0], job_ids=(21,))
    held = Gpu(node="n1", partition="p", place=0, state=GpuState.BUSY, kind="GPU", job_id=21, user="ann", rank=0)
    free = replace(held, place=1, state=GpuState.FREE, job_id=None, user=None, rank=None)
    daemon.answers |= {
        "GET /v1/cluster": replace(cluster, nodes=(busy,)),
        "GET /v1/jobs": {"jobs": [task]},
        "GET /v1/drains": {"drains": []},
        "GET /v1/gpus": {"gpus": [held, free]},
    }

    assert gpuq("nodes").out.split()[-1] == "20_3"
    assert [line.split()[3] for line in gpuq("gpus").out.splitlines()[1:]] == ["20_3", "-"]


def test_nodes_tell_the_model_of_their_gpus() -> None:
    node: dict[str, object] = {
        "name": "n",
        "partition": "p",
        "gpus": 2,
        "free_gpus": 1,
        "is_up": True,
        "job_ids": [],
        "gpu_kind": "GPU",
    }
    kinds: list[dict[str, object]] = [{}, {"gpu_type": "a100"}, {"gpu_type": "a100", "gpu_kind": "virtual GPU"}]

    lines = node_lines([{**node, **kind} for kind in kinds], [], width=None)

    assert [" ".join(line.split()[2:-4]) for line in lines[1:]] == ["GPU", "a100", "a100 (virtual GPU)"]
