"""Owners are told what happens to their jobs: by a webhook, by mail and by a command, also over a killed gpuqd."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import os
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gpuq.client import Json
from gpuq.errors import UsageError
from tests.support.daemon import Gpuqd, plain_gpuqd, short_folder, until

NOTHING = "def main_fun(args, ctx):\n    pass\n"
FAILS = "def main_fun(args, ctx):\n    raise ValueError('no')\n"
WAITS = "import time\ndef main_fun(args, ctx):\n    time.sleep(300)\n"


@dataclass
class Hook:
    """A receiver of webhooks that answers with `status` and keeps what it got."""

    port: int
    status: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    def told(self) -> list[Any]:
        """Return what was told, as values."""
        return [json.loads(body) for _, body in self.got]


@contextmanager
def a_hook() -> Generator[Hook]:
    """Give a receiver on a port of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.status)
            self.send_header("Location", f"http://127.0.0.1:{hook.port}/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Hook(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def a_program(path: Path, text: str) -> Path:
    """Make a program that everybody may run."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


@contextmanager
def a_telling_gpuqd(folder: Path, *hooks: Hook, more: str = "") -> Generator[Gpuqd]:
    """Give a gpuqd whose site allows these receivers and has a program that keeps mail in `folder`."""
    sendmail = a_program(folder / "sendmail", f'cat > "{folder}/mail.$$"')
    hosts = ", ".join(f'"127.0.0.1:{hook.port}"' for hook in hooks)
    table = (
        f'[notify]\nwebhook_hosts = [{hosts}]\nsendmail = ["{sendmail}", "-t"]\nmail_from = "gpuq@example.org"\n{more}'
    )
    with plain_gpuqd(more=table) as daemon:
        yield daemon


def messages(gpuqd: Gpuqd, job_id: int) -> list[Json]:
    return gpuqd.client.messages(job=job_id)


def until_told(gpuqd: Gpuqd, job_id: int, *, count: int = 1, state: str = "sent") -> list[Json]:
    """Return a job's messages once so many are in this state."""

    def are_there() -> bool:
        return sum(one["state"] == state for one in messages(gpuqd, job_id)) >= count

    until(are_there, timeout_s=30, what=f"{count} {state} messages of job {job_id}", log=gpuqd.folder / "gpuqd.log")
    return messages(gpuqd, job_id)


def test_a_webhook_is_told_in_a_chats_own_words_and_signed(tmp_path: Path) -> None:
    with a_hook() as hook, a_telling_gpuqd(tmp_path, hook) as gpuqd:
        job_id = gpuqd.enqueue(FAILS, name="<!here>", notify="failed,started", notify_to=hook.url)
        gpuqd.ended(job_id)
        told = until_told(gpuqd, job_id, count=2)
        key = gpuqd.client.notices_key()["key"]

        assert {one["event"] for one in told} == {"started", "failed"}
        ((headers, body),) = [(h, b) for h, b in hook.got if h["X-Gpuq-Event"] == "failed"]
        said = json.loads(body)
        assert "FAILED" in said["text"]
        assert "<" not in said["text"]
        assert (said["gpuq"]["job_id"], said["gpuq"]["exit_code"]) == (job_id, 1)
        signed = f"v0:{headers['X-Gpuq-Timestamp']}:".encode() + body
        assert headers["X-Gpuq-Signature"] == "v0=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
        assert headers["X-Gpuq-Id"] == f"{job_id}.1.FAILED#0"
        assert 'gpuq_messages_total{kind="webhook",result="sent"} 2' in _metrics(gpuqd)
        assert gpuqd.client.job(job_id)["notify"] == "started,failed"
        assert hook.url not in json.dumps(gpuqd.client.job(job_id))


def test_mail_goes_to_the_program_that_sends_it(tmp_path: Path) -> None:
    with a_telling_gpuqd(tmp_path) as gpuqd:
        job_id = gpuqd.enqueue(NOTHING, notify="ended")
        until_told(gpuqd, job_id)

        (mail,) = tmp_path.glob("mail.*")
        assert f"Subject: test: Job {job_id} (job) is COMPLETED" in mail.read_text()
        with pytest.raises(UsageError, match="mail_domains"):
            gpuqd.enqueue(NOTHING, notify="ended", notify_to="mail:x@elsewhere.org")
        with pytest.raises(UsageError, match="webhook_hosts"):
            gpuqd.enqueue(NOTHING, notify="ended", notify_to="https://elsewhere.org/x")
        with pytest.raises(UsageError, match="did you mean ended"):
            gpuqd.enqueue(NOTHING, notify="endet")


def test_a_command_runs_as_the_owner_with_all_that_is_told_and_for_no_longer_than_it_may() -> None:
    with short_folder() as folder, a_telling_gpuqd(folder, more="command_s = 1\nmost_tries = 2") as gpuqd:
        tells = a_program(folder / "tell", f'echo "$GPUQ_EVENT $GPUQ_JOB_ID $(id -u)" > {folder}/told; sleep 300 &')
        hangs = a_program(folder / "hang", f"echo $$ > {folder}/pid; sleep 300")
        told = gpuqd.enqueue(NOTHING, notify="ended", notify_to=f"command:{tells}")
        hung = gpuqd.enqueue(NOTHING, notify="ended", notify_to=f"command:{hangs}")
        gone = gpuqd.enqueue(NOTHING, notify="ended", notify_to=f"command:{folder}/none")

        until_told(gpuqd, told)
        (late,) = until_told(gpuqd, hung, state="dropped")
        until(lambda: messages(gpuqd, gone)[0]["tries"] > 0, timeout_s=30, what="a try")
        assert (folder / "told").read_text().split() == ["ended", str(told), str(os.getuid())]
        assert "did not end within 1 s" in late["said"]
        until(lambda: not _is_alive(int((folder / "pid").read_text())), timeout_s=10, what="its end")
        assert "exit code 127" in messages(gpuqd, gone)[0]["said"]


def test_an_array_is_told_once_when_all_of_it_has_ended(tmp_path: Path) -> None:
    with a_hook() as hook, a_telling_gpuqd(tmp_path, hook) as gpuqd:
        array = gpuqd.enqueue(NOTHING, array="0-4", notify="ended,started", notify_to=hook.url)
        until_told(gpuqd, array, count=2)

        assert sorted(one["gpuq"]["event"] for one in hook.told()) == ["ended", "started"]
        (ended,) = [one["gpuq"] for one in hook.told() if one["gpuq"]["event"] == "ended"]
        assert ended["tasks"] == {"COMPLETED": 5}


def test_what_could_not_be_told_is_told_after_a_kill_and_nothing_twice(tmp_path: Path) -> None:
    with a_hook() as hook, a_telling_gpuqd(tmp_path, hook) as gpuqd:
        hook.status = 503
        job_id = gpuqd.enqueue(NOTHING, notify="ended", notify_to=hook.url)
        until(lambda: any(m["tries"] for m in messages(gpuqd, job_id)), timeout_s=30, what="a try")
        assert "answered 503" in messages(gpuqd, job_id)[0]["said"]
        gpuqd.kill()
        gpuqd.start()
        hook.status = 200
        gpuqd.set_clock(60.0)  # the next try is due
        until_told(gpuqd, job_id)
        later = gpuqd.enqueue(NOTHING, notify="ended", notify_to=hook.url)
        until_told(gpuqd, later)

        ids = [headers["X-Gpuq-Id"] for headers, _ in hook.got]
        assert set(ids[:-1]) == {f"{job_id}.1.COMPLETED#0"}
        assert ids[-1] == f"{later}.1.COMPLETED#0"
        assert [one["state"] for one in messages(gpuqd, job_id)] == ["sent"]


@pytest.mark.parametrize(("status", "says"), [(302, "redirection"), (404, "404")])
def test_what_can_never_be_told_is_dropped_with_its_reason(tmp_path: Path, status: int, says: str) -> None:
    with a_hook() as hook, a_telling_gpuqd(tmp_path, hook) as gpuqd:
        hook.status = status
        job_id = gpuqd.enqueue(NOTHING, notify="ended", notify_to=hook.url)

        (dropped,) = until_told(gpuqd, job_id, state="dropped")
        assert says in dropped["said"]
        assert len(hook.got) == 1


def test_an_error_of_gpuqds_own_is_no_more_tries_than_any_other(tmp_path: Path) -> None:
    with a_hook() as hook, a_telling_gpuqd(tmp_path, hook, more="most_tries = 2") as gpuqd:
        (gpuqd.folder / "notify.key").mkdir()  # what webhooks are signed with cannot be read
        job_id = gpuqd.enqueue(NOTHING, notify="ended", notify_to=hook.url)
        until(lambda: any(m["tries"] for m in messages(gpuqd, job_id)), timeout_s=30, what="a try")
        gpuqd.set_clock(60.0)

        (dropped,) = until_told(gpuqd, job_id, state="dropped")
        assert dropped["said"] == "given up after 2 tries: gpuqd met an error of its own; its log says more"
        assert hook.got == []


def test_a_limit_is_told_while_the_job_runs(tmp_path: Path) -> None:
    with a_hook() as hook, a_telling_gpuqd(tmp_path, hook) as gpuqd:
        job_id = gpuqd.enqueue(WAITS, time_limit_s=3600, notify="limit", notify_to=hook.url)
        gpuqd.reaches(job_id, "RUNNING")
        gpuqd.set_clock(3400.0)
        until_told(gpuqd, job_id)

        assert "90% of its time limit" in hook.told()[0]["text"]


def _metrics(gpuqd: Gpuqd) -> str:
    import http.client
    import socket

    connection = http.client.HTTPConnection("gpuqd")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(gpuqd.folder / "gpuqd.sock"))
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
