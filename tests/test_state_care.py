"""Backups, restores, checks and upgrades of the state, by the commands that operators type."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuq.errors import UnavailableError
from gpuq_daemon.state_folder import network_type
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.metrics import MetricsStore
from tests.support.daemon import Gpuqd, plain_gpuqd, until

QUICK = "def main_fun(args, ctx):\n    pass\n"
ENDLESS = "import time\ndef main_fun(args, ctx):\n    while True: time.sleep(0.05)\n"


@pytest.fixture
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


def command(gpuqd: Gpuqd, verb: str, *words: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "gpuq_daemon", verb, "--config", str(gpuqd.config), *(str(word) for word in words)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def test_a_backup_of_a_running_gpuqd_is_whole_private_and_can_be_restored(gpuqd: Gpuqd, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    ended = gpuqd.ended(gpuqd.enqueue(QUICK))
    running = gpuqd.reaches(gpuqd.enqueue(ENDLESS), "RUNNING")
    waiting = gpuqd.enqueue(QUICK, hold=True)

    made = command(gpuqd, "backup", file)
    later = gpuqd.ended(gpuqd.enqueue(QUICK))
    whole, state = command(gpuqd, "verify", file), command(gpuqd, "verify")
    refused = command(gpuqd, "restore", file)
    gpuqd.stop()
    restored = command(gpuqd, "restore", file)
    gpuqd.start()

    assert (made.returncode, whole.returncode, state.returncode) == (0, 0, 0), whole.stdout + state.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["backup"]
    assert all(line.startswith("ok ") for line in (whole.stdout + state.stdout).splitlines())
    assert refused.returncode == 2
    assert refused.stderr.startswith("gpuqd: Another gpuqd (pid ")
    assert restored.returncode == 0, restored.stderr
    kept = gpuqd.folder / "before-restore-1"
    assert {"state.db", "metrics.db", "jobs", "attempts"} <= set(os.listdir(kept))
    assert (kept / "attempts" / str(later["id"]) / "1" / "exit.json").exists()
    jobs = {job["id"]: job for job in gpuqd.client.jobs(everything=True)}
    assert sorted(jobs) == [ended["id"], running["id"], waiting]
    assert jobs[ended["id"]]["ended_at"] == ended["ended_at"]
    assert jobs[running["id"]]["state"] == "RUNNING"
    new = gpuqd.enqueue(QUICK)
    assert new > later["id"], "a number was given twice"
    gpuqd.client.release(waiting)
    gpuqd.client.cancel(running["id"])
    assert [gpuqd.ended(job_id)["state"] for job_id in (waiting, new)] == ["COMPLETED"] * 2
    assert command(gpuqd, "verify").returncode == 0


def test_a_restored_state_is_gpuqds_alone_before_it_starts(gpuqd: Gpuqd, tmp_path: Path) -> None:
    command(gpuqd, "backup", tmp_path / "backup")
    gpuqd.stop()

    assert command(gpuqd, "restore", tmp_path / "backup").returncode == 0

    modes = {path.name: path.stat().st_mode & 0o777 for path in gpuqd.folder.glob("*.db*")}
    assert {"state.db", "metrics.db"} <= set(modes)
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("at", ["_replace", "_put_aside"])
def test_a_restore_that_was_killed_half_way_is_run_again_before_gpuqd_starts(
    gpuqd: Gpuqd, tmp_path: Path, at: str
) -> None:
    kept = gpuqd.enqueue(QUICK, hold=True)
    command(gpuqd, "backup", tmp_path / "backup")
    gpuqd.ended(gpuqd.enqueue(QUICK))
    gpuqd.stop()
    # Killed on its second call: one database of two, or one folder of two, has been dealt with.
    killed = (
        "import os, sys\nfrom pathlib import Path\n"
        "from gpuq_daemon import archive\nfrom gpuq_daemon.config import load\n"
        f"real, calls = archive.{at}, []\n"
        "def once(*given):\n    calls.append(1)\n    os.kill(os.getpid(), 9) if len(calls) == 2 else real(*given)\n"
        f"archive.{at} = once\narchive.restore(load(Path(sys.argv[1])), Path(sys.argv[2]))\n"
    )
    half = subprocess.run([sys.executable, "-c", killed, gpuqd.config, tmp_path / "backup"], timeout=60, check=False)

    refused = command(gpuqd, "serve")
    again = command(gpuqd, "restore", tmp_path / "backup")
    gpuqd.start()

    assert half.returncode == -9
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "was cut off half-way: run it again" in refused.stderr
    assert again.returncode == 0, again.stderr
    assert [job["id"] for job in gpuqd.client.jobs(everything=True)] == [kept]
    assert not [name for name in os.listdir(gpuqd.folder) if name.startswith((".restore-", "restore-"))]


def test_a_restore_does_not_forget_what_still_runs(gpuqd: Gpuqd, tmp_path: Path) -> None:
    command(gpuqd, "backup", tmp_path / "backup")
    running = gpuqd.reaches(gpuqd.enqueue(ENDLESS), "RUNNING")
    gpuqd.stop()

    refused = command(gpuqd, "restore", tmp_path / "backup")
    gpuqd.start()

    assert refused.returncode == 5
    assert f"Job {running['id']} still runs" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert gpuqd.client.job(running["id"])["state"] == "RUNNING"


def test_a_damaged_page_and_a_cut_backup_are_found(gpuqd: Gpuqd, tmp_path: Path) -> None:
    for n in range(8):
        gpuqd.enqueue(f"# {n * 4000}\n{QUICK}", hold=True)
    command(gpuqd, "backup", tmp_path / "good")
    data = bytearray((tmp_path / "good").read_bytes())
    (tmp_path / "cut").write_bytes(data[: len(data) // 3])
    (tmp_path / "none").write_bytes(os.urandom(4096))
    gpuqd.stop()
    path = gpuqd.folder / "state.db"
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 6)

    found = command(gpuqd, "verify")
    cut, none = command(gpuqd, "restore", tmp_path / "cut"), command(gpuqd, "restore", tmp_path / "none")
    mended = command(gpuqd, "restore", tmp_path / "good")

    assert found.returncode == 1
    assert "WRONG state.db" in found.stdout
    assert "`gpuqd restore`" in found.stdout.splitlines()[-1]
    for bad in (cut, none):
        assert bad.returncode in (2, 5)
        assert bad.stderr.count("\n") == 1
    assert mended.returncode == 0, mended.stderr
    gpuqd.start()
    assert len(gpuqd.client.jobs()) == 8


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE jobs SET state = 'RUNNING' WHERE id = 1", "every job that runs has one attempt"),
        ("UPDATE attempts SET charged_gpu_s = charged_gpu_s + 100", "is charged for the GPUs it held"),
        ("UPDATE attempts SET ended_at = NULL", "every other attempt has ended"),
        ("UPDATE jobs SET ended_at = NULL WHERE id = 1", "has the time of its end"),
        ("UPDATE sqlite_sequence SET seq = 0", "still to be given"),
        ("UPDATE queued SET jobs = 7", "as many jobs are counted as wait"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM scripts", "refers to nothing that is missing"),
    ],
)
def test_what_must_hold_and_does_not_is_named(ended_state: Gpuqd, damage: str, says: str) -> None:
    path = ended_state.folder / "state.db"
    before = path.read_bytes()
    try:
        database = sqlite3.connect(path)
        database.executescript(damage)
        database.close()

        found = command(ended_state, "verify")
    finally:
        path.write_bytes(before)

    assert found.returncode == 1
    assert any(line.startswith("WRONG") and says in line for line in found.stdout.splitlines()), found.stdout
    assert command(ended_state, "verify").returncode == 0


@pytest.fixture(scope="module")
def ended_state() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        daemon.ended(daemon.enqueue(QUICK))
        daemon.enqueue(QUICK, hold=True)
        daemon.stop()
        yield daemon


def test_a_claim_that_names_another_is_found(gpuqd: Gpuqd) -> None:
    job = gpuqd.reaches(gpuqd.enqueue(ENDLESS), "RUNNING")
    claim = gpuqd.folder / "attempts" / str(job["id"]) / "1" / "claim"
    said = claim.read_text()
    claim.write_text("1 1 x\n")

    found = command(gpuqd, "verify")
    claim.write_text(said)

    assert found.returncode == 1
    assert f"claimed by the process that leads it: job {job['id']}, attempt 1" in found.stdout


def test_an_older_state_is_copied_before_it_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    Database(path, "state").close()
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("DELETE FROM _sqlite_migrations WHERE name = '0005_keys'")
    database.execute("DROP TABLE request_keys")
    database.execute("INSERT INTO scripts VALUES ('x', 'kept')")
    database.close()

    Database(path, "state").close()
    Database(path, "state").close()

    assert sorted(p.name for p in tmp_path.iterdir()) == ["state.db", "state.db.before-0005_keys"]
    copy = tmp_path / "state.db.before-0005_keys"
    assert copy.stat().st_mode & 0o777 == 0o600
    for one, has_keys in ((copy, 0), (path, 1)):
        database = sqlite3.connect(one)
        assert database.execute("SELECT content FROM scripts").fetchall() == [("kept",)]
        tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'request_keys'"
        assert database.execute(tables).fetchone()[0] == has_keys
        database.close()


def test_a_backup_of_an_older_gpuq_is_whole_and_can_be_restored(gpuqd: Gpuqd, tmp_path: Path) -> None:
    gpuqd.ended(gpuqd.enqueue(QUICK))
    gpuqd.stop()
    now = gpuqd.folder / "now"
    database = sqlite3.connect(gpuqd.folder / "state.db")
    database.executescript(
        """DROP INDEX jobs_script; DROP INDEX jobs_that_depend; DROP TABLE used; DROP TABLE waited;
           DROP TABLE rolled_up; DROP TABLE leaving; DROP TABLE retention; ALTER TABLE attempts DROP COLUMN ended_as;
           DELETE FROM _sqlite_migrations WHERE name IN ('0006_rollup', '0023_sums');"""
    )
    database.close()

    made, whole = command(gpuqd, "backup", now), command(gpuqd, "verify", now)
    state, restored = command(gpuqd, "verify"), command(gpuqd, "restore", now)
    gpuqd.start()

    assert [one.returncode for one in (made, whole, state, restored)] == [0] * 4, whole.stdout + restored.stderr
    assert "of this older state" in whole.stdout
    assert len(gpuqd.client.jobs(everything=True)) == 1
    assert "of this older state" not in command(gpuqd, "verify").stdout


@pytest.mark.parametrize("name", ["state", "metrics"])
def test_a_newer_state_is_refused_and_not_touched(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.db"
    if name == "state":
        Database(path, "state").close()
        change = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('state', '9999_new', '')"
    else:
        MetricsStore(path).close()
        change = "PRAGMA user_version = 9999"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(change)
    database.close()
    before = path.read_bytes()

    with pytest.raises(UnavailableError, match=r"was written by a newer gpuq \(9999.*Nothing was changed"):
        Database(path, "state") if name == "state" else MetricsStore(path)

    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*before*"))


_MOUNTS = """\
36 35 98:0 / / rw,noatime shared:1 - ext4 /dev/root rw,errors=continue
40 36 0:41 / /home rw shared:2 master:3 - nfs4 server:/home rw,vers=4.2
41 36 0:42 / /scratch rw - lustre mds@tcp:/scratch rw
42 36 0:43 / /run/x rw - tmpfs tmpfs rw
43 36 0:44 / /mnt/with\\040space rw - fuse.sshfs host: rw
"""


@pytest.mark.parametrize(
    ("device", "kind"),
    [((98, 0), None), ((0, 41), "nfs4"), ((0, 42), "lustre"), ((0, 43), None), ((0, 44), "fuse.sshfs"), ((9, 9), None)],
)
def test_network_file_systems_are_known(device: tuple[int, int], kind: str | None) -> None:
    assert network_type(_MOUNTS.splitlines(), os.makedev(*device)) == kind


def test_a_state_on_a_network_file_system_is_refused(gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpuq.errors import UsageError
    from gpuq_daemon import state_folder
    from gpuq_daemon.config import load

    monkeypatch.setattr(state_folder, "_NETWORK", frozenset({_type_of(gpuqd.folder)}))

    with pytest.raises(UsageError, match="is on a network file system"):
        state_folder.refuse_network(load(gpuqd.config))

    gpuqd.config.write_text(f"allow_network_state = true\n{gpuqd.config.read_text()}")
    state_folder.refuse_network(load(gpuqd.config))


def _type_of(folder: Path) -> str:
    found = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=True)
    return "ext4" if found.stdout.startswith("ext") else found.stdout.strip()


def test_an_end_while_gpuqd_was_away_has_its_own_time_and_a_lost_driver_a_reason(gpuqd: Gpuqd) -> None:
    """The driver and its shim are killed together: nobody is left to say how the attempt ended."""
    lost = gpuqd.reaches(gpuqd.enqueue(ENDLESS), "RUNNING")
    folder = gpuqd.folder / "attempts" / str(lost["id"]) / "1"
    gpuqd.kill()
    shim = int((folder / "claim").read_text().split()[0])
    for pid in (shim, lost["driver_pid"]):
        os.kill(pid, 9)
    until(lambda: not Path(f"/proc/{lost['driver_pid']}").exists(), timeout_s=20, what="the end of the driver")

    gpuqd.start()
    ended = gpuqd.ended(lost["id"])

    assert (ended["state"], ended["exit_code"]) == ("FAILED", 137)
    assert ended["error"] == "the driver and its shim were killed"
    assert ended["ended_at"] >= lost["started_at"]
