"""Jobs run as the Unix users who queued them, and neither reach each other nor fool the root that starts them."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from gpuq.client import Client
from gpuq.errors import ForbiddenError
from gpuq_daemon import processes
from tests.support.daemon import Gpuqd, is_alive, plain_gpuqd, plain_gpuqd_of, short_folder, until
from tests.support.users import as_user, needs_root, user

pytestmark = needs_root

ANYBODY = "min_uid = 1"  # users that every machine has are below 1000
ENDLESS = "import time\ndef main_fun(args, ctx):\n    print('up', flush=True)\n    while True: time.sleep(0.05)\n"
TELL = """
import grp, json, os, resource
def main_fun(args, ctx):
    mask = os.umask(0o077)
    told = {"uids": os.getresuid(), "gids": os.getresgid(), "groups": os.getgroups(), "umask": mask,
            "env": dict(os.environ), "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
            "core": resource.getrlimit(resource.RLIMIT_CORE), "session": os.getsid(0) != os.getpid()}
    print(json.dumps(told))
    open(os.path.join(os.getcwd(), "mine"), "w").close()
"""


@contextlib.contextmanager
def shared(owners: str = ANYBODY, more: str = "") -> Generator[Gpuqd]:
    with plain_gpuqd(owners=owners, more=more) as daemon:
        (daemon.folder / "gpuqd.sock").chmod(0o666)
        yield daemon


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with shared(more="[limits]\nnofile = 333") as daemon:
        yield daemon


def enqueue(gpuqd: Gpuqd, name: str, script: str) -> int:
    """Queue a script as a user of this machine."""
    path = str(gpuqd.folder / "gpuqd.sock")
    job = {"script_name": "job.py", "script": script}
    return as_user(name, lambda: Client(path).enqueue(job)["id"])


def up(gpuqd: Gpuqd, name: str, before: str = "pass", *, jobs: Path | None = None) -> int:
    """Return a running job of a user that has done `before`."""
    script = f"import os, sys, time\nfolder = os.getcwd()\ndef main_fun(args, ctx):\n    {before}\n"
    job_id = enqueue(gpuqd, name, script + "    print('up', flush=True)\n    time.sleep(600)\n")
    gpuqd.reaches(job_id, "RUNNING")
    until(
        lambda: "up" in ((jobs or gpuqd.folder / "jobs") / str(job_id) / "1" / "logs" / "rank-0.log").read_text(),
        timeout_s=20,
        what="the job's mischief",
        log=gpuqd.folder / "gpuqd.log",
    )
    return job_id


def ended(gpuqd: Gpuqd, job_id: int) -> str:
    gpuqd.client.cancel(job_id)
    return gpuqd.ended(job_id)["state"]


def test_a_job_is_its_owners_in_every_way(gpuqd: Gpuqd) -> None:
    games = user("games")

    job = gpuqd.ended(enqueue(gpuqd, "games", TELL))

    assert (job["state"], job["user"]) == ("COMPLETED", "games"), job
    told = json.loads(gpuqd.client.logs(job["id"], rank=0)["data"])
    assert told["uids"] == [games.uid] * 3
    assert told["gids"] == [games.gid] * 3
    assert sorted(told["groups"]) == list(games.groups())
    assert told["umask"] == 0o077
    assert (told["env"]["HOME"], told["env"]["USER"]) == (games.home, "games")
    assert (told["nofile"], told["core"]) == ([333, 333], [0, 0])
    assert told["session"]


def test_every_file_of_a_job_is_its_owners_alone(gpuqd: Gpuqd) -> None:
    games = user("games")
    job = gpuqd.ended(enqueue(gpuqd, "games", TELL))
    folder = gpuqd.folder / "jobs" / str(job["id"])
    assert (folder / "1" / "mine").exists()

    below = list(folder.rglob("*"))
    assert {path.stat().st_uid for path in below} == {games.uid}
    assert {path.stat().st_gid for path in below} == {games.gid}
    assert not [path for path in (folder / "1", folder / "checkpoints") if path.stat().st_mode & 0o077]
    assert folder.stat().st_uid == 0
    own = [gpuqd.folder / "attempts", gpuqd.folder / "gpuqd.lock", *gpuqd.folder.glob("*.db*")]
    assert not [path for path in own if path.stat().st_uid or path.stat().st_mode & 0o077]


def test_neither_neighbours_nor_the_queue_can_be_read(gpuqd: Gpuqd) -> None:
    job_id = up(gpuqd, "games")
    folder = gpuqd.folder / "jobs" / str(job_id) / "1"
    scratch = next((gpuqd.folder / "s").iterdir())
    closed = [folder, folder / "logs" / "rank-0.log", folder / "script" / "job.py", scratch, gpuqd.folder / "attempts"]
    closed += [gpuqd.folder / "state.db", gpuqd.folder, gpuqd.folder / "jobs"]

    def opened() -> list[str]:
        found: list[str] = []
        for path in map(str, closed):
            with contextlib.suppress(PermissionError):
                os.listdir(path) if os.path.isdir(path) else open(path).close()
                found.append(path)
        return found

    assert as_user("www-data", opened) == []
    assert ended(gpuqd, job_id) == "CANCELLED"


def test_the_shim_is_out_of_its_jobs_reach(gpuqd: Gpuqd) -> None:
    control = gpuqd.folder / "attempts"
    job_id = up(gpuqd, "games")
    claim = control / str(job_id) / "1" / "claim"
    shim = int(claim.read_text().split()[0])
    kept = claim.read_text()

    def attack() -> list[str]:
        tries = [
            lambda: os.kill(shim, 9),
            lambda: claim.write_text("1 1 x"),
            lambda: (claim.parent / "exit.json").write_text("{}"),
            lambda: claim.unlink(),
            lambda: os.rename(claim.parent, claim.parent.with_name("2")),
        ]
        refused: list[str] = []
        for one in tries:
            try:
                one()
            except PermissionError as error:
                refused.append(type(error).__name__)
        return refused

    assert as_user("games", attack) == ["PermissionError"] * 5
    assert claim.read_text() == kept
    assert stat.S_IMODE(claim.parent.stat().st_mode) == 0o700
    assert processes.identify(shim) is not None
    assert ended(gpuqd, job_id) == "CANCELLED"
    assert processes.identify(shim) is None


@pytest.mark.parametrize(
    "mischief",
    [
        "os.rename(folder + '/logs', folder + '/old'); os.symlink('{secret}', folder + '/logs')",
        "os.remove(folder + '/logs/rank-0.log'); os.symlink('{secret}/rank-0.log', folder + '/logs/rank-0.log')",
        "os.remove(folder + '/logs/rank-0.log'); os.mkfifo(folder + '/logs/rank-0.log')",
    ],
    ids=["the folder is a link", "the log is a link", "the log is a pipe"],
)
def test_root_reads_no_file_on_a_jobs_behalf_that_is_not_its_owners(gpuqd: Gpuqd, mischief: str) -> None:
    secret = gpuqd.folder / "secret"
    secret.mkdir(exist_ok=True, mode=0o700)
    (secret / "rank-0.log").write_text("the shadow")
    script = "import os, time\nfolder = os.getcwd()\ndef main_fun(args, ctx):\n    {}\n    time.sleep(600)\n"
    job_id = enqueue(gpuqd, "games", script.format(mischief.format(secret=secret)))
    gpuqd.reaches(job_id, "RUNNING")
    log = gpuqd.folder / "jobs" / str(job_id) / "1" / "logs"
    until(lambda: log.is_symlink() or not stat.S_ISREG((log / "rank-0.log").lstat().st_mode), timeout_s=20, what="it")

    with pytest.raises(Exception, match="no plain file"):
        gpuqd.client.logs(job_id, rank=0)
    assert ended(gpuqd, job_id) == "CANCELLED"


def test_a_hard_link_to_anothers_file_is_not_read(gpuqd: Gpuqd) -> None:
    job_id = up(gpuqd, "games")
    log = gpuqd.folder / "jobs" / str(job_id) / "1" / "logs" / "rank-0.log"
    theirs = gpuqd.folder / "theirs"
    theirs.write_text("the shadow")
    log.unlink()
    os.link(theirs, log)  # kernels without fs.protected_hardlinks let everybody do so

    with pytest.raises(Exception, match="no plain file"):
        gpuqd.client.logs(job_id, rank=0)
    assert ended(gpuqd, job_id) == "CANCELLED"


def test_events_behind_a_link_are_not_read(gpuqd: Gpuqd) -> None:
    from gpuq_daemon.files.local import LocalFiles

    folder, theirs = gpuqd.folder / "job", gpuqd.folder / "theirs-events"
    (theirs / "rank-0").mkdir(parents=True)
    (theirs / "rank-0" / "events.out.tfevents.1").write_text("x")
    folder.mkdir()
    (folder / "events").symlink_to(theirs)

    assert len(LocalFiles(theirs).find()) == 1
    assert LocalFiles(folder / "events").find() == []


def test_a_neighbours_process_with_a_jobs_mark_neither_dies_nor_holds_it_up(gpuqd: Gpuqd) -> None:
    job_id = up(gpuqd, "games")
    token = next((gpuqd.folder / "s").iterdir()).name
    www = user("www-data")
    with subprocess.Popen(
        ["/bin/sleep", "60"],
        env={"GPUQ_ATTEMPT": token},
        user=www.uid,
        group=www.gid,
        extra_groups=[],
    ) as neighbour:
        until(lambda: bool(processes.marked(token, uid=www.uid)), timeout_s=10, what="the neighbour")
        assert neighbour.pid not in [one.pid for one in processes.marked(token, uid=user("games").uid)]
        state = ended(gpuqd, job_id) if neighbour.poll() is None else ""
        lived = neighbour.poll() is None
        neighbour.kill()
    assert (state, lived) == ("CANCELLED", True)


def test_a_users_job_outlives_a_killed_gpuqd_and_is_adopted() -> None:
    with shared() as gpuqd:
        job_id = up(gpuqd, "games")
        pid = gpuqd.client.job(job_id)["driver_pid"]
        gpuqd.kill()

        gpuqd.start()

        assert gpuqd.client.job(job_id)["state"] == "RUNNING"
        assert is_alive(pid)
        assert ended(gpuqd, job_id) == "CANCELLED"
        assert not is_alive(pid)


@pytest.mark.parametrize(
    ("owners", "name", "says"),
    [
        (ANYBODY, "root", "Jobs of root are not run"),
        ("min_uid = 1000", "games", "uid 5 is below min_uid = 1000"),
    ],
)
def test_whose_jobs_are_not_run_is_told_when_they_are_queued(owners: str, name: str, says: str) -> None:
    with shared(owners) as gpuqd:
        with pytest.raises(AssertionError, match=f"ForbiddenError: .*{says}"):
            enqueue(gpuqd, name, ENDLESS)
        assert gpuqd.client.jobs(everything=True) == []


def test_folders_that_users_cannot_pass_are_named_with_the_remedy() -> None:
    with short_folder() as closed, shared(more=f'jobs_dir = "{closed}/jobs"') as gpuqd:
        with pytest.raises(AssertionError, match=rf"{closed} is closed to games .*`chmod o\+rx {closed}`"):
            enqueue(gpuqd, "games", ENDLESS)

        closed.chmod(0o711)

        assert ended(gpuqd, up(gpuqd, "games", jobs=closed / "jobs")) == "CANCELLED"


@pytest.mark.parametrize(
    ("owners", "state"), [("", None), ("run_as_gpuqd = true", "COMPLETED")], ids=["its own user", "everybody"]
)
def test_a_gpuqd_that_is_not_root_starts_no_job_as_somebody_else(owners: str, state: str | None) -> None:
    with plain_gpuqd_of("games", owners) as gpuqd:
        assert gpuqd.ended(enqueue(gpuqd, "games", TELL))["state"] == "COMPLETED"
        if state is None:
            with pytest.raises(ForbiddenError, match="runs as games, so it starts games's jobs only, not root's"):
                gpuqd.enqueue(ENDLESS)
            return

        job = gpuqd.ended(gpuqd.enqueue(TELL))

        assert job["state"] == state
        assert json.loads(gpuqd.client.logs(job["id"], rank=0)["data"])["uids"] == [user("games").uid] * 3
