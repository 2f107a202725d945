"""A site's own programs: around jobs, about nodes, and about what is queued. Real ones, run without rights."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuq.cli import main
from gpuq.client_admin import AdminClient
from gpuq.errors import ForbiddenError, GpuqError, UnavailableError, UsageError
from gpuq_daemon.check_hooks import check_hooks, refuse_writable
from gpuq_daemon.hook_tables import FilterTable, HooksTable, HookTable
from gpuq_daemon.hooks.node_hooks import tries_left
from tests.support.daemon import Gpuqd, plain_gpuqd, short_folder, until

QUICK = "def main_fun(args, ctx):\n    pass\n"
SLEEPS = "import time\ndef main_fun(args, ctx):\n    while True: time.sleep(0.1)\n"


class Site:
    """A daemon whose hooks a test sets, and a folder that hooks may write to."""

    def __init__(self, gpuqd: Gpuqd, folder: Path) -> None:
        self.gpuqd = gpuqd
        self.folder = folder
        self._plain = gpuqd.config.read_text()

    def hook(self, name: str, script: str, *settings: str) -> Path:
        """Put a hook into the place of all others."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\ncd {self.folder}/said || exit 1\n{script}\n")
        path.chmod(0o755)
        self.configured(f"[hooks.{name}]", f'path = "{path}"', *settings)
        return path

    def configured(self, *lines: str) -> None:
        self.gpuqd.config.write_text("\n".join((self._plain, *lines)))
        AdminClient(self.gpuqd.client.path).reload()

    def said(self, name: str) -> str:
        path = self.folder / "said" / name
        return path.read_text() if path.exists() else ""

    def forget(self) -> None:
        for path in (self.folder / "said").iterdir():
            path.unlink()


@pytest.fixture(scope="module")
def daemon() -> Iterator[Site]:
    with plain_gpuqd() as gpuqd, short_folder() as folder:
        folder.chmod(0o755)
        (folder / "said").mkdir()
        (folder / "said").chmod(0o777)
        yield Site(gpuqd, folder)


@pytest.fixture
def site(daemon: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("GPUQ_SOCKET", daemon.gpuqd.client.path)
    yield daemon
    daemon.configured()
    daemon.forget()


def said(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(list(words)) == code
    out, err = capfd.readouterr()
    return out + err


def test_prolog_and_epilog_run_around_an_attempt_without_rights_and_know_of_it(site: Site) -> None:
    path = site.hook("prolog", "env | sort > prolog; id -un >> prolog")
    epilog = site.folder / "epilog"
    epilog.write_text(path.read_text().replace("prolog", "epilog"))
    epilog.chmod(0o755)
    site.configured("[hooks.prolog]", f'path = "{path}"', "[hooks.epilog]", f'path = "{epilog}"')
    script = f"import os\ndef main_fun(args, ctx):\n    print('before', os.path.exists('{site.folder}/said/prolog'))\n"

    job = site.gpuqd.ended(site.gpuqd.enqueue(script, name="trained"))

    assert (job["state"], job["signals"]) == ("COMPLETED", [])
    assert "before True" in site.gpuqd.client.logs(job["id"], rank=0)["data"]
    for hook in ("prolog", "epilog"):
        *words, user = site.said(hook).splitlines()
        told = dict(word.split("=", 1) for word in words)
        assert user == ("nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
        assert told["GPUQ_SCRIPT_CONTEXT"] == hook
        assert told["GPUQ_JOB_ID"] == str(job["id"])
        assert (told["GPUQ_JOB_NAME"], told["GPUQ_JOB_USER"]) == ("trained", job["user"])
        assert (told["GPUQ_JOB_NODELIST"], told["GPUQ_JOB_GPUS"]) == (",".join(job["nodes"]), "1")
        assert (told.get("GPUQ_JOB_STATE"), told.get("GPUQ_JOB_EXIT_CODE")) == (
            ("COMPLETED", "0") if hook == "epilog" else (None, None)
        )
        assert not {"GPUQ_SOCKET", "HOME", "PYTHONPATH"} & told.keys(), "its environment is its own"


def test_a_job_whose_prolog_fails_waits_held_and_says_so_everywhere(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    path = site.hook("prolog", "echo the scratch disk is full >&2; exit 3")
    job_id = site.gpuqd.enqueue(QUICK)
    until(lambda: site.gpuqd.client.job(job_id)["attempt"] == 1, timeout_s=15, what="a try")

    job = site.gpuqd.reaches(job_id, "PENDING")

    text = f"The prolog {path} ended with exit code 3: the scratch disk is full."
    assert job["reason"] == "JobHeldUser"
    assert "held: its prolog failed; release it" in said(capfd, "why", str(job_id))
    for words in (("show", str(job_id)), ("why", str(job_id)), ("events", str(job_id))):
        assert text in re.sub(r"\s+", " ", said(capfd, *words)), words
    assert site.gpuqd.client.logs(job_id, rank=0)["data"] == "", "nothing of it ran"
    site.hook("prolog", "exit 0")
    said(capfd, "update", str(job_id), "begin=now+1hour")
    assert "released" in said(capfd, "release", str(job_id)).lower()
    assert "prolog" not in said(capfd, "why", str(job_id)), "that is over"
    said(capfd, "update", str(job_id), "begin=none")
    assert site.gpuqd.ended(job_id)["state"] == "COMPLETED"


def test_a_prolog_that_takes_too_long_is_ended_with_all_that_it_started(site: Site) -> None:
    site.hook("prolog", "sleep 600 & echo $! > child; echo $$ > self; sleep 600", "timeout_s = 3")
    job_id = site.gpuqd.enqueue(QUICK)

    until(lambda: "did not end within 3 s" in site.gpuqd.client.why(job_id)["text"], timeout_s=20, what="an end")

    for name in ("child", "self"):
        pid = int(site.said(name))
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), timeout_s=10, what="nothing left")
    site.gpuqd.client.cancel(job_id)


def test_a_hook_has_ended_when_it_has_though_what_it_left_in_another_session_keeps_its_output(site: Site) -> None:
    answer = json.dumps({"job": {"name": "filtered"}})
    site.hook(
        "submit_filter", f"setsid sh -c 'echo $$ > left; sleep 600' &\nuntil [ -s left ]; do :; done\necho '{answer}'"
    )
    try:
        job = site.gpuqd.client.job(site.gpuqd.enqueue(QUICK))
        until(lambda: site.said("left") != "", timeout_s=15, what="what it leaves")
    finally:
        os.killpg(int(site.said("left")), signal.SIGKILL)

    assert job["name"] == "filtered"


@pytest.mark.parametrize(("mode", "place"), [(0o775, "hook"), (0o757, "hook"), (0o770, "folder"), (0o703, "folder")])
def test_a_hook_that_others_may_write_is_refused_when_gpuqd_is_checked_and_started(mode: int, place: str) -> None:
    with short_folder() as above:
        above.chmod(0o755)
        hook = above / "hooks" / "prolog"
        hook.parent.mkdir()
        hook.write_text("#!/bin/sh\n")
        hook.chmod(0o755)
        hooks = HooksTable(prolog=HookTable(path=str(hook)))
        refuse_writable(hooks)
        writable = hook if place == "hook" else hook.parent
        writable.chmod(mode)

        [finding] = check_hooks(hooks)
        with pytest.raises(UsageError, match=f"chmod go-w {re.escape(str(writable))}"):
            refuse_writable(hooks)

        assert f"chmod go-w {writable}" in str(finding)


def test_a_job_that_is_cancelled_in_its_prolog_never_runs(site: Site) -> None:
    site.hook("prolog", "echo $$ > self; sleep 600", "timeout_s = 600")
    job_id = site.gpuqd.enqueue(QUICK)
    until(lambda: site.said("self") != "", timeout_s=15, what="the prolog")

    site.gpuqd.client.cancel(job_id)

    assert site.gpuqd.ended(job_id)["state"] == "CANCELLED"
    until(lambda: not Path(f"/proc/{int(site.said('self'))}").exists(), timeout_s=10, what="nothing left")


def test_a_prolog_that_gpuqd_did_not_see_the_end_of_runs_again_before_the_job(site: Site) -> None:
    site.hook("prolog", "echo run >> runs; while test ! -e go; do sleep 0.1; done", "timeout_s = 600")
    job_id = site.gpuqd.enqueue(QUICK)
    until(lambda: site.said("runs") != "", timeout_s=15, what="the prolog")

    site.gpuqd.kill()
    site.gpuqd.start()
    until(lambda: len(site.said("runs").splitlines()) == 2, timeout_s=30, what="the prolog again")
    assert site.gpuqd.client.job(job_id)["ranks"] == []
    (site.folder / "said" / "go").touch()

    job = site.gpuqd.ended(job_id)
    assert (job["state"], job["attempt"]) == ("COMPLETED", 1)


def test_an_epilog_that_fails_is_told_and_changes_no_end(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    path = site.hook("epilog", "yes | head -c 100000; exit 0")
    job = site.gpuqd.ended(site.gpuqd.enqueue(QUICK))

    text = f"The epilog {path} said more than 64 KiB."
    assert job["state"] == "COMPLETED"
    assert [(one["kind"], one["text"]) for one in job["signals"]] == [("epilog", text)]
    for words in (("show", str(job["id"])), ("events", str(job["id"]))):
        assert text in re.sub(r"\s+", " ", said(capfd, *words)), words


def test_a_program_that_is_not_there_or_anybodys_runs_nothing(site: Site) -> None:
    path = site.hook("prolog", "exit 0")
    for change, why in (
        (lambda: path.chmod(0o757), "may write there; chmod go-w"),
        (lambda: path.chmod(0o644), "it may not be executed"),
        (path.unlink, "No such file or directory"),
    ):
        change()
        job_id = site.gpuqd.enqueue(QUICK)
        until(lambda job=job_id, why=why: why in site.gpuqd.client.why(job)["text"], timeout_s=20, what=why)
        site.gpuqd.client.cancel(job_id)


def drains(site: Site) -> dict[str, tuple[str, str]]:
    return {one["node"]: (one["reason"], one["by_user"]) for one in AdminClient(site.gpuqd.client.path).drains()}


def test_a_node_that_is_not_well_is_drained_with_the_reason_and_in_use_again_when_it_is(site: Site) -> None:
    admin = AdminClient(site.gpuqd.client.path)
    admin.drain("plain-2", "fan")
    check = "echo $GPUQ_NODE_NAME $GPUQ_NODE_PARTITION $GPUQ_NODE_GPUS >> seen; cat wrong 2>/dev/null && exit 1; exit 0"
    (site.folder / "said" / "wrong").write_text("Xid 79: GPU has fallen off the bus\n")
    path = site.hook("health_check", check, "every_s = 1", "resume = true")

    until(lambda: "plain-1" in drains(site), timeout_s=30, what="a drain")

    reason = f"health check {path} ended with exit code 1: Xid 79: GPU has fallen off the bus."
    assert drains(site) == {"plain-1": (reason, "(health check)"), "plain-2": ("fan", drains(site)["plain-2"][1])}
    until(lambda: len(set(site.said("seen").splitlines())) == 2, timeout_s=30, what="both nodes")
    assert {"plain-1 plain 1", "plain-2 plain 1"} == set(site.said("seen").splitlines())
    job_id = site.gpuqd.enqueue(QUICK)
    until(lambda: site.gpuqd.client.job(job_id)["reason"] is not None, timeout_s=10, what="a reason")
    assert "drained" in site.gpuqd.client.why(job_id)["text"]
    (site.folder / "said" / "wrong").unlink()
    until(lambda: drains(site).keys() == {"plain-2"}, timeout_s=30, what="a node in use again")
    assert site.gpuqd.ended(job_id)["state"] == "COMPLETED"
    admin.resume("plain-2")


def test_a_check_that_cannot_be_run_takes_no_node_out_and_one_that_may_not_resume_does_not(site: Site) -> None:
    path = site.hook("health_check", "echo ok >> seen; test ! -e wrong", "every_s = 1")
    until(lambda: site.said("seen") != "", timeout_s=30, what="a look")
    path.rename(path.with_name("elsewhere"))
    log = site.gpuqd.folder / "gpuqd.log"
    until(lambda: "nodes are not checked" in log.read_text(), timeout_s=30, what="a word of it")
    assert drains(site) == {}

    (site.folder / "said" / "wrong").touch()
    path.with_name("elsewhere").rename(path)
    until(lambda: len(drains(site)) == 2, timeout_s=30, what="two drains")
    (site.folder / "said" / "wrong").unlink()
    looked = len(site.said("seen"))
    until(lambda: len(site.said("seen")) > looked + 12, timeout_s=30, what="more looks")
    assert len(drains(site)) == 2
    for node in drains(site):
        AdminClient(site.gpuqd.client.path).resume(node)


FILTER = """
exec python3 -c '
import json, sys
asked = json.load(sys.stdin)
open("asked", "w").write(json.dumps([asked["action"], asked["user"], asked["job"]["script_name"]]))
job = asked["job"]
if (job["time_limit_s"] or 0) > 3600:
    print(json.dumps({"refuse": "Jobs of more than an hour go to the partition long: see https://wiki.example/gpus"}))
elif job["name"] == "odd":
    print(json.dumps({"job": {"wrokers": 2}}))
elif job["name"] == "crash":
    raise SystemExit("no licence server")
elif job["name"] != "as-it-is":
    print(json.dumps({"job": {"name": "site-" + job["name"], "nice": 7}}))
'
"""


def test_what_is_queued_is_what_the_sites_filter_lets_in(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    path = site.hook("submit_filter", FILTER)
    script = site.folder / "train.py"
    script.write_text(SLEEPS)
    client = site.gpuqd.client

    changed = client.job(site.gpuqd.enqueue(SLEEPS, name="bert", hold=True))
    same = client.job(site.gpuqd.enqueue(SLEEPS, name="as-it-is", hold=True))

    assert (changed["name"], changed["nice"], same["name"], same["nice"]) == ("site-bert", 7, "as-it-is", 0)
    assert json.loads(site.said("asked")) == ["submit", changed["user"], "job.py"]
    refusal = "Jobs of more than an hour go to the partition long: see https://wiki.example/gpus"
    for more in ((), ("--test-only",)):
        told = said(capfd, "enqueue", str(script), "--time", "2h", *more, code=4)
        assert refusal in told
    with pytest.raises(ForbiddenError, match="partition long"):
        client.update(same["id"], {"time_limit_s": 7200})
    assert json.loads(site.said("asked"))[0] == "update"
    for name, why in (("odd", "a job has no field wrokers"), ("crash", "exit code 1: no licence server")):
        with pytest.raises(UnavailableError, match=why):
            site.gpuqd.enqueue(SLEEPS, name=name)
    path.unlink()
    with pytest.raises(UnavailableError, match="the site's submit filter does not work"):
        site.gpuqd.enqueue(SLEEPS, name="none")
    assert {job["name"] for job in client.jobs()} == {"site-bert", "as-it-is"}
    site.configured()
    for job in (changed, same):
        client.cancel(job["id"])


@pytest.mark.parametrize(
    "output", ["[]", "{", '{"refuse": 7}', '{"job": {"workers": "many"}}', '{"jobs": {}}', "\\377"]
)
def test_a_filter_that_answers_nonsense_lets_nothing_in(site: Site, output: str) -> None:
    site.hook("submit_filter", f"cat > /dev/null; printf '%b' '{output}'")

    with pytest.raises(UnavailableError, match="submit filter does not work"):
        site.gpuqd.enqueue(SLEEPS)


def test_a_filter_that_answers_without_end_lets_nothing_in(site: Site) -> None:
    site.hook(
        "submit_filter", """cat > /dev/null; printf '{"job": {"args": '; head -c 100000 /dev/zero | tr '\\0' '['"""
    )

    with pytest.raises(UnavailableError, match="says what is no answer"):
        site.gpuqd.enqueue(SLEEPS)


def test_jobs_get_the_defaults_of_their_user_their_account_and_their_partition(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    user = pwd.getpwuid(os.geteuid()).pw_name
    site.configured(
        f"[defaults.user.{user}]", "time_limit_s = 60",
        "[defaults.account.root]", "time_limit_s = 70", "signal_s = 5",
        "[defaults.partition.plain]", "time_limit_s = 80", 'signal_s = 6\nstop_on = "nan"',
    )  # fmt: skip

    given = site.gpuqd.client.job(site.gpuqd.enqueue(SLEEPS, hold=True))
    asked = site.gpuqd.client.job(site.gpuqd.enqueue(SLEEPS, hold=True, time_limit_s=50, stop_on="exploded"))

    assert (given["time_limit_s"], given["signal_s"], given["stop_on"]) == (60, 5, "nan")
    assert (asked["time_limit_s"], asked["signal_s"], asked["stop_on"]) == (50, 5, "exploded")
    for job in (given, asked):
        site.gpuqd.client.cancel(job["id"])
    script = site.folder / "job.py"
    script.write_text("#GPUQ --stop-on exploded\n" + SLEEPS)
    shown = [line.split(maxsplit=2) for line in said(capfd, "enqueue", "--explain", str(script)).splitlines()]
    assert ["time", "00:01:00", f"gpuqd's [defaults.user.{user}]"] in shown
    assert ["signal", "00:00:05", "gpuqd's [defaults.account.root]"] in shown
    assert not any("partition.plain" in " ".join(line) for line in shown), "all of that is said before"


def test_gpuqd_check_says_which_programs_cannot_be_run(site: Site) -> None:
    path = site.hook("prolog", "exit 0")

    good = list(check_hooks(HooksTable(prolog=HookTable(path=str(path)))))
    gone = list(check_hooks(HooksTable(submit_filter=FilterTable(path=f"{path}.py"))))

    assert [(one.level, one.name) for one in good] == [("ok", "hook prolog")]
    assert [(one.level, one.name) for one in gone] == [("fail", "hook submit_filter")]
    assert gone[0].text == f"{path}.py cannot be run: No such file or directory"
    if os.geteuid() == 0:
        site.folder.chmod(0o700)
        (closed,) = check_hooks(HooksTable(prolog=HookTable(path=str(path))))
        (nobody,) = check_hooks(HooksTable(prolog=HookTable(path=str(path), user="no-such-user")))
        site.folder.chmod(0o755)
        assert (closed.level, nobody.level) == ("fail", "fail")
        assert "there is no user no-such-user" in nobody.text


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("[hooks.prolog]", 'path = "prolog"'), "must be an absolute path"),
        (("[hooks.epilog]", 'user = "root"'), "somebody else than root"),
        (("[hooks.epilogue]", 'path = "/x"'), "epilogue"),
        (("[defaults.partition.plain]", 'partition = "x"'), "cannot set partition"),
    ],
)
def test_a_configuration_of_hooks_that_cannot_be_is_refused(site: Site, lines: tuple[str, ...], why: str) -> None:
    with pytest.raises(GpuqError, match=why):
        site.configured(*lines)


_LIES = """
import json, os
def main_fun(args, ctx):
    with open(os.path.join(os.path.dirname(os.environ["GPUQ_STOP_FILE"]), "reports.jsonl"), "a") as reports:
        for node in args[1:]:
            said = {"kind": "hook", "rank": 0, "hook": "epilog", "text": "The scratch is full.", "node": node}
            reports.write(json.dumps(said) + "\\n")
"""


@pytest.mark.parametrize(
    ("settings", "workers", "named", "drained"),
    [
        ((), 2, ["plain-1"], 0),  # there is no such program
        (("[hooks.node_epilog]", 'path = "/etc/gpuq/epilog"'), 1, ["plain-2", "nowhere"], 0),  # others' nodes
        (("[hooks.node_epilog]", 'path = "/etc/gpuq/epilog"'), 2, ["plain-1", "plain-2"], 1),  # the whole cluster
    ],
)
def test_a_job_that_lies_of_its_nodes_empties_no_cluster(
    site: Site, settings: tuple[str, ...], workers: int, named: list[str], drained: int
) -> None:
    site.configured(*settings)
    admin = AdminClient(site.gpuqd.client.path)

    job = site.gpuqd.ended(site.gpuqd.enqueue(_LIES, workers=workers, args=named))

    drains = [drain["node"] for drain in admin.drains()]
    for node in drains:
        admin.resume(node)
    assert job["state"] == "COMPLETED"
    assert len(drains) == drained


@pytest.mark.parametrize(("retries", "starts"), [(0, 3), (1, 3), (5, 6)])
def test_a_job_for_which_every_node_is_unfit_is_started_three_times_or_as_often_as_it_asked(
    retries: int, starts: int
) -> None:
    started = 1
    while tries_left(retries - (started - 1), started, was_unfit=True) > 0:
        started += 1

    assert started == starts
    assert tries_left(0, 1, was_unfit=False) == 0
