"""What operators do with a gpuqd that runs: look at it, reload it, stop it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gpuq.client_admin import AdminClient
from gpuq.errors import GpuqError, UnavailableError, UsageError
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.support.values import MAIN_FUN


def counts(spreads: list[dict[str, Any]]) -> dict[str, int]:
    return {one["name"]: one["count"] for one in spreads}


def test_diag_counts_what_a_job_causes_and_begins_anew_when_asked() -> None:
    with plain_gpuqd() as gpuqd:
        admin = AdminClient(gpuqd.client.path)
        gpuqd.ended(gpuqd.enqueue(MAIN_FUN))

        diag = admin.reset_diag()
        after = admin.diag()

        assert counts([route["spread"] for route in diag["routes"]])["POST /v1/jobs"] == 1
        assert counts(diag["passes"])["start"] == 1
        assert counts(diag["commits"])["state.db"] >= 4
        assert 0 < diag["queries"][0]["p50_s"] <= diag["queries"][0]["max_s"] < 5
        assert diag["engines"] == [{"partition": "plain", "nodes": 2, "wrong": None}]
        assert (diag["in_flight"], diag["pending"], diag["active"]) == (1, 0, 0)
        assert after["since"] > diag["since"] == diag["started_at"] == after["started_at"]
        assert counts([route["spread"] for route in after["routes"]]) == {"DELETE /v1/diag": 1}
        # Totals go on; that they begin anew is recorded too, once it is answered.
        assert 0 < diag["writes"] <= after["writes"] <= diag["writes"] + 1


def a_half_request(gpuqd: Gpuqd) -> socket.socket:
    """Return a connection whose request gpuqd has begun to read, and which never ends."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(20)
    connection.connect(gpuqd.client.path)
    connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    admin = AdminClient(gpuqd.client.path)
    until(lambda: admin.diag()["in_flight"] == 2, timeout_s=15, what="the half request", log=gpuqd.folder / "gpuqd.log")
    return connection


def test_owners_and_limits_count_from_the_next_job_on() -> None:
    tells = "import resource\ndef main_fun(args, ctx):\n    print(resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    with plain_gpuqd(owners="allow_root_jobs = true\nrun_as_gpuqd = true") as gpuqd:
        text = gpuqd.config.read_text()
        gpuqd.config.write_text(f"{text}[limits]\nnofile = 77\n")
        AdminClient(gpuqd.client.path).reload()

        job = gpuqd.ended(gpuqd.enqueue(tells))

        assert gpuqd.client.logs(job["id"], rank=0)["data"] == "(77, 77)\n"
        gpuqd.config.write_text(text.replace("run_as_gpuqd = true", "").replace("allow_root_jobs = true", ""))
        AdminClient(gpuqd.client.path).reload()
        if os.geteuid() == 0:
            with pytest.raises(GpuqError, match="allow_root_jobs"):
                gpuqd.enqueue(tells)


def test_reload_changes_what_may_change_and_names_the_rest() -> None:
    with plain_gpuqd() as gpuqd:
        text = gpuqd.config.read_text()
        gpuqd.config.write_text(f"max_pending_jobs = 1\n{text}nodes = 5\n[scheduler]\nhalf_life_d = 3\n")

        done = gpuqd_command("reload", "--config", str(gpuqd.config))

        assert done.stdout.splitlines() == [
            "partition.plain.nodes: 2 -> 5  (needs a restart)",
            "max_pending_jobs: 100000 -> 1",
            "scheduler.half_life_d: 7.0 -> 3.0",
        ]
        assert gpuqd.client.shares()["half_life_s"] == 3 * 86_400
        gpuqd.enqueue(MAIN_FUN, hold=True)
        with pytest.raises(UnavailableError, match="queue is full"):
            gpuqd.enqueue(MAIN_FUN, hold=True)


def test_what_a_reload_changed_is_recorded_whoever_asked_for_it() -> None:
    with plain_gpuqd() as gpuqd:
        client, text = AdminClient(gpuqd.client.path), gpuqd.config.read_text()
        gpuqd.config.write_text(f"max_pending_jobs = 7\n{text}nodes = 5\n")
        client.reload()
        assert gpuqd.process is not None
        for count, more in ((1, "max_pending_jobs = 8\n"), (2, "nonsense = 1\n"), (3, "")):
            until(lambda n=count: len(client.audit(since=0)) == n, timeout_s=15, what="a row for the reload")
            if more:
                gpuqd.config.write_text(more + text)
                gpuqd.process.send_signal(signal.SIGHUP)

        rows = client.audit(since=0)

    assert [(row["verb"], row["source"], row["change"], row["outcome"]) for row in rows] == [
        (
            "reload",
            f"pid {os.getpid()}",
            "partition.plain.nodes 2 -> 5 (after a restart), max_pending_jobs 100000 -> 7",
            "done",
        ),
        ("reload", "SIGHUP", "max_pending_jobs 7 -> 8", "done"),
        ("reload", "SIGHUP", None, "refused"),
    ]
    assert "nonsense" in rows[2]["error"]


def test_a_wrong_file_is_refused_by_reload_and_by_the_signal() -> None:
    with plain_gpuqd() as gpuqd:
        log = gpuqd.folder / "gpuqd.log"
        gpuqd.config.write_text(gpuqd.config.read_text() + "[scheduler]\nhalf_life_d = 0\n")

        with pytest.raises(UsageError, match="half-life"):
            AdminClient(gpuqd.client.path).reload()
        assert gpuqd.process is not None
        gpuqd.process.send_signal(signal.SIGHUP)

        until(lambda: "reload refused" in log.read_text(), timeout_s=15, what="a refusal", log=log)
        assert gpuqd.client.shares()["half_life_s"] == 7 * 86_400
        assert gpuqd_command("reload", "--config", str(gpuqd.config)).returncode == 2


def test_an_open_request_holds_up_the_end_no_longer_than_its_bound() -> None:
    with plain_gpuqd() as gpuqd, a_half_request(gpuqd):
        began = time.monotonic()

        assert gpuqd.stop() == 0

        assert time.monotonic() - began < 15


def test_a_second_signal_hurries_the_end() -> None:
    with plain_gpuqd() as gpuqd, a_half_request(gpuqd):
        assert gpuqd.process is not None
        began = time.monotonic()
        gpuqd.process.send_signal(signal.SIGTERM)
        until(lambda: not _connects(gpuqd), timeout_s=10, what="the end of new connections")

        assert gpuqd.stop() == 0

        assert time.monotonic() - began < 4


def _connects(gpuqd: Gpuqd) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        return connection.connect_ex(gpuqd.client.path) == 0


def test_a_service_manager_hears_of_the_whole_course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")

        with plain_gpuqd() as gpuqd:
            assert gpuqd.process is not None
            heard = [_field(manager)]
            gpuqd.process.send_signal(signal.SIGHUP)
            heard += _until(manager, "RELOADING=1")
            gpuqd.stop()
            heard += _until(manager, "STOPPING=1")

    assert heard[0] == "READY=1"
    assert [one for one in heard if not one.startswith("STATUS")] == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def _until(manager: socket.socket, last: str) -> list[str]:
    heard = [_field(manager)]
    while heard[-1] != last:
        heard.append(_field(manager))
    return heard


def _field(manager: socket.socket) -> str:
    return manager.recv(4096).decode().split("\n")[0]


def gpuqd_command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `gpuqd` as an operator types it."""
    return subprocess.run(
        [sys.executable, "-m", "gpuq_daemon", *words], capture_output=True, text=True, timeout=60, check=False
    )
