"""Which ways to tell of a job there are, and which a site allows: whatever is typed, no other host is asked."""

from __future__ import annotations

import pytest

from gpuq.errors import UsageError
from gpuq.notices import events_of, events_of_slurm
from gpuq_daemon.messages.webhook import address_refusal
from gpuq_daemon.policy.ways import Allowed, Way, WayKind, refusal, ways_of

SITE = Allowed(webhook_hosts=("hooks.slack.com", "10.1.2.3:8080"), mail_domains=("Example.org",), mails=True)


def judged(text: str, allowed: Allowed = SITE) -> str | None:
    """Return what is said against the ways, None if they are used."""
    found = ways_of(text, user="ann")
    return found if isinstance(found, str) else refusal(found, allowed)


@pytest.mark.parametrize(
    "text",
    ["mail", "mail:ann", "mail:ann@example.org", "https://hooks.slack.com/services/T/B/x?y=1",
     "https://HOOKS.slack.com:443/a", "http://10.1.2.3:8080/x", "command:/home/ann/tell", "mail,command:/bin/true"],
)  # fmt: skip
def test_what_a_site_allows_is_used(text: str) -> None:
    assert judged(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("https://hooks.slack.com.evil.org/x", "hooks.slack.com.evil.org"),
        ("https://hooks.slack.com@evil.org/x", "no address of a webhook"),
        ("https://evil.org#@hooks.slack.com/", "no address of a webhook"),
        ("https://evil.org\\@hooks.slack.com/", "no address of a webhook"),
        ("https://hooks.slack.com:8443/x", "hooks.slack.com"),
        ("http://hooks.slack.com/x", "Nothing is sent to hooks.slack.com"),
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("https://[::1]/x", "::1"),
        ("https://hooks.slack.com/\r\nX: y", "no address of a webhook"),
        ("https://hooks.slack.com:99999/x", "no address of a webhook"),
        ("https:///x", "no address of a webhook"),
        ("file:///etc/passwd", "no way to tell"),
        ("gopher://hooks.slack.com/x", "no way to tell"),
        ("mail:ann@evil.org", "evil.org"),
        ("mail:ann@example.org,mail:bob@evil.org", "evil.org"),
        ("mail:-oQ/tmp", "no address of mail"),
        ("mail:ann@example.org\nBcc: x@y", "no address of mail"),
        ("mail:ann@example..org", "no address of mail"),
        ("mail:ann@" + "a" * 900 + "!", "no address of mail"),
        ("mail:", "no address of mail"),
        ("command:tell", "absolute path"),
        ("command:/home/../etc/x", "absolute path"),
        ("command:/bin/x\ny", "absolute path"),
        ("smoke", "no way to tell of a job: use mail"),
        ("https://hooks.slack.com/" + "x" * 2000, "too long"),
        ("mail:a,mail:b,mail:c,mail:d,mail:e", "at most 4 ways"),
    ],
)
def test_what_it_does_not_allow_is_refused_in_a_sentence(text: str, says: str) -> None:
    said = judged(text)

    assert said is not None
    assert says in said


def test_a_site_that_says_nothing_sends_to_nobody_outside() -> None:
    plain = Allowed(mails=True)

    assert judged("mail", plain) is None
    assert judged("mail:x@example.org", plain) is not None
    assert judged("https://hooks.slack.com/x", plain) is not None
    assert "sendmail" in (judged("mail", Allowed()) or "")
    assert "commands" in (judged("command:/bin/true", Allowed(commands=False)) or "")


def test_without_a_way_it_is_the_users_own_mailbox() -> None:
    assert ways_of(None, user="ann") == (Way(kind=WayKind.MAIL, to="ann"),)
    assert ways_of("mail,mail", user="ann") == (Way(kind=WayKind.MAIL, to="ann"),)


@pytest.mark.parametrize(
    ("address", "host", "private", "is_refused"),
    [
        ("93.184.216.34", "example.org", False, False),
        ("127.0.0.1", "example.org", False, True),
        ("10.0.0.7", "example.org", False, True),
        ("10.0.0.7", "example.org", True, False),
        ("169.254.169.254", "example.org", True, True),
        ("::ffff:169.254.169.254", "example.org", True, True),
        ("::ffff:127.0.0.1", "example.org", False, True),
        ("fe80::1", "example.org", True, True),
        ("0.0.0.0", "example.org", True, True),
        ("127.0.0.1", "127.0.0.1", False, False),
    ],
)
def test_a_name_leads_into_no_private_network(address: str, host: str, private: bool, is_refused: bool) -> None:
    assert (address_refusal(address, host, private=private) is not None) is is_refused


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("ended", "ended"),
        ("NaN, failed,failed", "failed,nan"),
        ("tasks,started", "started,tasks"),
        ("none", ""),
        ("signals", "nan,exploded,no-progress,slow-rank,idle,full-but-idle,throttled,stranger"),
    ],
)
def test_events_are_told_in_one_way(text: str, events: str) -> None:
    assert events_of(text) == events


@pytest.mark.parametrize(
    ("text", "events"),
    [("END,FAIL", "ended,failed"), ("all", "started,ended,failed,requeued"), ("NONE", ""),
     ("BEGIN,TIME_LIMIT_90,ARRAY_TASKS", "started,limit,tasks"), ("INVALID_DEPEND", "")],
)  # fmt: skip
def test_slurms_types_of_mail_are_understood(text: str, events: str) -> None:
    assert events_of_slurm(text) == events


@pytest.mark.parametrize(("read", "word", "says"), [(events_of, "endet", "ended"), (events_of_slurm, "ENDS", "END")])
def test_a_mistyped_event_is_guessed(read: object, word: str, says: str) -> None:
    assert callable(read)
    with pytest.raises(UsageError, match=f"did you mean {says}"):
        read(word)
