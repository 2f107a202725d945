"""Mail, handed to the program on this machine that sends it."""

from __future__ import annotations

import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from gpuq.text import clean
from gpuq_daemon.config import NotifyTable
from gpuq_daemon.messages.sending import NotSentError, run
from gpuq_daemon.policy import telling
from gpuq_daemon.policy.telling import Notice

_SEND_S = 30.0


def written(notice: Notice, key: str, *, to: str, sender: str, cluster: str) -> bytes:
    """Return the whole mail. No line of a header can be foreign text: what is not one clean line is escaped."""
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = clean(telling.title(notice, cluster))
    mail["Date"] = format_datetime(datetime.fromtimestamp(notice.at, UTC))
    host = sender.rpartition("@")[2] or "localhost"
    mail["Message-ID"] = f"<gpuq.{key.replace('#', '.')}.{int(notice.at)}@{host}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nothing shall answer it by itself
    mail["X-Gpuq-Id"] = key
    mail["X-Gpuq-Event"] = notice.event
    mail.set_content(telling.letter(notice))
    return mail.as_bytes()


async def send(notice: Notice, key: str, *, to: str, table: NotifyTable, cluster: str) -> None:
    """Hand the mail to the program of `sendmail`.

    Raises:
        NotSentError: that did not take it.
    """
    text = written(notice, key, to=to, sender=table.sender, cluster=cluster)
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    code = await run(table.sendmail, text, cwd=Path("/"), env=env, timeout_s=_SEND_S)
    if code != 0:
        raise NotSentError(f"{table.sendmail[0]} ended with {code}")
