"""Who may what: every route, asked by a user, an operator and an admin about somebody else's things."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gpuq_daemon.api.app import make_app
from gpuq_daemon.api.caller import Role
from gpuq_daemon.api.desk import Desk
from tests.support.daemon import Gpuqd, plain_gpuqd, short_folder
from tests.support.tls import Https, a_free_port, make_certificate
from tests.support.values import MAIN_FUN

# Litestar's next major version will want parameters of routes marked in another way; this one needs no change.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
# Users that every Unix has. One owns the jobs, the others ask.
OWNER, USER, OPERATOR, ADMIN = "nobody", "mail", "daemon", "bin"
ASKING = {USER: Role.USER, OPERATOR: Role.OPERATOR, ADMIN: Role.ADMIN}
# These are system users; as root gpuqd lets them queue only if told so. No job of theirs is started here.
OWNERS = "allow_root_jobs = true\nmin_uid = 1" if os.geteuid() == 0 else "run_as_gpuqd = true"
ROOT = pwd.getpwuid(os.geteuid()).pw_name


@dataclass(frozen=True)
class Rule:
    """The least role for a route, and a request of its kind. Below `/v1/jobs/{job_id}` the job is another's."""

    role: Role
    query: str = ""
    body: Any = None


ANYBODY = Rule(Role.USER)
OF_OPERATORS = Rule(Role.OPERATOR)
_SPEC = {"script_name": "train.py", "script": MAIN_FUN, "begin_at": time.time() + 1e6}
TABLE: dict[tuple[str, str], Rule] = {
    ("GET", "/v1/cluster"): ANYBODY,
    ("GET", "/v1/events"): ANYBODY,
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/metrics"): ANYBODY,
    ("GET", "/v1/me"): ANYBODY,
    ("GET", "/v1/diag"): ANYBODY,
    ("DELETE", "/v1/diag"): Rule(Role.ADMIN),
    ("POST", "/v1/config"): Rule(Role.ADMIN),
    ("GET", "/v1/jobs"): ANYBODY,
    ("POST", "/v1/jobs"): Rule(Role.USER, body=_SPEC),
    ("POST", "/v1/jobs/test"): Rule(Role.USER, body=_SPEC),
    ("GET", "/v1/usage"): ANYBODY,
    ("GET", "/v1/usage/table"): ANYBODY,
    ("GET", "/v1/utilisation"): ANYBODY,
    ("GET", "/v1/utilisation/table"): ANYBODY,
    ("GET", "/v1/nodes/history"): ANYBODY,
    ("GET", "/v1/messages"): Rule(Role.OPERATOR, query="user=nobody"),
    ("GET", "/v1/messages/key"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/why"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/when"): ANYBODY,
    ("GET", "/v1/estimates"): ANYBODY,
    ("GET", "/v1/ledger"): ANYBODY,
    ("GET", "/v1/record/queue"): Rule(Role.USER, query="at=1"),
    ("GET", "/v1/record/pass"): Rule(Role.OPERATOR, query="at=1"),
    ("GET", "/v1/jobs/{job_id}/sooner"): ANYBODY,
    ("GET", "/v1/what-if"): Rule(Role.OPERATOR, query="change=drain%20none"),
    ("GET", "/v1/jobs/{job_id}/priority"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/wait"): Rule(Role.USER, query="timeout_s=0"),
    ("GET", "/v1/jobs/{job_id}/logs"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/series"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/curve"): Rule(Role.USER, query="tag=loss"),
    ("GET", "/v1/jobs/{job_id}/histograms"): Rule(Role.USER, query="tag=w"),
    ("GET", "/v1/jobs/{job_id}/heatmap"): Rule(Role.USER, query="tag=w"),
    ("GET", "/v1/jobs/{job_id}/heatmap/picture"): Rule(Role.USER, query="tag=w"),
    ("GET", "/v1/jobs/{job_id}/points"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/texts"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/event-files"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/event-files/bytes"): Rule(Role.USER, query="path=rank-0/a"),
    ("GET", "/v1/jobs/{job_id}/pictures"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/pictures/{picture_id}"): ANYBODY,
    ("GET", "/v1/compare"): Rule(Role.USER, query="job=1"),
    ("GET", "/v1/gpus"): ANYBODY,
    ("GET", "/v1/trace"): Rule(Role.USER, query="handle=1"),
    ("GET", "/v1/chart"): Rule(Role.USER, query="job=1"),
    ("GET", "/v1/jobs/{job_id}/checkpoints"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/checkpoint"): ANYBODY,
    ("GET", "/v1/jobs/{job_id}/weights"): Rule(Role.USER, query="name=w"),
    ("GET", "/v1/jobs/{job_id}/spec"): OF_OPERATORS,
    ("POST", "/v1/jobs/{job_id}/cancel"): OF_OPERATORS,
    ("POST", "/v1/jobs/{job_id}/stacks"): OF_OPERATORS,
    ("POST", "/v1/jobs/{job_id}/hold"): OF_OPERATORS,
    ("POST", "/v1/jobs/{job_id}/release"): OF_OPERATORS,
    ("POST", "/v1/jobs/{job_id}/top"): OF_OPERATORS,
    ("POST", "/v1/jobs/{job_id}/requeue"): OF_OPERATORS,
    ("PATCH", "/v1/jobs/{job_id}"): Rule(Role.OPERATOR, body={"nice": 5}),
    ("GET", "/v1/shares"): ANYBODY,
    ("GET", "/v1/accounts"): ANYBODY,
    ("POST", "/v1/accounts"): Rule(Role.ADMIN, body={"name": "x"}),
    ("PATCH", "/v1/accounts/{name}"): Rule(Role.ADMIN, body={}),
    ("DELETE", "/v1/accounts/{name}"): Rule(Role.ADMIN),
    ("POST", "/v1/members"): Rule(Role.ADMIN, body={"user": "eve", "account": "none"}),
    ("PATCH", "/v1/members/{account}/{user}"): Rule(Role.ADMIN, body={}),
    ("DELETE", "/v1/members/{account}/{user}"): Rule(Role.ADMIN),
    ("GET", "/v1/qos"): ANYBODY,
    ("POST", "/v1/qos"): Rule(Role.ADMIN, body={"name": "x"}),
    ("PATCH", "/v1/qos/{name}"): Rule(Role.ADMIN, body={}),
    ("DELETE", "/v1/qos/{name}"): Rule(Role.ADMIN),
    ("GET", "/v1/limits"): ANYBODY,
    ("PATCH", "/v1/limits/{kind}/{name}"): Rule(Role.ADMIN, body={}),
    ("DELETE", "/v1/limits/{kind}/{name}"): Rule(Role.ADMIN),
    ("GET", "/v1/reservations"): ANYBODY,
    ("POST", "/v1/reservations"): Rule(Role.OPERATOR, body={"name": "x", "nodes": ["none"], "end_at": 9e9}),
    ("DELETE", "/v1/reservations/{name}"): OF_OPERATORS,
    ("GET", "/v1/drains"): ANYBODY,
    ("POST", "/v1/drains"): Rule(Role.OPERATOR, body={"node": "none", "reason": "x"}),
    ("DELETE", "/v1/drains/{node}"): OF_OPERATORS,
    ("GET", "/v1/tokens"): ANYBODY,
    # A token makes no token, whoever has it: this is tried over the socket below.
    ("POST", "/v1/tokens"): Rule(Role.ADMIN, body={"user": OWNER, "name": "more"}),
    ("DELETE", "/v1/tokens/{token_id}"): ANYBODY,
    ("GET", "/v1/audit"): ANYBODY,
    ("GET", "/v1/openapi.json"): ANYBODY,
    ("GET", "/v1/queue"): ANYBODY,
    ("GET", "/v1/history"): ANYBODY,
}
_OVER_SOCKET_ONLY = {("POST", "/v1/tokens")}
_KINDS = {"{name}": "none", "{account}": "none", "{user}": "none", "{kind}": "user", "{node}": "none"}


class Cluster:
    """A gpuqd that serves tokens of four users in three roles."""

    def __init__(self, gpuqd: Gpuqd, port: int) -> None:
        self.gpuqd, self.port = gpuqd, port
        self.tokens = {user: self._token(user) for user in (OWNER, *ASKING)}

    def as_(self, user: str) -> Https:
        """Return what asks as this user."""
        return Https(self.port, self.gpuqd.folder / "cert.pem", self.tokens[user])

    def a_job(self, user: str = OWNER) -> int:
        """Return a job of the user's that will not start."""
        status, job = self.as_(user).ask("POST", "/v1/jobs", _SPEC)
        assert status == 201, job
        return job["id"]

    def _token(self, user: str) -> str:
        return self.gpuqd.client._ask("POST", "/v1/tokens", body={"user": user, "name": "test"})["token"]  # pyright: ignore[reportPrivateUsage] - the CLI's own way is tried elsewhere


def a_cluster(more: str) -> Iterator[Cluster]:
    port = a_free_port()

    with short_folder() as folder:
        make_certificate(folder)
        config = (
            f'[listen]\nserve_others = true\nhttps = "127.0.0.1:{port}"\n'
            f'cert = "{folder}/cert.pem"\nkey = "{folder}/key.pem"\n'
            f'[roles]\noperator = ["{OPERATOR}"]\nadmin = ["@{ADMIN}"]\n{more}'
        )

        with plain_gpuqd(owners=OWNERS, more=config, within=folder) as gpuqd:
            yield Cluster(gpuqd, port)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    yield from a_cluster("")


@pytest.fixture(scope="module")
def private() -> Iterator[Cluster]:
    yield from a_cluster("[privacy]\nprivate = true\n")


def routes() -> set[tuple[str, str]]:
    """Return every route of the API, its parameters without their kinds."""
    app = make_app(object.__new__(Desk))
    known = {
        (method, "/".join(part.split(":")[0] + "}" if ":" in part else part for part in route.path.split("/")))
        for route in app.routes
        for method in getattr(route, "methods", ())
    }
    return {(method, path) for method, path in known if method not in ("OPTIONS", "HEAD") and "/schema" not in path}


def filled(path: str, job_id: int) -> str:
    for name, value in {**_KINDS, "{job_id}": str(job_id), "{token_id}": "999", "{picture_id}": "1"}.items():
        path = path.replace(name, value)
    return path


def test_the_table_has_every_route() -> None:
    assert routes() == TABLE.keys()


@pytest.mark.parametrize("user", ASKING)
def test_every_route_lets_through_who_may_and_nobody_else(cluster: Cluster, user: str) -> None:
    asking, wrong = cluster.as_(user), list[str]()
    for (method, path), rule in TABLE.items():
        if (method, path) in _OVER_SOCKET_ONLY:
            continue
        job_id = cluster.a_job() if "{job_id}" in path else 0
        status, said = asking.ask(method, f"{filled(path, job_id)}?{rule.query}", rule.body)
        if (status == 403) != (ASKING[user] < rule.role) or status in (401, 429, 500):
            wrong.append(f"{method} {path} as {user}: {status} {said}")

    assert not wrong, "\n".join(wrong)


def test_an_owner_may_change_what_is_their_own(cluster: Cluster) -> None:
    job_id, owner = cluster.a_job(), cluster.as_(OWNER)

    for verb in ("hold", "release", "cancel"):
        assert owner.ask("POST", f"/v1/jobs/{job_id}/{verb}")[0] == 200
    assert owner.ask("POST", f"/v1/jobs/{job_id}/top")[0] == 403


def test_a_hold_of_an_operator_is_not_the_owners_to_release(cluster: Cluster) -> None:
    job_id = cluster.a_job()
    cluster.as_(OPERATOR).ask("POST", f"/v1/jobs/{job_id}/hold")

    assert cluster.as_(OWNER).ask("POST", f"/v1/jobs/{job_id}/release")[0] == 403
    assert cluster.as_(ADMIN).ask("POST", f"/v1/jobs/{job_id}/release")[0] == 200


def test_only_operators_give_a_nice_value_below_zero(cluster: Cluster) -> None:
    spec = {**_SPEC, "nice": -5}

    assert [cluster.as_(user).ask("POST", "/v1/jobs", spec)[0] for user in ASKING] == [403, 201, 201]


def test_without_a_valid_token_nothing_is_answered(cluster: Cluster) -> None:
    right = cluster.tokens[USER]
    wrong = [None, "", "x", right[:-1], right[:-1] + ("A" if right[-1] != "A" else "B"), right.replace("_", "_9", 1)]
    for token in wrong:
        status, said = Https(cluster.port, cluster.gpuqd.folder / "cert.pem", token).ask("GET", "/v1/cluster")
        assert (status, "token" in said["detail"]) == (401, True), token


def test_a_token_makes_no_token_and_ends_when_it_is_revoked(cluster: Cluster) -> None:
    admin, client = cluster.as_(ADMIN), cluster.gpuqd.client
    made = client._ask("POST", "/v1/tokens", body={"user": USER, "name": "laptop"})  # pyright: ignore[reportPrivateUsage]
    laptop = Https(cluster.port, cluster.gpuqd.folder / "cert.pem", made["token"])

    assert admin.ask("POST", "/v1/tokens", {"user": USER, "name": "more"})[0] == 403
    assert laptop.ask("GET", "/v1/me")[1] == {
        "user": USER,
        "uid": pwd.getpwnam(USER).pw_uid,
        "role": "user",
        "token": "laptop",
    }
    assert cluster.as_(OWNER).ask("DELETE", f"/v1/tokens/{made['row']['id']}")[0] == 404
    assert laptop.ask("DELETE", f"/v1/tokens/{made['row']['id']}")[0] == 200
    assert laptop.ask("GET", "/v1/me")[0] == 401


@pytest.mark.parametrize(("method", "path"), [route for route in TABLE if "{job_id}" in route[1]])
def test_where_it_is_private_a_job_of_another_is_no_job(private: Cluster, method: str, path: str) -> None:
    job_id, rule = private.a_job(), TABLE[(method, path)]

    status, said = private.as_(USER).ask(method, f"{filled(path, job_id)}?{rule.query}", rule.body)

    if method == "POST" and path.endswith("/top"):
        assert status == 403  # nobody but operators, whatever the job
    else:
        assert (status, said["detail"].split(";")[0]) == (404, f"There is no job {job_id}")


@pytest.mark.parametrize("path", ["/v1/compare", "/v1/chart"])
def test_where_it_is_private_a_job_of_another_is_in_no_comparison(private: Cluster, path: str) -> None:
    mine, others = private.a_job(USER), private.a_job()

    status, said = private.as_(USER).ask("GET", f"{path}?job={mine}&job={others}")

    assert (status, said["detail"].split(";")[0]) == (404, f"There is no job {others}")


def test_where_it_is_private_no_answer_names_another_user(private: Cluster) -> None:
    admin = private.gpuqd.client
    admin._ask("POST", "/v1/accounts", body={"name": "lab"})  # pyright: ignore[reportPrivateUsage]
    for user in (OWNER, USER):
        admin._ask("POST", "/v1/members", body={"user": user, "account": "lab"})  # pyright: ignore[reportPrivateUsage]
        admin._ask("PATCH", f"/v1/limits/user/{user}", body={"running_gpus": 2})  # pyright: ignore[reportPrivateUsage]
    job_id, mine = private.a_job(), private.a_job(USER)

    for (method, path), rule in TABLE.items():
        if method == "GET":
            _, said = private.as_(USER).ask("GET", f"{filled(path, mine)}?{rule.query}")
            assert OWNER not in str(said), path
    listed = private.as_(USER).ask("GET", "/v1/jobs")[1]["jobs"]
    assert {job["user"] for job in listed} == {USER}
    assert private.as_(USER).ask("GET", f"/v1/jobs?user={OWNER}")[1]["jobs"] == []
    assert job_id in {job["id"] for job in private.as_(OPERATOR).ask("GET", "/v1/jobs")[1]["jobs"]}
    for query, jobs in ((f"user={OWNER}", 0), (f"user={USER}", len(listed))):
        told = private.as_(USER).beginning(f"/v1/events?{query}", b"event: ready\n")
        assert f'data: {{"jobs":{jobs}}}' in told
        assert OWNER not in told
    assert f'data: {{"jobs":{len(listed)}}}' in private.as_(USER).beginning("/v1/events", b"event: ready\n")
    told = private.as_(USER).beginning("/v1/events?table=true", b"event: ready\n")
    assert f'data: {{"jobs":{len(listed)}}}' in told
    assert "event: table" in told
    assert USER in told
    assert OWNER not in told
    waits = {**_SPEC, "dependency": f"afterok:{job_id}"}
    status, said = private.as_(USER).ask("POST", "/v1/jobs", waits)
    assert (status, said["detail"]) == (400, f"There is no job {job_id} to depend on.")


def test_every_change_and_every_refusal_is_recorded(cluster: Cluster) -> None:
    job_id = cluster.a_job()
    cluster.as_(OPERATOR).ask("POST", f"/v1/jobs/{job_id}/hold")
    cluster.as_(USER).ask("POST", f"/v1/jobs/{job_id}/cancel")
    cluster.gpuqd.client._ask("POST", "/v1/accounts", body={"name": "seen"})  # pyright: ignore[reportPrivateUsage]
    cluster.gpuqd.client._ask("PATCH", "/v1/accounts/seen", body={"shares": "7"})  # pyright: ignore[reportPrivateUsage]

    rows = cluster.as_(ADMIN).ask("GET", "/v1/audit")[1]["audit"][-5:]
    own = cluster.as_(USER).ask("GET", "/v1/audit")[1]["audit"]

    assert [(r["user"], r["token"], r["verb"], r["target"], r["change"], r["outcome"]) for r in rows] == [
        (OWNER, "test", "enqueue", f"job {job_id}", "'train' in plain, root", "done"),
        (OPERATOR, "test", "hold", f"job {job_id} of {OWNER}", "hold -> admin", "done"),
        (USER, "test", "cancel", f"job {job_id}", None, "refused"),
        (ROOT, None, "add account", "seen", "parent root, shares 1", "done"),
        (ROOT, None, "modify account", "seen", "shares 1 -> 7", "done"),
    ]
    assert rows[2]["error"] == f"Job {job_id} belongs to {OWNER}; only its owner or an operator may change it."
    assert rows[0]["source"].startswith("127.0.0.1:")
    assert rows[3]["source"] == f"pid {os.getpid()}"
    assert {row["user"] for row in own} == {USER}
    assert cluster.as_(USER).ask("GET", f"/v1/audit?user={OWNER}")[0] == 403
