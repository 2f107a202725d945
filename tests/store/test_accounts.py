from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.errors import GpuqError, NotFoundError, UsageError
from gpuq.sharing import Drain
from gpuq_daemon.policy.accounts import Account, Association, Tree, account_of, problem
from gpuq_daemon.policy.limits import Limit
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Qos
from gpuq_daemon.policy.usage import Usage, decayed, merged
from gpuq_daemon.store.accounts import AccountStore, charge
from gpuq_daemon.store.database import Database

DAY = 86_400.0


def with_store(path: Path, course: Callable[[AccountStore, Database], Awaitable[None]]) -> None:
    async def run() -> None:
        database = Database(path / "state.db", "state")
        try:
            await course(AccountStore(database), database)
        finally:
            database.close()

    asyncio.run(run())


async def a_lab(store: AccountStore) -> None:
    """Two teams, vis with ann and bob, nlp with bob."""
    await store.add_account(Account(name="vis", shares=3))
    await store.add_account(Account(name="nlp"))
    await store.add_association(Association(user="ann", account="vis"))
    await store.add_association(Association(user="bob", account="vis"))
    await store.add_association(Association(user="bob", account="nlp"))


async def queue(database: Database, **named: object) -> None:
    row = {"account": "root", "qos": "normal", "user": "ann", "reservation": None, "state": "PENDING", **named}
    await database.write(lambda tables: tables.execute("INSERT OR IGNORE INTO scripts VALUES ('0', '')"))
    await database.write(
        lambda tables: tables.execute(
            """INSERT INTO jobs (name, user, uid, partition, state, workers, gpus_per_worker,
                                 script_name, script_sha256, args, submitted_at, account, qos, reservation)
               VALUES ('j', :user, 1, 'p', :state, 1, 1, 's', '0', '[]', 1.0, :account, :qos, :reservation)""",
            row,
        )
    )


def a_reservation(**named: object) -> Reservation:
    plain = {"name": "night", "nodes": frozenset({"n1"}), "start_at": 100.0, "end_at": 200.0}
    return Reservation(**(plain | named))  # type: ignore[arg-type] - a test names what matters


def test_a_new_state_has_a_root_account_and_one_qos_and_nobody_in_it(tmp_path: Path) -> None:
    async def course(store: AccountStore, _: Database) -> None:
        assert store.tree() == Tree()
        assert store.qos() == {"normal": Qos()}
        assert store.limits(DAY).parents == {"root": None}
        assert store.ledger() == {}

    with_store(tmp_path, course)


def test_what_was_decided_is_there_after_a_restart(tmp_path: Path) -> None:
    night = a_reservation(accounts=frozenset({"vis"}))

    async def first(store: AccountStore, _: Database) -> None:
        await a_lab(store)
        await store.add_qos("urgent", Qos(priority=9, usage_factor=2.0, accounts=("nlp", "vis")))
        await store.set_limit(("qos_user", "urgent"), lambda old: replace(old, running_gpus=2))
        await store.add_reservation(night, by_user="root", now=50.0, nodes=["n1", "n2"])
        await store.drain(Drain(node="n2", reason="fan", since=5.0, by_user="root"))

    async def second(store: AccountStore, _: Database) -> None:
        tree = store.tree()
        assert {a.name: a.shares for a in tree.accounts} == {"root": 1, "vis": 3, "nlp": 1}
        assert account_of(tree, "bob", None) == "vis"
        assert store.qos()["urgent"] == Qos(priority=9, usage_factor=2.0, accounts=("nlp", "vis"))
        assert store.limits(DAY).qos_users == {"urgent": Limit(running_gpus=2)}
        assert store.reservations() == (night,)
        assert store.drains() == {"n2": "fan"}

    with_store(tmp_path, first)
    with_store(tmp_path, second)


BAD: dict[str, tuple[Callable[[AccountStore], Awaitable[object]], str]] = {
    "shares below zero": (lambda s: s.add_account(Account(name="x", shares=-1)), "The shares of account x are -1"),
    "twice": (lambda s: s.add_account(Account(name="vis")), "There is an account vis already"),
    "no parent": (lambda s: s.add_account(Account(name="x", parent="gone")), "'gone', which does not exist"),
    "below itself": (
        lambda s: s.modify_account("vis", lambda a: replace(a, parent="vis")),
        "Account vis lies below itself",
    ),
    "root changed": (
        lambda s: s.modify_account("root", lambda a: replace(a, shares=2)),
        "The root account has neither",
    ),
    "unknown changed": (lambda s: s.modify_account("gone", lambda a: a), "There is no account 'gone'"),
    "root deleted": (lambda s: s.delete_account("root"), "The root account cannot be deleted."),
    "full deleted": (lambda s: s.delete_account("vis"), "Account vis has users (ann, bob): delete them"),
    "user nowhere": (
        lambda s: s.add_association(Association(user="ann", account="gone")),
        "There is no account 'gone' for user ann",
    ),
    "user twice": (
        lambda s: s.add_association(Association(user="ann", account="vis")),
        "User ann is in the account vis already",
    ),
    "user elsewhere": (lambda s: s.delete_association("ann", "nlp"), "User ann is not in the account nlp"),
    "qos twice": (lambda s: s.add_qos("normal", Qos()), "There is a QOS normal already"),
    "qos below zero": (lambda s: s.add_qos("x", Qos(usage_factor=-1.0)), "QOS x must have a priority"),
    "qos unknown": (lambda s: s.modify_qos("x", lambda q: q), "There is no QOS 'x'; there is normal."),
    "qos of nobody": (lambda s: s.add_qos("x", Qos(accounts=("nope",))), "There is no account nope"),
    "qos for some": (lambda s: s.modify_qos("normal", lambda q: replace(q, accounts=("root",))), "is for all accounts"),
    "qos normal": (lambda s: s.delete_qos("normal"), "The QOS normal cannot be deleted"),
    "limit of nobody": (lambda s: s.set_limit(("user", "eve"), lambda x: x), "User eve is in no account"),
    "limit of no account": (lambda s: s.set_limit(("account", "x"), lambda x: x), "There is no account 'x'"),
    "no limit": (lambda s: s.clear_limit(("user", "ann")), "There is no limit for user:ann"),
    "past": (
        lambda s: s.add_reservation(a_reservation(start_at=1.0), by_user="root", now=50.0, nodes=["n1"]),
        "The reservation begins in the past",
    ),
    "unknown node": (
        lambda s: s.add_reservation(a_reservation(), by_user="root", now=50.0, nodes=["n2"]),
        "There is no node 'n1'",
    ),
    "unknown account": (
        lambda s: s.add_reservation(a_reservation(accounts=frozenset({"x"})), by_user="root", now=50.0, nodes=["n1"]),
        "There is no account 'x'",
    ),
    "no reservation": (lambda s: s.delete_reservation("day"), "There is no reservation day"),
    "not drained": (lambda s: s.resume("n1"), "Node n1 is not drained"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_sense_is_one_sentence_and_changes_nothing(tmp_path: Path, case: str) -> None:
    change, sentence = BAD[case]

    async def course(store: AccountStore, _: Database) -> None:
        await a_lab(store)
        before = (store.tree(), store.qos(), store.limits_by_scope(), store.reservations(), store.drains())

        with pytest.raises(GpuqError) as refused:
            await change(store)

        assert str(refused.value).startswith(sentence) or sentence in str(refused.value)
        assert before == (store.tree(), store.qos(), store.limits_by_scope(), store.reservations(), store.drains())

    with_store(tmp_path, course)


def test_an_account_with_jobs_stays_until_they_have_ended(tmp_path: Path) -> None:
    async def course(store: AccountStore, database: Database) -> None:
        await store.add_account(Account(name="vis"))
        await queue(database, account="vis")

        with pytest.raises(UsageError, match="Account vis has 1 job that has not ended"):
            await store.delete_account("vis")

        await database.write(lambda tables: tables.execute("UPDATE jobs SET state = 'COMPLETED'"))
        await store.delete_account("vis")
        assert store.tree() == Tree()

    with_store(tmp_path, course)


def test_a_user_a_qos_and_a_reservation_with_jobs_stay_too(tmp_path: Path) -> None:
    async def course(store: AccountStore, database: Database) -> None:
        await a_lab(store)
        await store.add_qos("urgent", Qos())
        await store.add_reservation(a_reservation(users=frozenset({"ann"})), by_user="root", now=50.0, nodes=["n1"])
        await queue(database, account="vis", qos="urgent", reservation="night")

        with pytest.raises(UsageError, match="User ann has 1 job in the account vis"):
            await store.delete_association("ann", "vis")
        with pytest.raises(UsageError, match="QOS urgent has 1 job"):
            await store.delete_qos("urgent")
        with pytest.raises(UsageError, match="The reservation night has 1 job"):
            await store.delete_reservation("night")

    with_store(tmp_path, course)


def test_the_first_account_of_a_user_is_the_default_until_another_is_chosen(tmp_path: Path) -> None:
    async def course(store: AccountStore, _: Database) -> None:
        await a_lab(store)
        assert account_of(store.tree(), "bob", None) == "vis"

        await store.modify_association("bob", "nlp", lambda a: replace(a, is_default=True))

        assert account_of(store.tree(), "bob", None) == "nlp"
        await store.add_account(Account(name="rec"))
        await store.add_association(Association(user="bob", account="rec", is_default=True))
        assert account_of(store.tree(), "bob", None) == "rec"

    with_store(tmp_path, course)


def test_a_default_account_is_left_only_for_another_one(tmp_path: Path) -> None:
    async def course(store: AccountStore, _: Database) -> None:
        await a_lab(store)
        await store.add_account(Account(name="rec"))
        await store.add_association(Association(user="bob", account="rec"))

        with pytest.raises(UsageError, match=r"vis is the default of user bob: choose another \(nlp, rec\)"):
            await store.delete_association("bob", "vis")

        await store.delete_association("bob", "rec")
        await store.delete_association("bob", "vis")
        assert account_of(store.tree(), "bob", None) == "nlp"
        assert [a.is_default for a in store.tree().associations if a.user == "bob"] == [True]

    with_store(tmp_path, course)


def test_limits_are_changed_one_by_one_and_go_with_what_they_limit(tmp_path: Path) -> None:
    async def course(store: AccountStore, _: Database) -> None:
        await store.add_account(Account(name="vis"))
        scope = ("account", "vis")
        await store.set_limit(scope, lambda old: replace(old, running_gpus=8))
        await store.set_limit(scope, lambda old: replace(old, gpu_hours=1.5))
        assert store.limits(DAY).accounts == {"vis": Limit(running_gpus=8, gpu_hours=1.5)}

        await store.set_limit(scope, lambda old: replace(old, running_gpus=None, gpu_hours=None))
        assert store.limits_by_scope() == {}

        await store.set_limit(scope, lambda old: replace(old, running_jobs=0))
        await store.delete_account("vis")
        assert store.limits_by_scope() == {}

    with_store(tmp_path, course)


def test_an_ended_reservation_is_not_in_the_way_of_a_new_one_of_its_name(tmp_path: Path) -> None:
    async def course(store: AccountStore, _: Database) -> None:
        await store.add_reservation(a_reservation(), by_user="root", now=50.0, nodes=["n1"])
        with pytest.raises(UsageError, match="There is a reservation night already"):
            await store.add_reservation(a_reservation(), by_user="root", now=50.0, nodes=["n1"])

        later = a_reservation(start_at=300.0, end_at=400.0)
        await store.add_reservation(later, by_user="root", now=250.0, nodes=["n1"])

        assert store.reservations() == (later,)
        await store.delete_reservation("night")
        assert store.reservations() == ()

    with_store(tmp_path, course)


def test_a_drained_node_is_back_after_resume(tmp_path: Path) -> None:
    async def course(store: AccountStore, _: Database) -> None:
        await store.drain(Drain(node="n1", reason="fan", since=5.0, by_user="root"))
        await store.drain(Drain(node="n1", reason="disk", since=6.0, by_user="root"))
        assert store.drains() == {"n1": "disk"}

        await store.resume("n1")

        assert store.drains() == {}
        with pytest.raises(NotFoundError):
            await store.resume("n1")

    with_store(tmp_path, course)


def test_usage_is_charged_decays_and_survives_its_account_and_a_restart(tmp_path: Path) -> None:
    first_charge, second_charge = Usage(amount=100.0, at=0.0), Usage(amount=10.0, at=DAY)

    async def first(store: AccountStore, database: Database) -> None:
        await store.add_account(Account(name="vis"))
        await store.add_association(Association(user="ann", account="vis"))
        await database.write(lambda tables: charge(tables, "vis", "ann", first_charge, DAY))
        await store.delete_association("ann", "vis")
        await store.delete_account("vis")

    async def second(store: AccountStore, database: Database) -> None:
        await database.write(lambda tables: charge(tables, "vis", "ann", second_charge, DAY))
        assert store.ledger() == {("vis", "ann"): merged(first_charge, second_charge, DAY)}
        assert store.ledger()[("vis", "ann")].amount == pytest.approx(60.0)

    with_store(tmp_path, first)
    with_store(tmp_path, second)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 100 * DAY)), min_size=1, max_size=6), st.randoms())
def test_the_order_of_charges_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, charges: list[tuple[float, float]], chance: object
) -> None:
    usages = [Usage(amount=amount, at=at) for amount, at in charges]
    last = max(usage.at for usage in usages)
    chance.shuffle(usages)  # type: ignore[attr-defined] - hypothesis gives a random.Random

    async def course(store: AccountStore, database: Database) -> None:
        for usage in usages:
            await database.write(lambda tables, usage=usage: charge(tables, "vis", "ann", usage, DAY))
        kept = store.ledger()[("vis", "ann")]
        assert kept.at == last
        assert kept.amount == pytest.approx(sum(decayed(usage, last, DAY).amount for usage in usages))

    with_store(tmp_path_factory.mktemp("ledger"), course)


NAMES = st.sampled_from(["root", "a", "b", "c"])
USERS = st.sampled_from(["ann", "bob"])
SHARES = st.sampled_from([None, -1, 0, 1, 2**31])
STEPS = st.one_of(
    st.tuples(st.just("add"), NAMES, NAMES, SHARES),
    st.tuples(st.just("move"), NAMES, NAMES, SHARES),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("join"), USERS, NAMES, SHARES, st.booleans()),
    st.tuples(st.just("default"), USERS, NAMES),
    st.tuples(st.just("leave"), USERS, NAMES),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_whatever_is_asked_the_tree_stays_sound(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]]
) -> None:
    async def course(store: AccountStore, _: Database) -> None:
        for step in steps:
            before = store.tree()
            try:
                await _take(store, step)
            except GpuqError:
                assert store.tree() == before
            tree = store.tree()
            assert problem(tree) is None
            for user in {a.user for a in tree.associations}:
                assert account_of(tree, user, None)

    with_store(tmp_path_factory.mktemp("tree"), course)


async def _take(store: AccountStore, step: tuple[object, ...]) -> None:
    match step:
        case ("add", str(name), str(parent), shares):
            await store.add_account(Account(name=name, parent=parent, shares=shares))  # type: ignore[arg-type]
        case ("move", str(name), str(parent), shares):
            await store.modify_account(name, lambda a: replace(a, parent=parent, shares=shares))  # type: ignore[arg-type]
        case ("delete", str(name)):
            await store.delete_account(name)
        case ("join", str(user), str(name), shares, bool(default)):
            await store.add_association(
                Association(user=user, account=name, shares=shares, is_default=default)  # type: ignore[arg-type]
            )
        case ("default", str(user), str(name)):
            await store.modify_association(user, name, lambda a: replace(a, is_default=True))
        case ("leave", str(user), str(name)):
            await store.delete_association(user, name)
        case _:
            raise AssertionError(step)
