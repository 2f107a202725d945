"""The loop that turns what happened into messages, and sends these beside everything else.

Nothing waits for it: states are noted by the transaction that changes them, and each way of sending has a limit of
time. A message is sent at least once: one whose sender was killed before that could be noted is sent again, with the
same id.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import msgspec

from gpuq.errors import UnavailableError
from gpuq.models import FINAL_STATES, JobState, Signal
from gpuq_daemon.clock import Clock
from gpuq_daemon.config import Config
from gpuq_daemon.messages import command, mail, webhook
from gpuq_daemon.messages.names import Names
from gpuq_daemon.messages.sending import NotSentError
from gpuq_daemon.policy import telling
from gpuq_daemon.policy.telling import Notice, Subject
from gpuq_daemon.policy.ways import Way, WayKind, refusal, ways_of
from gpuq_daemon.store.jobs import Owner
from gpuq_daemon.store.messages import Happening, MessageStore, Outgoing
from gpuq_daemon.vitals import Vitals

logger = logging.getLogger(__name__)

_EVERY_S = 1.0
_LOOK_EVERY_S = 5.0
_FORGET_EVERY_S = 600.0
_AT_ONCE, _OF_A_USER = 8, 2
_AT_A_TIME = 200
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 3600.0


def pause_s(tries: int) -> float:
    """Return how long to wait before the next try, after this many have failed: 10 s, 40 s, ... an hour at most."""
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 4.0 ** min(tries - 1, 10))


class Messenger:
    """Composes and sends messages for as long as it runs."""

    def __init__(
        self,
        config: Config,
        store: MessageStore,
        clock: Clock,
        *,
        signals: Callable[[int], Iterable[Signal]],
        silent_since: Callable[[int], float | None],
        refused: Callable[[Owner, str], str | None],
        vitals: Vitals,
    ) -> None:
        """`signals` and `silent_since` say how a job goes; `refused` why nothing of a user's is run, or None."""
        self._config = config
        self._store = store
        self._clock = clock
        self._signals = signals
        self._silent_since = silent_since
        self._refused = refused
        self._counts = vitals.messages
        self._key: str | None = None
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._names = Names()
        self._looked_at = self._forgot_at = 0.0

    async def run(self) -> None:
        """Work for ever."""
        try:
            while True:
                try:
                    await self.round()
                except (UnavailableError, OSError) as error:  # a full disk, say: it passes
                    logger.warning("messages have to wait", extra={"error": str(error)})
                except Exception:
                    logger.exception("a round of messages broke off")
                await asyncio.sleep(_EVERY_S)
        finally:
            for task in self._sending.values():
                task.cancel()
            await asyncio.gather(*self._sending.values(), return_exceptions=True)
            self._names.close()

    async def round(self) -> None:
        """Compose what has happened, and begin to send what is due."""
        while happenings := self._store.happenings(_AT_A_TIME):
            await self._compose(happenings)
        uptime = self._clock.uptime()
        if uptime - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = uptime
            await self._look_at_those_that_run()
        if uptime - self._forgot_at >= _FORGET_EVERY_S:
            has_more = await self._store.forget(before=self._clock.now() - self._config.notify.keep_d * 86_400)
            self._forgot_at = self._forgot_at if has_more else uptime
        self._send_due()

    async def sent_all(self) -> None:
        """Return once all that is being sent has been, or has failed."""
        await asyncio.gather(*self._sending.values())

    def key_of(self, user: str) -> str:
        """Return what webhooks of this user's jobs are signed with; it is theirs alone. Reads a file once."""
        if self._key is None:
            self._key = _own_key(self._config.state / "notify.key")
        return hmac.new(self._key.encode(), f"user:{user}".encode(), sha256).hexdigest()

    async def _compose(self, happenings: list[Happening]) -> None:
        now = self._clock.now()
        found: list[tuple[Subject, Notice]] = []
        arrays: dict[int, Subject] = {}
        for one in happenings:
            notice = telling.of_state(one.subject, one.state, now)
            if notice is not None:
                found.append((one.subject, notice))
            if one.state not in FINAL_STATES:
                continue
            found += self._course(one.subject, now)  # what came so late that no look has seen it
            if one.subject.is_as_a_whole and one.subject.array_id is not None:
                arrays[one.subject.array_id] = one.subject
        for array_id, subject in arrays.items():
            tasks, attempts = self._store.tasks(array_id)
            notice = telling.of_array(subject, tasks, attempts, now) if tasks.keys() <= FINAL_STATES else None
            if notice is not None:
                found.append((subject, notice))
        await self._take(found, [one.id for one in happenings], now)

    async def _look_at_those_that_run(self) -> None:
        now = self._clock.now()
        found = [pair for subject in self._store.running() for pair in self._course(subject, now)]
        known = self._store.known(notice.id for _, notice in found) if found else set[str]()
        new = [pair for pair in found if pair[1].id not in known]
        if new:
            await self._take(new, [], now)

    def _course(self, subject: Subject, now: float) -> list[tuple[Subject, Notice]]:
        if not subject.attempt or not telling.wants_of_course(subject):
            return []
        silent = self._silent_since(subject.job_id) if subject.state is JobState.RUNNING else None
        signals = tuple(self._signals(subject.job_id))
        return [(subject, notice) for notice in telling.of_course(subject, signals, silent_since=silent, now=now)]

    async def _take(self, found: list[tuple[Subject, Notice]], happenings: list[int], now: float) -> None:
        notices: list[tuple[Subject, Notice, tuple[Way, ...]]] = []
        for subject, notice in found:
            ways = ways_of(subject.notify_to, user=subject.user)
            if isinstance(ways, tuple):
                notices.append((subject, notice, ways))
        await self._store.take(happenings, notices, now=now)

    def _send_due(self) -> None:
        room = _AT_ONCE - len(self._sending)
        if room > 0:
            due = self._store.due(self._clock.now(), besides=self._sending, each=_OF_A_USER, limit=room)
            for message in due:
                task = asyncio.create_task(self._send(message))
                self._sending[message.id] = task

    async def _send(self, message: Outgoing) -> None:
        """Send one message and note what came of it; whatever fails, the loop goes on."""
        try:
            await self._noted(message)
        except Exception:
            logger.exception("a message could not be seen to", extra={"job_id": message.notice.job_id})
        finally:
            self._sending.pop(message.id, None)

    async def _noted(self, message: Outgoing) -> None:
        try:
            await self._send_by(message)
        except Exception as error:
            if not isinstance(error, NotSentError):  # it is tried as seldom, and given up, as any other
                logger.exception("a message could not be sent", extra={"job_id": message.notice.job_id})
                error = NotSentError("gpuqd met an error of its own; its log says more")
            tries, now = message.tries + 1, self._clock.now()
            if error.is_final or tries >= self._config.notify.most_tries:
                why = str(error) if error.is_final else f"given up after {tries} tries: {error}"
                await self._store.dropped(message.id, why, now=now)
                self._counts[message.way.kind, "dropped"] += 1
                logger.warning("a message is given up", extra={"job_id": message.notice.job_id, "why": why})
            else:
                self._counts[message.way.kind, "failed"] += 1
                await self._store.failed(message.id, str(error), next_at=now + pause_s(tries))
        else:
            await self._store.sent(message.id, now=self._clock.now())
            self._counts[message.way.kind, "sent"] += 1

    async def _send_by(self, message: Outgoing) -> None:
        table, way, notice = self._config.notify, message.way, message.notice
        refused = refusal((way,), table.allowed)
        if refused is not None:
            raise NotSentError(refused, is_final=True)
        match way.kind:
            case WayKind.MAIL:
                await mail.send(notice, message.key, to=way.to, table=table, cluster=self._config.cluster_name)
            case WayKind.WEBHOOK:
                await self._post(message)
            case WayKind.COMMAND:
                await command.run(
                    notice,
                    message.key,
                    way.to,
                    owner=Owner(user=message.user, uid=message.uid),
                    folder=self._config.state / "messages" / f"{message.id}-{secrets.token_hex(4)}",
                    refused=self._refused,
                    limits=self._config.limits.by_name,
                    timeout_s=table.command_s,
                )

    async def _post(self, message: Outgoing) -> None:
        table, notice = self._config.notify, message.notice
        told = {
            "text": telling.chat_text(notice, self._config.cluster_name),
            "gpuq": {**msgspec.to_builtins(notice), "id": message.key, "cluster": self._config.cluster_name},
        }
        body = json.dumps(told).encode()
        headers = {"X-Gpuq-Id": message.key, "X-Gpuq-Event": notice.event}
        headers |= webhook.signed(self.key_of(message.user), body, int(self._clock.now()))
        await webhook.post(
            message.way.to,
            body,
            headers,
            resolve=self._names.address,
            private=table.webhook_private,
            timeout_s=table.webhook_s,
        )


def _own_key(path: Path) -> str:
    """Return the site's secret, made at the first time; only gpuqd may read it."""
    try:
        key = path.read_text().strip()
    except FileNotFoundError:
        key = ""
    if not key:
        key = secrets.token_hex(32)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(key + "\n")
        draft.replace(path)
    return key
