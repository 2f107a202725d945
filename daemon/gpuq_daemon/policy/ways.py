"""Where what happens to a job is told: the ways that `--notify-to` names, and which of them the site allows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from gpuq.text import fit

MOST_WAYS = 4
_LONGEST = 1024
_MAILBOX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_URL = re.compile(r"[\x21-\x7e]+")


class WayKind(StrEnum):
    """How something is told."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way: `to` is a mailbox, a URL or the absolute path of a program."""

    kind: WayKind
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the site allows: hosts ("host" or "host:port") of webhooks, domains of mail, and whether commands are run.

    `mails` is False where this machine has no program that sends mail. A user's own mailbox here needs no domain.
    """

    webhook_hosts: tuple[str, ...] = ()
    mail_domains: tuple[str, ...] = ()
    mails: bool = False
    commands: bool = True


def ways_of(text: str | None, *, user: str) -> tuple[Way, ...] | str:
    """Return the ways that the words of `--notify-to` mean, each once; a sentence if they mean none.

    `mail` alone is the user's own mailbox, and so is no word at all.
    """
    if text is not None and len(text) > MOST_WAYS * (_LONGEST + 1):
        return f"A job is told of in at most {MOST_WAYS} ways, of {_LONGEST} characters each."
    found: dict[Way, None] = {}
    for word in (text or "mail").split(","):
        way = _way(word.strip(), user)
        if isinstance(way, str):
            return way
        found[way] = None
    if len(found) > MOST_WAYS:
        return f"A job is told of in at most {MOST_WAYS} ways; this one names {len(found)}."
    return tuple(found)


def refusal(ways: Sequence[Way], allowed: Allowed) -> str | None:
    """Return why the site does not tell by one of the ways, in one sentence, or None."""
    return next((why for way in ways if (why := _refusal(way, allowed)) is not None), None)


def host_of(url: str) -> tuple[str, int]:
    """Return host and port of a webhook's URL that was looked at.

    Raises:
        ValueError: it is no URL.
    """
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _way(word: str, user: str) -> Way | str:
    if len(word) > _LONGEST:
        return f"'{_shown(word)}' is too long to tell a job by."
    if word == "mail":
        return Way(kind=WayKind.MAIL, to=user)
    if word.startswith("mail:"):
        to = word.removeprefix("mail:")
        mailbox, at, domain = to.partition("@")
        is_one = _MAILBOX.fullmatch(mailbox) and (not at or all(map(_LABEL.fullmatch, domain.split("."))))
        return Way(kind=WayKind.MAIL, to=to) if is_one else f"'{_shown(to)}' is no address of mail: write ann@host."
    if word.startswith("command:"):
        path = word.removeprefix("command:")
        if not path.startswith("/") or not path.isprintable() or "/../" in path:
            return f"'{_shown(path)}' is no program to run: give its absolute path, as in command:/home/ann/tell."
        return Way(kind=WayKind.COMMAND, to=path)
    if word.startswith(("https://", "http://")):
        return _webhook(word)
    return f"'{_shown(word)}' is no way to tell of a job: use mail, mail:ADDRESS, https://HOST/PATH or command:/PATH."


def _webhook(url: str) -> Way | str:
    try:
        parts = urlsplit(url)
        host, _ = host_of(url)
    except ValueError:
        host, parts = "", None
    if parts is None or not host or not _URL.fullmatch(url) or "@" in parts.netloc or parts.fragment or "\\" in url:
        return f"'{_shown(url)}' is no address of a webhook: write https://HOST/PATH."
    return Way(kind=WayKind.WEBHOOK, to=url)


def _refusal(way: Way, allowed: Allowed) -> str | None:
    match way.kind:
        case WayKind.MAIL:
            domain = way.to.partition("@")[2].lower()
            if not allowed.mails:
                return (
                    "No mail is sent here: gpuqd's host lacks the program of `sendmail` in [notify]; ask its operator."
                )
            if domain and domain not in {one.lower() for one in allowed.mail_domains}:
                known = ", ".join(allowed.mail_domains) or "users of gpuqd's host alone"
                return f"No mail is sent to {domain}: mail_domains in [notify] allows {known}; ask gpuqd's operator."
        case WayKind.WEBHOOK:
            host, port = host_of(way.to)
            if not _names(allowed.webhook_hosts, host, port, is_plain=way.to.startswith("http:")):
                known = ", ".join(allowed.webhook_hosts) or "no host at all"
                return f"Nothing is sent to {host}: webhook_hosts in [notify] allows {known}; ask gpuqd's operator."
        case WayKind.COMMAND:
            if not allowed.commands:
                return (
                    "No commands are run to tell of jobs here: `commands` in [notify] is false; ask gpuqd's operator."
                )
    return None


def _names(hosts: Sequence[str], host: str, port: int, *, is_plain: bool) -> bool:
    """Return whether a host is named; with another port than 443, or without TLS, the port has to be named too."""
    named = {one.lower() for one in hosts}
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" in named or (not is_plain and port == 443 and shown in named)


def _shown(text: str) -> str:
    return fit(ascii(text)[1:-1], 64)
