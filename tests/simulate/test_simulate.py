"""Policies in virtual time: known courses, sound figures, the same live code."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.errors import UsageError
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.simulate.__main__ import main
from gpuq_daemon.simulate.course import Pace
from gpuq_daemon.simulate.lab import Lab, limited, pending_of
from gpuq_daemon.simulate.meter import WEEK_S, Meter, max_min
from gpuq_daemon.simulate.nodes import gang_for, parse_nodes
from gpuq_daemon.simulate.policies import POLICIES
from gpuq_daemon.simulate.report import bars, table
from gpuq_daemon.simulate.summary import Summary, at_part
from gpuq_daemon.simulate.synthetic import synthetic
from gpuq_daemon.simulate.trace import TraceJob, read, write

H = 3600.0
AT_ONCE = Pace(every_s=600.0, after_s=0.0)


def a_trace_job(submit_s: float, duration_s: float, gpus: int = 1, **more: object) -> TraceJob:
    """Return a job of user and account `a`."""
    values: dict[str, object] = {"user": "a", "account": "a", **more}
    return TraceJob(submit_s=submit_s, duration_s=duration_s, gpus=gpus, **values)  # type: ignore[arg-type]


def run(name: str, jobs: Sequence[TraceJob], nodes: str = "1x8", **more: object) -> Summary:
    """Return what a policy makes of jobs, with passes after every change."""
    lab = Lab(nodes=parse_nodes(nodes), pace=AT_ONCE, **more)  # type: ignore[arg-type]
    return lab.run(name, jobs, timer=lambda: 0.0)


def test_first_in_first_out_holds_all_up_behind_one_that_does_not_fit():
    jobs = [a_trace_job(0, 10 * H, 5), a_trace_job(1, H, 8), a_trace_job(2, H, 1)]

    assert run("fifo", jobs).longest_wait_h == pytest.approx(11, abs=0.01)
    assert run("fifo-best-effort", jobs).by_size[0].wait_h == 0


def test_backfill_goes_first_only_where_it_delays_nobody():
    jobs = [a_trace_job(0, 10 * H, 5), a_trace_job(1, H, 8), a_trace_job(2, 9 * H, 1), a_trace_job(3, 11 * H, 1)]

    easy = run("easy", limited(jobs, 1.0))

    assert easy.by_size[-1].wait_h == pytest.approx(10, abs=0.01)  # the eight start as the five end
    assert easy.by_size[0].longest_wait_h == pytest.approx(11, abs=0.01)  # the longest of the ones after them


def test_the_shortest_job_goes_first_for_who_is_told_run_times():
    jobs = [a_trace_job(0, H, 8), a_trace_job(1, 5 * H, 8), a_trace_job(2, H, 8)]

    assert run("sjf", jobs).wait_h < run("fifo", jobs).wait_h
    assert run("sjf", jobs).knows == "run times"


def test_a_restart_is_paid_for_and_counted():
    jobs = [a_trace_job(0, 20 * H, 8, account="a"), a_trace_job(3 * H, H, 8, account="b", user="b")]

    found = run("tiered", jobs, restart_s=360.0)

    assert found.preemptions_per_job == 0.5
    assert found.lost_gpu_h == pytest.approx(0.8)
    assert found.jct_h == pytest.approx((20 + 1 + 0.1 + 1 / 6 + 1 + 1 / 6) / 2, abs=0.1)


def test_nobody_is_stopped_where_preemption_is_off():
    jobs = [a_trace_job(0, 20 * H, 8), a_trace_job(3 * H, H, 8, account="b", user="b")]

    assert run("tiered", jobs, may_preempt=False).preemptions_per_job == 0


def test_jobs_that_no_node_holds_are_left_out_and_counted():
    assert run("tiered", [a_trace_job(0, H, 9), a_trace_job(0, H)]).unplaced == 1


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_ends_every_job_and_loses_no_work(name: str):
    jobs = synthetic(120, random.Random(7), gpus=32, load=1.2)

    found = run(name, jobs, "4x8")

    assert found.jobs == 120
    assert found.unplaced == 0
    assert 0 < found.busy_part <= 1
    assert found.jct_h >= sum(job.duration_s for job in jobs) / 120 / H


def test_the_same_trace_gives_the_same_figures():
    jobs = synthetic(80, random.Random(3), gpus=16, load=1.2)

    assert run("tiered", jobs, "2x8") == run("tiered", jobs, "2x8")


def test_our_policies_are_told_no_run_times():
    seen = [pending_of(1, a_trace_job(5, duration_s), Gang(), is_preemptible=True) for duration_s in (1.0, 9e9)]

    assert seen[0] == seen[1]
    assert not any(POLICIES[name].knows for name in ("tiered", "fair-first", "multifactor"))


# --- figures


def test_shares_are_measured_by_week_against_what_was_due():
    meter = Meter(10, {"a": 1.0, "b": 3.0})
    for account in ("a", "b"):
        meter.want(account, 10, 0.0)
    meter.hold("a", 10, 0.0)
    meter.hold("a", -10, WEEK_S)
    meter.hold("b", 10, WEEK_S)
    meter.want("a", -10, WEEK_S)
    meter.want("b", -10, 2 * WEEK_S)

    found = meter.fairness()

    assert found.weeks == pytest.approx((1.5, 0.0))  # 10 instead of 2.5, and nothing instead of 7.5
    assert found.deviation == pytest.approx(0.75)
    assert found.under == pytest.approx(0.375)
    assert found.busy == pytest.approx(1.0)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 50)),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0.1, 10)),
    st.integers(1, 100),
)
def test_max_min_gives_nobody_more_than_it_wants_and_leaves_nothing_wanted(
    wanted: dict[str, int], weights: dict[str, float], capacity: int
):
    due = max_min(wanted, weights, capacity)

    assert sum(due.values()) == pytest.approx(min(capacity, sum(wanted.values())))
    assert all(due[name] <= wanted[name] + 1e-9 for name in due)
    for name, has in due.items():
        for other, its in due.items():
            if has < wanted[name] - 1e-6:  # who has less than it wants has as much for its weight as anybody
                assert its / weights.get(other, 1.0) <= has / weights.get(name, 1.0) + 1e-6


def test_a_part_is_the_smallest_value_it_does_not_exceed():
    assert [at_part([1.0, 2.0, 3.0, 4.0], part) for part in (0.5, 0.95, 0.01)] == [2.0, 4.0, 1.0]
    assert at_part([], 0.5) == 0.0


# --- traces and clusters


def test_both_kinds_of_traces_are_read(tmp_path: Path):
    philly = tmp_path / "p.csv"
    philly.write_text("timestamp,duration,num_gpus,gpu_time,cluster\n2017-10-09 07:01:55,66.0,2,132,x\n"
                      "2017-10-09 07:00:55,5,1,5,y\n")  # fmt: skip
    own = tmp_path / "o.csv"
    own.write_text("submit_s,duration_s,gpus,user,account,gpu_type,limit_s,qos,preemptible\n"
                   "5,60,2,ann,vision,a100,120,high,no\n7,1,1,,,,,,\n")  # fmt: skip

    assert [(job.submit_s, job.gpus, job.account) for job in read(philly)] == [(0, 1, "y"), (60, 2, "x")]
    first, second = read(own)
    assert (first.user, first.account, first.gpu_type, first.limit_s, first.qos) == (
        "ann",
        "vision",
        "a100",
        120,
        "high",
    )
    assert (first.is_preemptible, second.is_preemptible, second.limit_s) == (False, None, None)


def test_a_generated_trace_is_read_as_it_was_written(tmp_path: Path):
    jobs = synthetic(50, random.Random(1), gpus=64)
    write(jobs, tmp_path / "t.csv")

    again = read(tmp_path / "t.csv")

    assert [(job.gpus, job.user, job.limit_s) for job in again] == [(job.gpus, job.user, job.limit_s) for job in jobs]
    assert all(job.limit_s is not None and job.limit_s > job.duration_s for job in jobs)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs the columns"),
        ("a,b\n1,2\n", "needs the columns"),
        ("submit_s,duration_s,gpus\n", "has no jobs"),
        ("submit_s,duration_s,gpus\n0,1,0\n", "Line 2"),
        ("submit_s,duration_s,gpus\n0,nan,1\n", "Line 2"),
        ("submit_s,duration_s,gpus\n0,-1,1\n", "Line 2"),
        ("submit_s,duration_s,gpus\n0\n", "Line 2"),
        ("submit_s,duration_s,gpus,preemptible\n0,1,1,maybe\n", "preemptible is yes"),
        ("submit_s,duration_s,gpus\n\x1b[31mred,1,1\n", "Line 2"),
    ],
)
def test_a_bad_trace_is_refused_in_one_sentence(tmp_path: Path, text: str, says: str):
    (tmp_path / "t.csv").write_text(text)

    with pytest.raises(UsageError, match=says) as refused:
        read(tmp_path / "t.csv")

    assert "\x1b" not in str(refused.value)


def test_nodes_are_told_in_words():
    assert [(n.gpus, n.gpu_type) for n in parse_nodes("2x8,1x4:v100")] == [(8, ""), (8, ""), (4, "v100")]
    for bad in ("", "8", "0x8", "70x", "1x8:a b", "99999x8"):
        with pytest.raises(UsageError):
            parse_nodes(bad)


def test_a_gang_lies_on_few_and_whole_nodes():
    assert (gang_for(4, None, 8).workers, gang_for(16, None, 8).workers, gang_for(12, None, 8).gpus_per_worker) == (
        1,
        2,
        6,
    )


# --- the command


def test_the_command_compares_policies(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    trace = str(tmp_path / "t.csv")
    assert main(["--generate", trace, "--jobs", "40", "--nodes", "2x8", "--seed", "5"]) == 0
    capsys.readouterr()

    assert main([trace, "--nodes", "2x8", "--policy", "tiered,easy", "--policy", "sjf", "--limits", "exact"]) == 0
    shown = capsys.readouterr().out
    assert main([trace, "--nodes", "2x8", "--policy", "fifo", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert "sjf*" in shown
    assert "average wait by size" in shown
    assert told[0]["policy"] == "fifo"
    assert told[0]["jobs"] == 40


@pytest.mark.parametrize(
    "words",
    [
        ["--policy", "best"],
        ["--nodes", "x"],
        ["--limits", "much"],
        ["--weights", "a=0"],
        ["--weights", "nobody=2"],
        ["missing.csv"],
        [],
    ],
)
def test_the_command_says_in_one_sentence_what_is_wrong(words: list[str], capsys: pytest.CaptureFixture[str]):
    trace = [] if "missing.csv" in words or not words else ["README.md"]

    assert main([*trace, *words]) == 2

    assert capsys.readouterr().err.count("\n") == 1


def test_a_table_tells_who_is_told_what_nobody_can_know():
    jobs = [a_trace_job(0, H)]

    shown = table([run("sjf", jobs), run("fifo", jobs)])

    assert "sjf is told run times" in shown
    assert shown.splitlines()[0].startswith("POLICY")


def test_bars_are_as_long_as_their_values():
    assert bars("x", [("a", 2.0), ("bb", 1.0)]).splitlines() == ["x", f"  a   {'█' * 40} 2", f"  bb  {'█' * 20} 1"]
    assert bars("x", [("a", 0.0)]).splitlines()[1] == "  a   0"


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_in_any_simulation_what_is_held_is_never_more_than_there_is(seed: int):
    found = run("tiered", synthetic(60, random.Random(seed), gpus=16, load=1.5), "2x8")

    assert found.busy_part <= 1 + 1e-9
    assert found.under_part <= found.deviation_part <= 2
