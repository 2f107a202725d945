"""gpuqd asked from elsewhere: over HTTPS with a token, and over a real SSH server; the token leaks nowhere."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuq.client_admin import AdminClient
from tests.support.daemon import Gpuqd, plain_gpuqd, short_folder
from tests.support.sshd import SSHD, Sshd
from tests.support.tls import a_free_port, make_certificate

_GPUQ = "import sys; from gpuq.cli import main; sys.exit(main())"
ME = pwd.getpwuid(os.geteuid()).pw_name


class Elsewhere:
    """A gpuqd, and a token for it in a file."""

    def __init__(self, gpuqd: Gpuqd, folder: Path, port: int) -> None:
        self.gpuqd, self.folder, self.port = gpuqd, folder, port
        made = self.run("admin", "token", "create", GPUQ_SOCKET=str(folder / "gpuqd.sock"))
        self.token = made.stdout.strip()
        self.file = folder / "token"
        self.file.write_text(self.token)
        self.file.chmod(0o600)

    @property
    def socket(self) -> str:
        """Where gpuqd listens on its own host."""
        return self.gpuqd.client.path

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `gpuq` with these variables and no others of its own."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GPUQ_")}
        argv = [sys.executable, "-c", _GPUQ, *words]
        return subprocess.run(argv, env={**clean, **env}, capture_output=True, text=True, timeout=60)

    def over_https(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `gpuq` with the token."""
        named = {
            "GPUQ_HOST": f"https://localhost:{self.port}",
            "GPUQ_CA": str(self.folder / "cert.pem"),
            "GPUQ_TOKEN_FILE": str(self.file),
        }
        return self.run(*words, **{**named, **env})


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    port = a_free_port()
    with short_folder() as folder:
        make_certificate(folder)
        more = f'[listen]\nhttps = "127.0.0.1:{port}"\ncert = "{folder}/cert.pem"\nkey = "{folder}/key.pem"\n'
        with plain_gpuqd(more=more, within=folder) as gpuqd:
            yield Elsewhere(gpuqd, folder, port)


def test_https_answers_whoever_has_a_token(elsewhere: Elsewhere) -> None:
    nodes, mine = elsewhere.over_https("nodes"), elsewhere.over_https()

    assert (nodes.returncode, mine.returncode) == (0, 0), nodes.stderr + mine.stderr
    assert "plain-1" in nodes.stdout


def test_a_token_that_others_can_read_is_not_used(elsewhere: Elsewhere) -> None:
    loose = elsewhere.folder / "loose"
    loose.write_text(elsewhere.token)
    loose.chmod(0o644)

    done = elsewhere.over_https("nodes", GPUQ_TOKEN_FILE=str(loose))

    assert (done.returncode, "chmod 600" in done.stderr) == (4, True)


def test_an_unknown_certificate_is_not_trusted(elsewhere: Elsewhere) -> None:
    done = elsewhere.over_https("nodes", GPUQ_CA="", XDG_CONFIG_HOME=str(elsewhere.folder))

    assert (done.returncode, "is not to be trusted" in done.stderr) == (5, True)


def test_a_token_appears_nowhere_but_where_it_was_printed(elsewhere: Elsewhere) -> None:
    secret = elsewhere.token.split("_", 2)[2]
    listed = elsewhere.over_https("admin", "token", "list", "--json")
    recorded = elsewhere.over_https("admin", "audit", "--json")

    assert '"name": "default"' in listed.stdout
    assert '"add token"' in recorded.stdout
    for text in (listed.stdout, recorded.stdout, (elsewhere.folder / "gpuqd.log").read_text()):
        assert secret not in text
    for name in ("state.db", "state.db-wal"):
        assert secret.encode() not in (elsewhere.folder / name).read_bytes()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert secret.encode() not in process.read_bytes()
        except OSError:
            continue  # gone meanwhile


def test_a_token_ends_at_its_time_and_not_before(elsewhere: Elsewhere) -> None:
    made = elsewhere.run("admin", "token", "create", "--name", "short", "--expires", "1h", GPUQ_SOCKET=elsewhere.socket)
    short = elsewhere.folder / "short"
    short.write_text(made.stdout)
    short.chmod(0o600)
    try:
        codes = list[int]()
        for passed_s in (0, 3500, 3700):
            elsewhere.gpuqd.set_clock(passed_s)
            codes.append(elsewhere.over_https("nodes", GPUQ_TOKEN_FILE=str(short)).returncode)
    finally:
        elsewhere.gpuqd.set_clock(0)

    assert codes == [0, 0, 4]


def test_who_asks_too_often_is_told_when_to_ask_again(elsewhere: Elsewhere) -> None:
    config, admin = elsewhere.gpuqd.config, AdminClient(elsewhere.socket)
    text = config.read_text()
    config.write_text(text.replace("[listen]", "[listen]\nrequests_per_s = 0.01\nrequest_burst = 4", 1))
    admin.reload()
    try:
        asked = [elsewhere.over_https("nodes") for _ in range(3)]
        by_socket = [elsewhere.run("nodes", GPUQ_SOCKET=elsewhere.socket).returncode for _ in range(3)]
    finally:
        config.write_text(text)
        admin.reload()

    assert [one.returncode for one in asked] == [0, 0, 1]
    assert re.fullmatch(r"gpuq: User \w+ asks more than 0.01 times a second: try again in \d+ s.\n", asked[2].stderr)
    assert by_socket == [0, 0, 0], "gpuqd's own user is not held to it on the socket"


@pytest.mark.skipif(SSHD is None, reason="there is no OpenSSH server here")
def test_ssh_needs_nothing_but_ssh(elsewhere: Elsewhere) -> None:
    folder, port = elsewhere.folder, a_free_port()
    with Sshd(folder, port):
        path = f"{folder}/bin:{os.environ['PATH']}"
        target = f"ssh://{ME}@127.0.0.1:{port}"

        found = elsewhere.run("--host", f"{target}{folder}/gpuqd.sock", "nodes", PATH=path)
        lost = elsewhere.run("--host", f"{target}{folder}/none.sock", "nodes", PATH=path)

    assert (found.returncode, "plain-1" in found.stdout) == (0, True), found.stderr
    assert (lost.returncode, "none.sock: No such file" in lost.stderr) == (5, True)


@pytest.mark.parametrize(
    ("code", "says"), [(255, "ssh did not get through"), (127, "exit code 127"), (5, "not answer")]
)
def test_an_ssh_that_fails_is_not_run_again(elsewhere: Elsewhere, tmp_path: Path, code: int, says: str) -> None:
    runs, script = tmp_path / "runs", tmp_path / "job.py"
    script.write_text("def main_fun(args, ctx):\n    pass\n")
    (tmp_path / "ssh").write_text(f"#!/bin/sh\necho run >> {runs}\nexit {code}\n")  # as one that may not log in
    (tmp_path / "ssh").chmod(0o755)

    done = elsewhere.run("--host", "ssh://far", "enqueue", str(script), PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert (done.returncode, says in done.stderr) == (5, True), done.stderr
    assert runs.read_text() == "run\n"


@pytest.mark.parametrize(
    "host",
    [
        "ssh://-oProxyCommand=x",
        "ssh://a/$(x)",
        "ssh://a b",
        "ssh://-l@a",
        "ssh://a/x;y",
        "https://-x:1",
        "ftp://a",
        "://",
    ],
)
def test_what_names_no_host_reaches_no_program(elsewhere: Elsewhere, host: str) -> None:
    done = elsewhere.run("--host", host, "nodes", PATH="/nonexistent")

    assert (done.returncode, "names no gpuqd" in done.stderr) == (2, True), done.stderr
