"""The systemd unit: what systemd itself thinks of it, and any path in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpuq.errors import UsageError
from gpuq_daemon.unit import unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
@pytest.mark.parametrize("user", [None, "ann"])
@pytest.mark.parametrize("name", ["gpuqd.toml", "a b'c\"d%h$HOME.toml"])
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path, user: str | None, name: str) -> None:
    file = tmp_path / "gpuqd.service"
    file.write_text(unit(Path(sys.executable), tmp_path / name, user=user))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert [line for line in (done.stdout + done.stderr).splitlines() if "gpuqd" in line] == []


def test_jobs_outlive_the_daemon_and_are_started_as_their_owners() -> None:
    lines = unit(Path("/opt/gpuq/bin/gpuqd"), Path("/etc/gpuq/x.toml")).splitlines()

    assert "Type=notify" in lines
    assert "KillMode=process" in lines
    assert "StateDirectoryMode=0711" in lines  # as gpuqd leaves it: jobs' own folders are below
    assert "ExecStart=/opt/gpuq/bin/gpuqd serve --config /etc/gpuq/x.toml" in lines
    assert any("CAP_SETUID" in line for line in lines if line.startswith("CapabilityBoundingSet="))
    assert not any(line.startswith(("PrivateTmp", "ProtectHome", "PrivateDevices", "User=")) for line in lines)


def test_as_a_user_it_may_become_nobody_else() -> None:
    lines = unit(Path("/b/gpuqd"), Path("/c"), user="ann").splitlines()

    assert "User=ann" in lines
    assert [line for line in lines if line.startswith("CapabilityBoundingSet")] == ["CapabilityBoundingSet="]


@pytest.mark.parametrize("path", ["relative/gpuqd.toml", "/new\nExecStartPre=/bin/sh", "/bidi\u202e"])
def test_a_path_that_would_be_more_than_a_word_is_refused(path: str) -> None:
    with pytest.raises(UsageError):
        unit(Path("/b/gpuqd"), Path(path))


@pytest.mark.parametrize("user", ["", "a b", "-x", "ann\nExecStartPre=/bin/sh"])
def test_a_user_that_is_no_name_is_refused(user: str) -> None:
    with pytest.raises(UsageError):
        unit(Path("/b/gpuqd"), Path("/c"), user=user)


def test_what_systemd_would_replace_in_a_path_stays_as_it_is() -> None:
    lines = unit(Path("/b/gpuqd"), Path('/a b%h$HOME"\\x')).splitlines()

    assert r'ExecStart=/b/gpuqd serve --config "/a b%%h$$HOME\"\\x"' in lines
