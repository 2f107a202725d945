"""Commands on jobs that were chosen, not named, and tables by column."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from gpuq.cli.queue import me
from gpuq.cli.views.columns import COLUMNS, csv_lines
from gpuq.errors import UsageError
from gpuq.models import JobState
from gpuq.states import parse_states
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, Problem, a_cluster, a_job, as_json


def answers(daemon: FakeDaemon, *jobs: Any) -> None:
    """Let these be the jobs there are, each of which can be changed."""
    daemon.answers |= {"GET /v1/jobs": {"jobs": list(jobs)}, "GET /v1/cluster": a_cluster()}
    for job in jobs:
        for verb in ("cancel", "hold", "requeue", "release"):
            daemon.answers[f"POST /v1/jobs/{job.id}/{verb}"] = job
        daemon.answers[f"GET /v1/jobs/{job.id}"] = job


def posted(daemon: FakeDaemon) -> list[str]:
    return [path for method, path, _, _ in daemon.asked if method == "POST"]


def three(daemon: FakeDaemon) -> None:
    answers(
        daemon,
        a_job(id=3, user=me(), state=JobState.PENDING, gpus=8, name="resnet"),
        a_job(id=4, user=me(), state=JobState.RUNNING, gpus=2, name="bert"),
        a_job(id=5, user="bob", state=JobState.PENDING, gpus=8, name="resnet"),
    )


def test_a_filter_changes_only_ones_own_jobs(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)

    done = gpuq("cancel", "gpus>4")

    assert done.code == 0
    assert posted(daemon) == ["/v1/jobs/3/cancel"]


def test_a_range_means_whoevers_jobs_are_in_it(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)

    gpuq("hold", "3-5", "-s", "pd")

    assert posted(daemon) == ["/v1/jobs/3/hold", "/v1/jobs/5/hold"]


def test_only_jobs_that_a_verb_can_change_are_chosen(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)

    gpuq("hold", "-u", "all", "name=*")
    gpuq("requeue", "-u", "me", "name=bert")

    assert posted(daemon) == ["/v1/jobs/3/hold", "/v1/jobs/5/hold", "/v1/jobs/4/requeue"]


@pytest.mark.parametrize("verb", ["cancel", "hold", "release", "requeue"])
def test_a_dry_run_names_the_jobs_and_changes_nothing(daemon: FakeDaemon, gpuq: Gpuq, verb: str) -> None:
    three(daemon)

    done = gpuq(verb, "3-5", "--dry-run")

    assert f"Would {verb} job" in done.out
    assert posted(daemon) == []


def test_a_number_that_does_not_exist_is_said_beside_a_range(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)

    done = gpuq("hold", "3-5", "99")

    assert done.code == 3
    assert sorted(posted(daemon)) == ["/v1/jobs/3/hold", "/v1/jobs/5/hold", "/v1/jobs/99/hold"]
    assert gpuq("cancel", "99", "--dry-run").code == 3


def test_a_wait_for_a_range_counts_those_that_have_ended(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    answers(daemon, a_job(id=3, state=JobState.FAILED, ended_at=5.0, exit_code=7))

    assert gpuq("wait", "3-5").code == 7


def test_a_word_with_an_equals_sign_is_a_change_and_no_filter(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)

    shown = gpuq("update", "-u", "me", "gpus>4", "name=x", "--dry-run").out

    assert shown == f"Would update job 3 (resnet, {me()}, PENDING): name=x.\n"
    assert gpuq("update", "name=j*", "time=1h").code == 2
    assert gpuq("update", "3", "name=x", "name=y").code == 2


@pytest.mark.parametrize(("word", "value"), [("yes", True), ("true", True), ("off", False)])
def test_a_flag_is_changed_to_what_is_said(daemon: FakeDaemon, gpuq: Gpuq, word: str, value: bool) -> None:
    daemon.answers["PATCH /v1/jobs/3"] = a_job(id=3)

    gpuq("update", "3", f"exclusive={word}")

    assert daemon.asked[-1][3] == {"exclusive": value}
    assert gpuq("update", "3", "exclusive=maybe").code == 2


def test_a_task_is_found_by_the_id_that_is_shown(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    answers(daemon, a_job(id=4, array_id=3, array_index=1))

    assert gpuq("queue", "id=3_1", "-o", "id", "--no-header").out == "3_1\n"


def test_nobody_chosen_changes_nothing_and_says_so(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)

    assert gpuq("cancel", "name=nothing").code == 3
    assert gpuq("cancel").code == 2
    assert gpuq("cancel", "resnet").code == 2
    assert posted(daemon) == []


def test_what_one_job_refuses_does_not_keep_the_others(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)
    daemon.answers["POST /v1/jobs/3/hold"] = Problem(403, "Job 3 belongs to zoe.")

    done = gpuq("hold", "3-5", "-s", "PD")

    assert done.code == 4
    assert "Job 3 belongs to zoe." in done.err
    assert "Job 5" in done.out


def test_chosen_jobs_can_be_updated(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)
    daemon.answers["PATCH /v1/jobs/3"] = a_job(id=3)

    done = gpuq("update", "-u", "me", "-s", "PD", "time=2h")

    assert done.code == 0
    assert daemon.asked[-1][3] == {"time_limit_s": 7200}


@pytest.mark.parametrize("words", [("update", "12"), ("update", "time=2h"), ("update", "resnet", "time=2h")])
def test_an_update_says_whom_and_what(daemon: FakeDaemon, gpuq: Gpuq, words: tuple[str, ...]) -> None:
    three(daemon)

    done = gpuq(*words)

    assert done.code == 2
    assert done.err.count("\n") == 1


def test_the_queue_is_filtered_by_words(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)

    shown = gpuq("queue", "name=res*", "user!=bob").out

    assert "resnet" in shown
    assert "bob" not in shown


def test_columns_by_name_and_as_squeue(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    three(daemon)

    assert gpuq("queue", "-o", "id,name,gpus", "--no-header", "4").out.split() == ["4", "bert", "2"]
    assert gpuq("queue", "-o", "JobID,JobName", "--no-header", "4").out.split() == ["4", "bert"]
    assert gpuq("queue", "-o", "%.5i|%3j|%t", "3").out.splitlines() == ["   ID|NAM|ST", "    3|res|PD"]


@pytest.mark.parametrize("format", ["id,colour", "%Z", "%99999i", ",", "%"])
def test_a_format_that_means_nothing_is_refused(daemon: FakeDaemon, gpuq: Gpuq, format: str) -> None:
    three(daemon)

    done = gpuq("queue", "-o", format)

    assert done.code == 2
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "cell"),
    [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("+cmd", "'+cmd"), ("-2+3", "'-2+3"), ("-1e3", "-1e3"), ("-", "-")],
)
def test_no_cell_of_csv_is_a_formula_of_a_spreadsheet(name: str, cell: str) -> None:
    assert csv_lines([{"name": name}], ["name"], 2e9)[1:] == [cell]


@pytest.mark.parametrize(
    ("words", "states"),
    [
        ("pd,R", {"PENDING", "RUNNING"}),
        ("pend", {"PENDING"}),
        ("Fail", {"FAILED"}),
        ("cd", {"COMPLETED"}),
        ("D", {"DEADLINE"}),
    ],
)
def test_states_may_be_their_beginnings(words: str, states: set[str]) -> None:
    assert parse_states([words]) == states


def test_the_beginning_of_several_states_is_none() -> None:
    with pytest.raises(UsageError, match="COMPLETING or COMPLETED"):
        parse_states(["comp"])


def test_csv_reads_back_as_it_was() -> None:
    job = as_json(a_job(id=7, name='a "b", c\nd\x1b[31m', state=JobState.FAILED, error="x,y"))

    rows = list(csv.reader(io.StringIO("\n".join(csv_lines([job], list(COLUMNS), 2e9)))))

    assert rows[0] == list(COLUMNS)
    assert dict(zip(*rows, strict=True))["name"] == 'a "b", c\\nd\\x1b[31m'
    assert all(len(row) == len(COLUMNS) for row in rows)
