"""Commands as a user types them, against a scripted daemon on a real socket."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.cli.views.queue import ranges
from gpuq.models import Holder, JobState, Progress, Rank, RankState, Reason, Tasks, Why
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import (
    FakeDaemon,
    Problem,
    Script,
    a_cluster,
    a_curve,
    a_job,
    a_log,
    as_json,
    events,
)

GOOD = "#GPUQ --workers 2 -t 2h\nimport os\ndef main_fun(args, ctx):\n    pass\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script that can be queued."""
    path = tmp_path / "train.py"
    path.write_text(GOOD)
    return path


def test_the_queue_shows_gpu_use_reasons_and_progress(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    progress = Progress(tag="loss", step=240, value=0.412, wall_time=1.0, previous=0.5)
    running = a_job(id=11, state=JobState.RUNNING, started_at=1_001.0, progress=progress, nodes=("node-1",))
    waiting = a_job(id=12, reason=Reason.RESOURCES)
    daemon.answers |= {"GET /v1/cluster": a_cluster(), "GET /v1/jobs": {"jobs": [running, waiting]}}

    done = gpuq("queue")

    assert done.code == 0
    assert "2 of 2 virtual GPUs busy | 2 jobs: 1 PD, 1 R" in done.out
    assert "loss 0.412 @ 240 v  node-1" in done.out
    assert "Resources: needs 2 GPUs, 0 free" in done.out


def test_when_a_job_will_start_stands_before_why_it_waits(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    soon = time.time() + 600
    job = a_job(id=12, reason=Reason.RESOURCES, p50_at=soon, p90_at=soon + 60)
    daemon.answers |= {"GET /v1/cluster": a_cluster(), "GET /v1/jobs": {"jobs": [job]}}

    shown = gpuq("queue", "-s", "pd").out

    at, late = (time.strftime("%H:%M", time.localtime(one)) for one in (soon, soon + 60))
    assert f"~{at} by {late} | Resources: needs 2 GPUs" in shown


def test_when_says_the_middle_and_the_late_start(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    now = time.time()
    why = Why(
        job_id=12,
        state=JobState.PENDING,
        reason=Reason.RESOURCES,
        text="x.",
        needs_gpus=1,
        free_gpus=0,
        total_gpus=1,
        p50_at=now + 1234,
        p90_at=now + 3 * 86_400,
        past_runs=50,
    )
    daemon.answers["GET /v1/jobs/12/when"] = why

    done = gpuq("when", "12")

    assert "Job 12 starts in about 20 min (" in done.out  # no finer than it is known
    assert "in 9 of 10 cases by" in done.out
    assert "guess" not in done.out
    daemon.answers["GET /v1/jobs/12/when"] = replace(why, past_runs=3)
    assert "a guess: only 3 past runs to judge run times by." in gpuq("when", "12").out


def test_why_and_when_of_an_array_tell_of_all_its_tasks(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    now = time.time()
    why = Why(
        job_id=20,
        state=JobState.RUNNING,
        reason=None,
        text="runs.",
        needs_gpus=1,
        free_gpus=0,
        total_gpus=1,
        tasks=Tasks(states={JobState.RUNNING: 1, JobState.PENDING: 8}, first_at=now + 600, last_at=now + 7200),
    )
    daemon.answers |= {
        "GET /v1/jobs/20/why": why,
        "GET /v1/jobs/20/when": why,
        "GET /v1/jobs/20": a_job(id=20, array_id=20, array_index=0),
        "GET /v1/jobs": {"jobs": [a_job(id=20, array_id=20, array_index=0)]},
    }

    whole, when, one = gpuq("why", "20").out, gpuq("when", "20").out, gpuq("why", "20_0").out

    for told in (whole, when):
        assert told.startswith("Array 20: 9 tasks: 8 PENDING, 1 RUNNING.\nThe first of those that wait starts about ")
    assert "Array" not in one


def test_when_of_an_array_is_of_the_first_task_that_waits(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    tasks = Tasks(states={JobState.RUNNING: 1, JobState.PENDING: 1}, first_at=None, last_at=None)
    waits = Why(
        job_id=21,
        state=JobState.PENDING,
        reason=Reason.PRIORITY,
        text="waits.",
        needs_gpus=1,
        free_gpus=0,
        total_gpus=1,
    )
    runs = replace(waits, job_id=20, state=JobState.RUNNING, reason=None, tasks=tasks)
    both = [a_job(id=20, array_id=20, array_index=3, state=JobState.RUNNING), a_job(id=21, array_id=20, array_index=4)]
    daemon.answers |= {
        "GET /v1/jobs/20/when": runs, "GET /v1/jobs/21/when": waits, "GET /v1/jobs": {"jobs": both},
    }  # fmt: skip

    lines = gpuq("when", "20").out.splitlines()

    assert lines[-1].startswith("Job 20_4: nothing can be said of its start")


def test_tasks_of_an_array_that_wait_alike_are_one_line(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    tasks = [a_job(id=20 + i, array_id=20, array_index=i, throttle=2, reason=Reason.PRIORITY) for i in (1, 2, 3, 7)]
    first = a_job(id=20, array_id=20, array_index=0, throttle=2, state=JobState.RUNNING, started_at=1_001.0)
    other = replace(tasks[0], id=28, array_index=8, reason=Reason.ARRAY_THROTTLE)
    daemon.answers |= {"GET /v1/cluster": a_cluster(), "GET /v1/jobs": {"jobs": [first, *tasks, other]}}

    lines = gpuq("queue").out.splitlines()

    assert [line.split()[0] for line in lines[2:]] == ["20_0", "20_[1-3,7%2]", "20_8"]
    assert "6 jobs: 5 PD, 1 R" in lines[0]


@given(st.sets(st.integers(0, 10**6), max_size=30))
def test_ranges_say_which_numbers(numbers: set[int]) -> None:
    said = ranges(sorted(numbers))

    ends = [part.split("-") for part in said.split(",") if part]
    assert {n for end in ends for n in range(int(end[0]), int(end[-1]) + 1)} == numbers
    assert all(int(a[-1]) + 1 < int(b[0]) for a, b in itertools.pairwise(ends))


def test_the_queue_as_json_is_the_models_unchanged(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    job = a_job(name="a\x1bb")
    daemon.answers["GET /v1/jobs"] = {"jobs": [job]}

    done = gpuq("queue", "--json")

    assert json.loads(done.out) == [as_json(job)]
    assert done.out.isascii()
    assert "\x1b" not in done.out


def test_without_a_command_only_my_jobs_are_asked_for(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {"GET /v1/cluster": a_cluster(free_gpus=2), "GET /v1/jobs": {"jobs": []}}

    done = gpuq()

    assert "0 of 2 virtual GPUs busy | yours: 0 jobs" in done.out
    assert daemon.asked[0][2].keys() == {"user"}


def test_an_ended_state_asks_for_ended_jobs(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    jobs = [a_job(id=1, state=JobState.FAILED), a_job(id=2)]
    daemon.answers["GET /v1/jobs"] = {"jobs": jobs}

    done = gpuq("queue", "-s", "f", "--json")

    assert daemon.asked[0][2] == {"all": "true"}
    assert [job["id"] for job in json.loads(done.out)] == [1]


def test_show_has_the_bill_the_ranks_and_the_error(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/jobs/12"] = a_job(
        state=JobState.FAILED,
        started_at=1_010.0,
        ended_at=1_082.0,
        charged_gpu_s=144.0,
        ranks=(Rank(rank=1, role="worker", host="h", state=RankState.FAILED, exit_code=3),),
        exit_code=3,
        error="ValueError: \x1b[2Jgone",
        error_tail=("Traceback", "  x"),
        failed_rank=1,
    )

    done = gpuq("show", "12")

    assert "2 virtual GPUs x 00:01:12 = 0.040 GPU-h" in done.out
    assert "Error (rank 1): ValueError: \\x1b[2Jgone" in done.out
    assert "worker  FAILED" in done.out
    assert "\x1b" not in done.out


def test_why_is_one_sentence(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    holders = tuple(Holder(job_id=i, user="bob", gpus=1) for i in range(1, 5))
    daemon.answers["GET /v1/jobs/12/why"] = Why(
        job_id=12,
        state=JobState.PENDING,
        reason=Reason.RESOURCES,
        text="needs 2, 0 of 4 free.",
        needs_gpus=2,
        free_gpus=0,
        total_gpus=4,
        held_by=holders,
    )

    done = gpuq("why", "12")

    assert done.out.startswith("Job 12 is PENDING (Resources): needs 2, 0 of 4 free.\n")
    assert done.out.count("holds 1 GPU, no time limit") == 4
    assert json.loads(gpuq("why", "12", "--json").out)["free_gpus"] == 0


def test_logs_are_of_the_rank_that_failed_and_harmless(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(state=JobState.FAILED, failed_rank=1, attempt=1),
        "GET /v1/jobs/12/logs": a_log("50%\r100%\r\nevil \x1b]0;x\x07\x9b2J\tend\n"),
    }

    done = gpuq("logs", "12")

    assert done.out == "50%\n100%\nevil \\x1b]0;x\\x07\\x9b2J\tend\n"
    assert daemon.asked[-1][2]["rank"] == "1"


def test_following_a_log_ends_with_it(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(state=JobState.RUNNING, attempt=1),
        "GET /v1/jobs/12/logs": Script(
            [a_log("one\n", is_final=False), a_log("two\n", offset=4, is_final=False), a_log("", offset=8)]
        ),
    }

    done = gpuq("logs", "12", "-f")

    assert done.out == "one\ntwo\n"
    assert [asked[2]["offset"] for asked in daemon.asked[1:]] == ["0", "4", "8"]


def test_the_last_lines_of_a_log(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(state=JobState.COMPLETED, attempt=1),
        "GET /v1/jobs/12/logs": a_log("a\nb\nc\n"),
    }

    assert gpuq("logs", "12", "-n", "2").out == "b\nc\n"
    assert gpuq("logs", "12", "--driver").out == "a\nb\nc\n"
    assert "rank" not in daemon.asked[-1][2]


def test_one_stream_of_a_log_is_asked_for_and_a_log_that_tells_none_is_said_to_be_whole(
    daemon: FakeDaemon, gpuq: Gpuq
) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(state=JobState.COMPLETED, attempt=1),
        "GET /v1/jobs/12/logs": a_log("warned\n") | {"is_told_apart": True},
    }

    for words in ((), ("-n", "1"), ("-f",)):
        done = gpuq("logs", "12", "--stderr", *words)
        assert (done.out, done.err) == ("warned\n", "")
        assert daemon.asked[-1][2]["stream"] == "stderr"
    daemon.answers["GET /v1/jobs/12/logs"] = a_log("warned\n") | {"is_told_apart": False}
    assert "does not tell stdout and stderr apart" in gpuq("logs", "12", "--stdout").err


def test_wait_ends_with_the_largest_exit_code_and_hears_of_all_on_one_stream(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    running = [a_job(id=number, state=JobState.RUNNING) for number in (12, 14)]
    daemon.answers |= {
        "GET /v1/jobs/12": Script([running[0], a_job(state=JobState.COMPLETED, exit_code=0)]),
        "GET /v1/jobs/13": a_job(id=13, state=JobState.FAILED, exit_code=137),
        "GET /v1/jobs/14": Script([running[1], a_job(id=14, state=JobState.FAILED, exit_code=3)]),
        "GET /v1/events": events(
            ("reset", {}),
            ("jobs", {"jobs": running}),
            ("ready", {}),
            ("job", {"id": 14, "state": "FAILED"}),
            ("job", {"id": 12, "state": "COMPLETED"}),
        ),
    }

    done = gpuq("wait", "12", "13", "14")

    assert done.code == 137
    assert [line.split()[1] for line in done.out.splitlines()] == ["13", "14", "12"]
    assert "Job 12 (digits_sync): COMPLETED, exit code 0." in done.out
    assert [path for _, path, _, _ in daemon.asked].count("/v1/events") == 1


def test_cancel_says_what_happened_to_each(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    ended = a_job(id=13, state=JobState.COMPLETED)
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(state=JobState.RUNNING),
        "POST /v1/jobs/12/cancel": a_job(state=JobState.COMPLETING),
        "GET /v1/jobs/13": ended,
        "POST /v1/jobs/13/cancel": ended,
        "GET /v1/jobs/14": a_job(id=14),
        "POST /v1/jobs/14/cancel": Problem(403, "Job 14 belongs to bob."),
    }

    done = gpuq("cancel", "14", "12", "13")

    assert done.code == 4
    assert done.err == "gpuq: Job 14 belongs to bob.\n"
    assert "Job 12 (digits_sync) is being cancelled; it was RUNNING." in done.out
    assert "Job 13 (digits_sync) had already ended: COMPLETED." in done.out


def test_enqueue_sends_the_script_and_says_what_was_queued(daemon: FakeDaemon, gpuq: Gpuq, script: Path) -> None:
    daemon.answers["POST /v1/jobs"] = a_job(time_limit_s=7200)

    done = gpuq("enqueue", "--gpus-per-worker", "3", str(script), "--", "--epochs", "3")

    assert done.out == "Queued job 12 (digits_sync): 2 workers x 1 GPU, at most 02:00:00.\n"
    assert daemon.asked[0][3] == {
        "script_name": "train.py",
        "script": GOOD,
        "args": ["--epochs", "3"],
        "name": None,
        "workers": 2,
        "gpus_per_worker": 3,
        "time_limit_s": 7200,
        "partition": None,
    }


def test_the_command_line_wins_over_the_script(daemon: FakeDaemon, gpuq: Gpuq, script: Path) -> None:
    daemon.answers["POST /v1/jobs"] = a_job()

    gpuq("enqueue", "-w", "1", str(script))

    assert daemon.asked[0][3]["workers"] == 1


def test_enqueue_and_wait_prints_the_log_and_ends_as_the_job(daemon: FakeDaemon, gpuq: Gpuq, script: Path) -> None:
    daemon.answers |= {
        "POST /v1/jobs": a_job(),
        "GET /v1/jobs/12/logs": a_log("step 1\n"),
        "GET /v1/jobs/12/wait": a_job(state=JobState.FAILED, exit_code=3, error="ValueError: no"),
    }

    done = gpuq("enqueue", "--wait", str(script))

    assert done.code == 3
    assert "step 1\n" in done.out
    assert "Error: ValueError: no" in done.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-w", "0"], "cannot have 0 workers"),
        (["-g", "-3"], "cannot have -3 GPUs per worker"),
        (["-t", "soon"], "'soon' is not a time limit"),
        (["-J", "a\nb"], "cannot hold line breaks"),
        (["-J", "\x1b[31m"], "escape codes"),
        (["-J", "x" * 129], "has 129 characters"),
        (["-J", " "], "cannot be empty"),
        (["-p", ""], "partition"),
        (["--wrokers", "2"], "did you mean --workers?"),
        (
            ["--lr", "1e-3"],
            "There is no option '--lr'; `gpuq enqueue --help` lists them. Words for the script go after",
        ),
    ],
)
def test_bad_requests_are_refused_before_anything_is_sent(
    daemon: FakeDaemon, gpuq: Gpuq, script: Path, words: list[str], expected: str
) -> None:
    done = gpuq("enqueue", *words, str(script))

    assert done.code == 2
    assert expected in done.err
    assert done.err.count("\n") == 1
    assert daemon.asked == []


def test_a_bad_value_in_the_script_names_its_line(daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path) -> None:
    path = tmp_path / "t.py"
    path.write_text("# hello\n#GPUQ -w none\ndef main_fun(a, c): pass\n")

    done = gpuq("enqueue", str(path))

    assert done.code == 2
    assert "t.py line 2: 'none' is not a number of workers" in done.err


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["show", "abc"], 2, "'abc' is not a job number"),
        (["show", "-1"], 2, "'-1' is not a job number"),
        (["why", "0"], 2, "'0' is not a job number"),
        (["why", "٣"], 2, "is not a job number"),
        (["wait", "99999999999999999999"], 3, "There is no job 99999999999999999999."),
        (["quee"], 2, "did you mean queue?"),
        (["\x1b[2J"], 2, "There is no command '\\x1b[2J'"),
        (["queue", "--jsn"], 2, "did you mean --json?"),
        (["queue", "--user"], 2, "see `gpuq queue --help`"),
        (["queue", "-s", "XX"], 2, "'XX' is not a job state"),
        (["logs"], 2, "Missing argument 'ID'"),
        (["logs", "12", "--driver", "--rank", "1"], 2, "not for both"),
        (["logs", "12", "--driver", "--stderr"], 2, "The driver's log is one"),
        (["logs", "12", "--stdout", "--stderr"], 2, "without either both are printed"),
        (["show", "77"], 3, "There is no /v1/jobs/77."),
        (["top"], 2, "needs a terminal"),
    ],
)
def test_mistakes_are_one_sentence(daemon: FakeDaemon, gpuq: Gpuq, words: list[str], code: int, expected: str) -> None:
    done = gpuq(*words)

    assert (done.code, done.out) == (code, "")
    assert expected in done.err
    assert done.err.startswith("gpuq: ")
    assert done.err.count("\n") == 1


def test_without_a_daemon_the_message_says_how_to_start_it(
    gpuq: Gpuq, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", str(tmp_path / "none"))

    done = gpuq("queue")

    assert done.code == 5
    assert "gpuqd does not answer at" in done.err


@pytest.mark.parametrize("answer", [b"not json", b""])
def test_what_is_no_gpuqd_is_said(daemon: FakeDaemon, gpuq: Gpuq, answer: bytes) -> None:
    daemon.answers["GET /v1/jobs"] = answer

    assert gpuq("queue").code == 5


def test_plot_draws_the_loss_with_its_numbers(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    curve = a_curve([3.0, 2.0, float("nan"), 1.0])
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(),
        "GET /v1/jobs/12/series": {"series": [curve.series]},
        "GET /v1/jobs/12/curve": curve,
    }

    done = gpuq("plot", "12", "--ascii", "--width", "60", "--height", "10")

    lines = done.out.splitlines()
    assert lines[-1] == "loss: last 1 at step 4, min 1, max 3, 4 points, 1 of them NaN or infinite (! below)"
    assert len(lines) == 11
    assert done.out.isascii()
    assert json.loads(gpuq("plot", "12", "--json").out)["nan_count"] == 1


def test_a_tag_that_is_not_there_is_answered_with_those_that_are(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/jobs/12/series"] = {"series": [a_curve([1.0]).series]}

    done = gpuq("plot", "12", "acc")

    assert done.code == 3
    assert "has no tag 'acc'; it has loss." in done.err


def test_following_a_plot_ends_with_the_job(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(state=JobState.COMPLETED),
        "GET /v1/jobs/12/series": {"series": [a_curve([1.0]).series]},
        "GET /v1/jobs/12/curve": a_curve([1.0]),
    }

    assert gpuq("plot", "12", "-f").out.count("last 1 at step 1") == 1


def test_events_of_a_job_are_its_past_and_then_what_changes(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    ranks = [{"rank": 0, "state": "RUNNING"}, {"rank": 1, "state": "FAILED"}]
    running = a_job(state=JobState.RUNNING, attempt=1, started_at=1e9 + 5, running_at=1e9 + 9, nodes=("n1",))
    daemon.answers |= {
        "GET /v1/jobs/12": running,
        "GET /v1/events": events(
            ("reset", {}),
            ("jobs", {"jobs": [running]}),
            ("ready", {}),
            ("job", {"id": 12, "ranks": ranks}),
            ("job", {"id": 12, "state": "FAILED", "error": "no \x1b[2J", "exit_code": 3, "ended_at": 1e9 + 20}),
        ),
    }

    past = gpuq("events", "12").out.splitlines()
    lines = gpuq("events", "-f", "12").out.splitlines()
    told = [json.loads(line) for line in gpuq("events", "-f", "12", "--json").out.splitlines()]

    assert [line.split("  job 12  ")[1] for line in past] == ["submitted by ada", "attempt 1 started on n1", "running"]
    assert lines[:3] == past
    assert lines[3].endswith("job 12  1 rank RUNNING, rank 1 FAILED")
    assert lines[4].endswith("job 12  FAILED; exit code 3; no \\x1b[2J")
    assert [one["data"].get("state") for one in told if one["event"] == "job"] == ["RUNNING", None, "FAILED"]
    daemon.answers["GET /v1/events"] = events(
        ("reset", {"why": "unknown"}), ("job", {"id": 12, "state": "FAILED", "exit_code": 3})
    )
    assert "what changed meanwhile is not told" in gpuq("events", "-f", "12").err


def test_the_log_of_an_earlier_attempt_is_asked_for_by_its_number(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(state=JobState.RUNNING, attempt=2),
        "GET /v1/jobs/12/logs": a_log("a\nb\n"),
    }

    assert gpuq("logs", "12", "--attempt", "1").out == "a\nb\n"
    assert (daemon.asked[-1][2]["attempt"], daemon.asked[-1][2]["rank"]) == ("1", "0")
    assert gpuq("logs", "12", "--attempt", "1", "-n", "1").out == "b\n"
    assert gpuq("logs", "12", "--attempt", "2").out == "a\nb\n"
    assert "attempt" not in daemon.asked[-1][2]
