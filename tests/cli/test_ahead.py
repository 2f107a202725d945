"""What is to come and what was, as the command line tells it."""

from __future__ import annotations

import time

import pytest

from gpuq.models import JobState, Reason, Way, Why
from gpuq.sharing import Decision, EtaRow, LentRow, Moved, WasteRow
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon

NOW = time.time()


def a_why(**more: object) -> Why:
    values: dict[str, object] = {"reason": Reason.RESOURCES, "text": "needs 8 GPUs.", **more}
    return Why(job_id=12, state=JobState.PENDING, needs_gpus=8, free_gpus=0, total_gpus=8, **values)  # type: ignore[arg-type]


def test_why_names_what_would_start_sooner_where_it_is_asked(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    now = time.time()  # "wait about 40 min" is from the moment it is asked
    ways = [
        Way(words="", is_now=False, start_at=now + 2400, end_at=now + 4000),
        Way(words="--gpu-type v100", is_now=True, start_at=now, end_at=now + 9000),
        Way(words="--time 01:00:00\x1b", is_now=False, start_at=now + 600, end_at=now + 700),
    ]
    daemon.answers |= {
        "GET /v1/jobs/12/why": a_why(),
        "GET /v1/jobs/12/sooner": {"job_id": 12, "ways": ways},
    }

    plain, asked = gpuq("why", "12").out, gpuq("why", "12", "--sooner").out

    assert "Sooner" not in plain  # this is no terminal
    assert "As it is: wait about 40 min, ends about" in asked
    assert "--gpu-type v100: it starts now, ends about" in asked
    assert "--time 01:00:00" in asked
    assert "\x1b" not in asked


def test_why_then_asks_for_a_moment_that_has_been(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/jobs/12/why"] = a_why()

    done = gpuq("why", "12", "--at", "now-2hours")

    assert done.code == 0
    assert abs(float(daemon.asked[0][2]["at"]) - (time.time() - 7200)) < 60


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("GET /v1/what-if", "what-if drain+n1+at+18:00"),
        ("POST /v1/drains", "node drain n1 --dry-run"),
        ("DELETE /v1/drains/n1", "node resume n1 --dry-run"),
        ("PATCH /v1/accounts/nlp", "share nlp 40 --dry-run"),
        ("PATCH /v1/members/nlp/ann", "share nlp/ann 40 --dry-run"),
        ("POST /v1/accounts", "account add nlp --dry-run"),
        ("PATCH /v1/accounts/nlp", "account modify nlp --shares 3 --dry-run"),
        ("DELETE /v1/accounts/nlp", "account delete nlp --dry-run"),
        ("POST /v1/members", "user add ann --account nlp --dry-run"),
        ("PATCH /v1/members/nlp/ann", "user default ann nlp --dry-run"),
        ("DELETE /v1/members/nlp/ann", "user delete ann --account nlp --dry-run"),
        ("POST /v1/qos", "qos add urgent --priority 5 --dry-run"),
        ("PATCH /v1/qos/urgent", "qos modify urgent --priority 5 --dry-run"),
        ("DELETE /v1/qos/urgent", "qos delete urgent --dry-run"),
        ("PATCH /v1/limits/user/ann", "limit set user:ann running-gpus=8 --dry-run"),
        ("DELETE /v1/limits/user/ann", "limit clear user:ann --dry-run"),
        ("POST /v1/reservations", "reservation create r --nodes n1 --duration 2h --dry-run"),
        ("DELETE /v1/reservations/r", "reservation delete r --dry-run"),
    ],
)
def test_what_a_change_would_do_is_shown_and_not_done(daemon: FakeDaemon, gpuq: Gpuq, asked: str, words: str) -> None:
    moved = [
        Moved(job_id=3, user="ann", account="nlp", name="x", before_at=NOW + 60, after_at=NOW + 3660),
        Moved(job_id=4, user="bob", account="nlp", name="y\x1b", before_at=NOW + 60, after_at=None),
    ]
    daemon.answers[asked] = {"change": "", "waiting": 5, "moved": moved, "is_whole": True}

    done = gpuq("admin", *(word.replace("+", " ") for word in words.split()))

    assert (done.code, done.err) == (0, "")
    [(method, path, query, *_)] = daemon.asked
    assert f"{method} {path}" == asked
    assert query.get("dry_run") == (None if method == "GET" else "true")
    assert "Of 5 waiting jobs 2 would start later, 0 sooner. Nothing was changed." in done.out
    assert "1 h later" in done.out
    assert "not seen" in done.out
    assert "\x1b" not in done.out


def test_a_replayed_pass_says_whether_it_is_the_same(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    decision = Decision(job_id=3, what="start", nodes=("n1", "n2"))
    stop = Decision(job_id=1, what="stop", for_job=3)
    same = {"at": NOW, "policy": None, "waiting": 4, "is_same": True, "recorded": [decision], "again": [decision]}
    daemon.answers["GET /v1/record/pass"] = same

    again = gpuq("admin", "replay", "--at", "now-1hour").out
    daemon.answers["GET /v1/record/pass"] = {**same, "policy": "tiered", "is_same": False, "again": [stop, decision]}
    other = gpuq("admin", "replay", "--at", "now-1hour", "--policy", "tiered").out

    assert "saw 4 waiting jobs; the same is decided again." in again
    assert "n1, n2" in again
    assert "Under tiered: not what was decided (1 start, 0 stops)." in other
    assert "for 3" in other


def test_the_report_of_estimates_is_by_quantile(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    rows = [
        EtaRow(which="all", promises=10, p50_kept=0.5, p90_kept=0.9, median_error=0.125, median_off_s=600.0),
        EtaRow(which="within 1 h", promises=1, p50_kept=None, p90_kept=1.0, median_error=None),
    ]
    daemon.answers["GET /v1/estimates"] = {"since": 0.0, "until": NOW, "rows": rows}

    lines = gpuq("admin", "eta-report").out.splitlines()

    assert lines[1].split() == ["all", "10", "50.0%", "90.0%", "00:10:00", "12.5%"]
    assert lines[2].split() == ["within", "1", "h", "1", "-", "100.0%", "-", "-"]


def test_the_ledger_shows_who_lent_and_who_wasted(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    lent = [
        LentRow(account="a", user=None, lent_gpu_s=7200.0, borrowed_gpu_s=0.0, rate_gpus=1.5, gone_in_s=None),
        LentRow(account="a", user="ann", lent_gpu_s=0.0, borrowed_gpu_s=3600.0, rate_gpus=0.0, gone_in_s=60.0),
    ]
    waste = WasteRow(user="ann", account="a", held_gpu_s=7200, failed_gpu_s=3600, idle_gpu_s=0, restarts_gpu_s=1800)
    answer = {"at": NOW, "since": 0.0, "half_life_s": 259200.0, "is_tiered": True, "lent": lent, "wasted": [waste]}
    daemon.answers["GET /v1/ledger"] = answer

    out = gpuq("share", "--ledger").out

    assert out.splitlines()[0] == "What was lent halves every 3-00:00:00."
    assert [line.split() for line in out.splitlines()[2:4]] == [
        ["a", "2.00", "-", "+1.5", "-"],
        ["ann", "-", "1.00", "-", "00:01:00"],
    ]
    assert "75.0%" in out
    assert gpuq("share", "nlp", "--ledger").code == 2


def test_the_queue_of_then_is_the_record_s(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    columns = (
        "id",
        "name",
        "user",
        "partition",
        "gpus",
        "submitted_at",
        "reason",
        "array_id",
        "array_index",
        "throttle",
    )
    pending: dict[str, list[object]] = {name: [] for name in (*columns, "p50_at", "p90_at")}
    queue: dict[str, object] = {"cluster": {"nodes": [], "engine_message": None}, "jobs": [], "pending": pending}
    daemon.answers["GET /v1/record/queue"] = {"at": 1e9, "queue": queue}

    done = gpuq("queue", "--at", "now-1hour")

    assert "as of 2001-09-" in done.out
    assert gpuq("queue", "--at", "now-1hour", "--mine").code == 2
