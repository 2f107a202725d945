"""What administrators decide, through a real daemon and its socket; only Spark is left out."""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gpuq.client_admin import AdminClient
from gpuq.errors import GpuqError, NotFoundError, UsageError
from tests.support.daemon import Gpuqd, plain_gpuqd

QUICK = "def main_fun(args, ctx):\n    pass\n"
ENDLESS = "import time\ndef main_fun(args, ctx):\n    while True: time.sleep(0.05)\n"
ME = pwd.getpwuid(os.geteuid()).pw_name
LATER = time.time() + 86_400


@pytest.fixture
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


def admin(gpuqd: Gpuqd) -> AdminClient:
    return AdminClient(gpuqd.client.path)


def by_name(answer: dict[str, Any]) -> dict[tuple[str, str | None], dict[str, Any]]:
    return {(row["account"], row["user"]): row for row in answer["shares"]}


def test_accounts_limits_and_drains_are_kept_over_a_crash(gpuqd: Gpuqd) -> None:
    client = admin(gpuqd)
    client.add_account("vis", shares="3")
    client.add_account("gpu", parent="vis", shares="parent")
    client.add_account("nlp")
    client.add_member("ann", "vis")
    client.add_member("ann", "nlp", shares="2", is_default=True)
    client.add_qos("urgent", priority=10, usage_factor=2.0, accounts=["vis"])
    client.set_limit("user", "ann", {"running_gpus": 8, "gpu_hours": 1.5})
    client.set_limit("user", "ann", {"longest_s": 3600, "gpu_hours": None})
    client.drain("plain-2", "fan")

    gpuqd.kill()
    gpuqd.start()

    found = client.accounts()
    assert [(a["name"], a["parent"], a["shares"], a["users"]) for a in found["accounts"]] == [
        ("gpu", "vis", None, 0),
        ("nlp", "root", 1, 1),
        ("root", None, 1, 0),
        ("vis", "root", 3, 1),
    ]
    assert found["members"] == [
        {"user": "ann", "account": "nlp", "shares": 2, "is_default": True},
        {"user": "ann", "account": "vis", "shares": 1, "is_default": False},
    ]
    assert client.qos()[1] == {"name": "urgent", "priority": 10, "usage_factor": 2.0, "accounts": ["vis"]}
    (limit,) = client.limits()
    assert (limit["running_gpus"], limit["longest_s"], limit["gpu_hours"]) == (8, 3600, None)
    (drain,) = client.drains()
    assert (drain["node"], drain["reason"], drain["by_user"]) == ("plain-2", "fan", ME)


def test_shares_are_what_the_tree_says(gpuqd: Gpuqd) -> None:
    client = admin(gpuqd)
    assert client.shares()["is_open"]
    client.add_account("vis", shares="3")
    client.add_account("nlp")
    client.add_member("ann", "vis")
    client.add_member("bob", "nlp")

    answer = client.shares()
    rows = by_name(answer)

    assert not answer["is_open"]
    assert [(row["depth"], row["account"], row["user"]) for row in answer["shares"]] == [
        (0, "root", None),
        (1, "nlp", None),
        (2, "nlp", "bob"),
        (1, "vis", None),
        (2, "vis", "ann"),
    ]
    assert (rows["vis", None]["due"], rows["nlp", None]["due"]) == (0.75, 0.25)
    assert rows["vis", "ann"]["is_first"]
    assert rows["vis", "ann"]["level_fs"] is None
    assert rows["vis", "ann"]["rank"] == rows["nlp", "bob"]["rank"] == 2
    assert [row["account"] for row in client.shares("vis")["shares"]] == ["vis", "vis"]
    with pytest.raises(NotFoundError, match="There is no account 'gone'"):
        client.shares("gone")


def test_a_running_job_counts_in_its_account_while_it_runs(gpuqd: Gpuqd) -> None:
    client = admin(gpuqd)
    client.add_account("vis")
    client.add_account("nlp")
    client.add_member(ME, "vis")
    client.add_member("bob", "nlp")
    job = gpuqd.enqueue(ENDLESS, workers=2)
    gpuqd.reaches(job, "RUNNING")

    rows = by_name(client.shares())

    assert client.job(job)["account"] == "vis"
    assert rows["vis", ME]["usage"] > 0
    assert rows["vis", None]["used"] == 1.0
    assert rows["vis", None]["level_fs"] == 0.5
    assert rows["vis", None]["back_s"] == 0  # so little use is nobody's to make up for yet
    assert rows["nlp", None]["back_s"] == 0
    with pytest.raises(UsageError, match="Account vis has 1 job that has not ended"):
        client.delete_account("vis")

    client.cancel(job)
    gpuqd.ended(job)

    assert by_name(client.shares())["vis", ME]["usage"] > 0


def test_only_who_is_in_an_account_may_queue_once_somebody_is(gpuqd: Gpuqd) -> None:
    client = admin(gpuqd)
    assert gpuqd.ended(gpuqd.enqueue(QUICK))["account"] == "root"
    client.add_account("vis")
    client.add_member("bob", "vis")

    with pytest.raises(UsageError, match=f"User {ME} is in no account"):
        gpuqd.enqueue(QUICK)

    client.add_member(ME, "vis")
    assert gpuqd.ended(gpuqd.enqueue(QUICK))["account"] == "vis"
    with pytest.raises(UsageError, match="There is no account 'gone'"):
        gpuqd.enqueue(QUICK, account="gone")


def test_a_drained_node_takes_nothing_until_it_is_resumed(gpuqd: Gpuqd) -> None:
    client = admin(gpuqd)
    client.drain("plain-2", "fan")

    job = gpuqd.enqueue(QUICK, workers=2)
    why = client.why(job)

    assert client.job(job)["state"] == "PENDING"
    assert "plain-2" in why["text"] or why["reason"] == "ReqNodeNotAvail"
    client.resume("plain-2")
    assert gpuqd.ended(job)["state"] == "COMPLETED"


def test_a_limit_stops_a_job_and_is_named(gpuqd: Gpuqd) -> None:
    client = admin(gpuqd)
    client.set_limit("user", ME, {"running_gpus": 1})
    first = gpuqd.enqueue(ENDLESS)
    gpuqd.reaches(first, "RUNNING")
    second = gpuqd.enqueue(QUICK)

    assert client.why(second)["reason"] == "AssocGrpGRES"
    with pytest.raises(UsageError, match="at most 1 running GPU;"):
        gpuqd.enqueue(QUICK, workers=2)

    client.clear_limit("user", ME)
    assert gpuqd.ended(second)["state"] == "COMPLETED"


def test_a_maintenance_window_keeps_nodes_free(gpuqd: Gpuqd) -> None:
    client = admin(gpuqd)
    made = client.add_reservation({"name": "fix", "nodes": ["plain-1", "plain-2"], "end_at": LATER})
    job = gpuqd.enqueue(QUICK)

    assert client.reservations() == [made]
    assert client.job(job)["state"] == "PENDING"
    client.delete_reservation("fix")
    assert gpuqd.ended(job)["state"] == "COMPLETED"


BAD: dict[str, tuple[Callable[[AdminClient], object], str]] = {
    "shares below zero": (lambda c: c.add_account("x", shares="-1"), "'-1' cannot be shares: give a whole number"),
    "shares in words": (lambda c: c.modify_account("vis", shares="many"), "'many' cannot be shares"),
    "account unknown": (lambda c: c.modify_account("gone", shares="1"), "There is no account 'gone'"),
    "account named oddly": (lambda c: c.add_account("a b\x1b"), "'a b\\x1b' cannot be the name of an account"),
    "user named oddly": (lambda c: c.add_member("a/b", "vis"), "'a/b' cannot be a user"),
    "below itself": (lambda c: c.modify_account("vis", parent="vis"), "Account vis lies below itself"),
    "root deleted": (lambda c: c.delete_account("root"), "The root account cannot be deleted."),
    "reservation in the past": (
        lambda c: c.add_reservation({"name": "r", "nodes": ["plain-1"], "start_at": 5, "end_at": LATER}),
        "The reservation begins in the past",
    ),
    "reservation backwards": (
        lambda c: c.add_reservation({"name": "r", "nodes": ["plain-1"], "end_at": 5}),
        "The reservation ends before it begins",
    ),
    "reservation nowhere": (
        lambda c: c.add_reservation({"name": "r", "nodes": ["n9"], "end_at": LATER}),
        "There is no node 'n9'",
    ),
    "reservation with a word too many": (lambda c: c.add_reservation({"name": "r", "node": "x"}), "node"),
    "drain of nothing": (lambda c: c.drain("n9", "fan"), "There is no node 'n9'"),
    "drain without a reason": (lambda c: c.drain("plain-1", " "), "A drain needs a reason"),
    "drain with control letters": (lambda c: c.drain("plain-1", "a\x1b[2J"), "A drain needs a reason"),
    "limit below zero": (lambda c: c.set_limit("account", "vis", {"running_gpus": -1}), "running_gpus"),
    "limit of what": (lambda c: c.set_limit("team", "vis", {"running_gpus": 1}), "team"),
    "limit too large": (lambda c: c.set_limit("account", "vis", {"running_gpus": 10**30}), "running_gpus"),
    "limit of no account": (lambda c: c.set_limit("account", "x", {}), "There is no account 'x'"),
    "qos too low": (lambda c: c.add_qos("x", priority=-1), "QOS x must have a priority and a usage factor of 0"),
    "qos without end": (lambda c: c.add_qos("x", usage_factor=float("inf")), ""),
}


def test_bad_input_is_one_sentence_each_and_changes_nothing(gpuqd: Gpuqd) -> None:
    client = admin(gpuqd)
    client.add_account("vis")

    def everything() -> str:
        return json.dumps(
            [client.accounts(), client.qos(), client.limits(), client.reservations(), client.drains()], sort_keys=True
        )

    before = everything()
    for case, (change, sentence) in BAD.items():
        with pytest.raises(GpuqError) as refused:
            change(client)
        said = str(refused.value)
        assert sentence in said, case
        assert "\n" not in said, case
        assert "error of its own" not in said, case
    assert everything() == before
