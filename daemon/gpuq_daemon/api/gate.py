"""What every request passes: who asks is found out, how often is counted, and what is changed is recorded."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from gpuq.errors import GpuqError, UnavailableError
from gpuq.text import clean, fit
from gpuq_daemon.api.caller import CALLER, Caller, Role, role_of
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.people import People, Person
from gpuq_daemon.api.problem import problem
from gpuq_daemon.api.rates import Rates
from gpuq_daemon.api.recording import ENTRY, Entry, verb_of
from gpuq_daemon.api.timing import App, Receive, Scope, Send
from gpuq_daemon.api.trying import answer_trial, is_trial

logger = logging.getLogger(__name__)

PEER = "gpuq.peer"  # among the extensions of a scope: uid and pid, or the address, as the kernel says
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_QUESTIONS = frozenset({"/v1/jobs/test"})  # POSTs that change nothing
_OPEN = frozenset({"/healthz"})  # what an address may ask without a token
_LONGEST_ERROR = 4096
LISTS: dict[str, frozenset[str]] = {
    "/v1/usage": frozenset({"by"}),
    "/v1/usage/table": frozenset({"by"}),
    "/v1/utilisation": frozenset({"by"}),
    "/v1/utilisation/table": frozenset({"by"}),
    "/v1/events": frozenset({"job"}),
    "/v1/compare": frozenset({"job", "tag"}),
    "/v1/chart": frozenset({"job", "tag", "run"}),
}
"""Parameters of which a route takes several; `_POINTS` of the one whose path has a number in it."""
_POINTS = frozenset({"tag", "run"})
# Of an address that shows no token, or a wrong one; 2^256 tokens are not found at this pace.
_STRANGER_PER_S, _STRANGER_BURST = 5.0, 50
# Of a user's refused changes; more than these are only counted, so that nobody fills the disk by being refused.
_REFUSED_PER_S, _REFUSED_BURST = 1.0, 200


class Refusal(Exception):
    """A request that gets no further; `headers` go with the answer."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


class Gate:
    """An ASGI application around the API's."""

    def __init__(self, app: App, desk: Desk, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._desk = desk
        self._now = monotonic
        self._people = People(monotonic)
        self._rates = Rates()
        self._own_uid = os.geteuid()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        extensions: Any = scope["extensions"]
        twice = repeated(scope["path"], scope.get("query_string", b""))
        if twice is not None:
            return await _answer(send, Refusal(400, f"`{twice}` is given more than once: give it once."))
        try:
            if "uid" not in extensions[PEER] and scope["path"] in _OPEN:
                return await self._app(scope, receive, send)
            who = await self._identified(extensions[PEER])
        except Refusal as refusal:
            return await _answer(send, refusal)
        except UnavailableError as error:  # the state cannot be read
            return await _answer(send, Refusal(503, str(error)))
        extensions[CALLER] = who
        if scope["method"] in _READS or scope["path"] in _QUESTIONS:
            return await self._app(scope, receive, send)
        if is_trial(scope):
            extensions[ENTRY] = self._entry(scope, who)  # for the route; nothing changes, so it is not kept
            return await answer_trial(self._app, self._desk, scope, receive, send)
        return await self._recorded(scope, receive, send, who)

    async def _identified(self, peer: dict[str, Any]) -> Caller:
        if "uid" not in peer:
            return await self._with_token(peer["address"], peer["authorization"])
        uid: int = peer["uid"]
        person = await self._people.of_uid(uid)
        if not self._is_own(person):
            self._check_served(person)
            self._count(uid, person.owner.user)
        return self._caller(person, source=f"pid {peer['pid']}")

    async def _with_token(self, address: str, authorization: str | None) -> Caller:
        host = address.rpartition(":")[0]
        scheme, _, text = (authorization or "").partition(" ")
        token = None
        if scheme.lower() == "bearer":
            token = await self._desk.tokens.shown(text.strip(), now=self._desk.clock.now())
        person = None if token is None else await self._people.named(token.user)
        if token is None or person is None:
            wait = self._rates.wait_s(host, per_s=_STRANGER_PER_S, burst=_STRANGER_BURST, now=self._now())
            if wait:
                raise _too_often("Too many requests without a valid token from here", wait)
            logger.warning("refused a request without a valid token", extra={"address": address})
            raise Refusal(
                401,
                "This gpuqd wants a token that is valid: `gpuq admin token create` on its own host makes one.",
                {"www-authenticate": "Bearer"},
            )
        self._check_served(person)
        self._count(person.owner.uid, person.owner.user)
        return self._caller(person, source=address, token=token.name)

    def _is_own(self, person: Person) -> bool:
        return person.owner.uid in (0, self._own_uid)

    def _check_served(self, person: Person) -> None:
        if not self._is_own(person) and not self._desk.config.listen.serves_others:
            raise Refusal(403, "This gpuqd serves only the user it runs as.")

    def _count(self, uid: int, user: str) -> None:
        listen = self._desk.config.listen
        if not listen.requests_per_s:
            return
        wait = self._rates.wait_s(uid, per_s=listen.requests_per_s, burst=listen.request_burst, now=self._now())
        if wait:
            raise _too_often(f"User {user} asks more than {listen.requests_per_s:g} times a second", wait)

    def _caller(self, person: Person, *, source: str, token: str | None = None) -> Caller:
        config = self._desk.config
        role = role_of(config.roles, person.owner, person.groups, own_uid=self._own_uid)
        sees_all = role >= Role.OPERATOR or not config.privacy.private
        return Caller(owner=person.owner, role=role, source=source, token=token, sees_all=sees_all)

    async def _recorded(self, scope: Scope, receive: Receive, send: Send, who: Caller) -> None:
        entry = scope["extensions"][ENTRY] = self._entry(scope, who)
        watched = _Watched(send)
        try:
            with self._desk.audit.along(entry.next_row, keep_s=self._desk.config.audit.keep_s):
                await self._app(scope, receive, watched)
        finally:
            entry.is_closed = True
        await self._conclude(entry, watched)

    def _entry(self, scope: Scope, who: Caller) -> Entry:
        verb, target = verb_of(scope["method"], scope["path"])
        return Entry(at=self._desk.clock.now(), who=who, verb=verb, target=target)

    async def _conclude(self, entry: Entry, watched: _Watched) -> None:
        """Record what no transaction has taken along: what was refused, failed, or changed nothing."""
        if watched.status < 400 and entry.is_written:
            return
        outcome = "done" if watched.status < 400 else "refused" if watched.status < 500 else "failed"
        who = entry.who.owner
        if outcome != "done" and self._rates.wait_s(
            ("refused", who.uid), per_s=_REFUSED_PER_S, burst=_REFUSED_BURST, now=self._now()
        ):
            logger.warning("refused more often than is recorded", extra={"user": who.user, "verb": entry.verb})
            return
        try:
            await self._desk.audit.add(entry.row(outcome, watched.detail()), keep_s=self._desk.config.audit.keep_s)
        except GpuqError as error:  # the answer has gone out: all that is left is to say so
            details = {"user": who.user, "verb": entry.verb, "reason": str(error)}
            logger.warning("a change could not be recorded", extra=details)
        except Exception:
            logger.exception("a change was not recorded", extra={"user": who.user, "verb": entry.verb})


def repeated(path: str, query: bytes) -> str | None:
    """Return the first parameter of a query that is given twice and can be one thing only; None if there is none."""
    if query.count(b"=") < 2:
        return None
    lists = _POINTS if path.endswith("/points") else LISTS.get(path, ())
    seen = set[str]()
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1"):
        if name in seen and name not in lists:
            return fit(clean(name), 40)
        seen.add(name)
    return None


class _Watched:
    """Sends on, and remembers the status and the beginning of an error's body."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500  # until something is answered
        self._body = b""

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body" and self.status >= 400:
            self._body = (self._body + message["body"])[:_LONGEST_ERROR]
        await self._send(message)

    def detail(self) -> str | None:
        """Return what a problem document says, None for anything else."""
        try:
            return str(json.loads(self._body)["detail"])
        except (ValueError, KeyError, TypeError):
            return None


def _too_often(what: str, wait_s: float) -> Refusal:
    seconds = math.ceil(wait_s)
    return Refusal(429, f"{what}: try again in {seconds} s.", {"retry-after": str(seconds)})


async def _answer(send: Send, refusal: Refusal) -> None:
    body = json.dumps(problem(refusal.status, refusal.detail)).encode()
    headers = {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        "connection": "close",  # its body, if any, was not read
        **refusal.headers,
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
