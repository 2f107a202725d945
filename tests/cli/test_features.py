"""Commands that change jobs, and the options that ask for features, against a scripted daemon on a real socket."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gpuq.asking import READERS
from gpuq.cli.commands.update import FIELDS
from gpuq.models import JobState, PriorityTerm, Rank, Reason, Why
from gpuq.script import FLAGS, OPTIONS
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, Problem, a_job

FUNCTIONS = "def main_fun(args, ctx):\n    pass\ndef feed(sc, args):\n    pass\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script that can be queued, with options in its head."""
    path = tmp_path / "train.py"
    path.write_text("#GPUQ --exclusive -H --nice 5\n#GPUQ --array 0-3%2\n" + FUNCTIONS)
    return path


def test_every_option_becomes_its_field(daemon: FakeDaemon, gpuq: Gpuq, script: Path) -> None:
    daemon.answers["POST /v1/jobs"] = a_job(array_id=12, array_index=0, hold="user")
    words = (
        "-A bio -q fast --gpu-type a100 -N 2 --layout spread -c 4 -m 16G --nice -3 -t 1h --signal 60 "
        "--begin 2030-01-02T03:04 --deadline 2030-02-01 -d afterok:3:4,singleton --reservation night "
        "--ps 2 --evaluator --cpus-per-ps 3 --memory-per-ps 1G --epochs 3 --independent"
    )

    done = gpuq("enqueue", *words.split(), str(script))

    spec = daemon.asked[0][3]
    wanted: dict[str, Any] = {
        "account": "bio",
        "qos": "fast",
        "gpu_type": "a100",
        "nodes": 2,
        "exclusive": True,
        "layout": "spread",
        "cpus_per_worker": 4,
        "memory_mib_per_worker": 16384,
        "nice": -3,
        "time_limit_s": 3600,
        "signal_s": 60,
        "hold": True,
        "array": "0-3%2",
        "dependency": "afterok:3:4,singleton",
        "reservation": "night",
        "ps": 2,
        "evaluator": True,
        "cpus_per_ps": 3,
        "memory_mib_per_ps": 1024,
        "epochs": 3,
        "independent": True,
        "begin_at": time.mktime((2030, 1, 2, 3, 4, 0, 0, 0, -1)),
        "deadline": time.mktime((2030, 2, 1, 0, 0, 0, 0, 0, -1)),
    }
    assert {name: spec[name] for name in wanted} == wanted
    assert done.out == "Queued array 12 (digits_sync): 2 workers x 1 GPU a task, held until `gpuq release 12`.\n"


def test_every_option_of_a_script_has_a_reader_and_so_has_every_field_of_update() -> None:
    assert set(OPTIONS.values()) == set(READERS)
    assert set(FIELDS.values()) | {"hold", "array", "files", "sweep"} == set(READERS)
    assert set(READERS) >= FLAGS


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--begin", "soon"], "not a time"),
        (["--nodes", "0"], "cannot have 0 nodes"),
        (["--layout", "heap"], "use pack or spread"),
        (["--memory-per-worker", "much"], "not an amount of memory"),
        (["--nice", "very"], "give a whole number"),
        (["--ps", "many"], "a number of parameter servers"),
        (["--cpus-per-ps", "0"], "cannot have 0 CPUs per parameter server"),
        (["--gpu-type", "\x1b[31m"], "cannot be a GPU model's name"),
        (["--array", " "], "is not an array"),
        (["--signal", "soon"], "not a time limit"),
        (["--wait"], "follows one job, not an array"),
    ],
)
def test_a_bad_option_is_one_sentence_and_asks_nobody(
    daemon: FakeDaemon, gpuq: Gpuq, script: Path, words: list[str], says: str
) -> None:
    done = gpuq("enqueue", *words, str(script))

    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1
    assert "\x1b" not in done.err
    assert daemon.asked == []


def test_a_flag_in_a_script_takes_no_value(daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("#GPUQ --exclusive=no\ndef main_fun(args, ctx): pass\n")

    assert "line 1: --exclusive takes no value" in gpuq("enqueue", str(path)).err


@pytest.mark.parametrize(
    ("reason", "start_at", "says"),
    [
        (None, None, "would start now"),
        (Reason.RESOURCES, 86_400.0, "It would start by 1970-01-0"),
        (Reason.PRIORITY, None, "not known when"),
    ],
)
def test_test_only_says_when_and_queues_nothing(
    daemon: FakeDaemon, gpuq: Gpuq, script: Path, reason: Reason | None, start_at: float | None, says: str
) -> None:
    daemon.answers["POST /v1/jobs/test"] = Why(
        job_id=1,
        state=JobState.PENDING,
        reason=reason,
        text="\x1bneeds much",
        needs_gpus=1,
        free_gpus=0,
        total_gpus=2,
        start_at=start_at,
        hindrances=("java: no java -> install Java 17",),
    )

    done = gpuq("enqueue", "--dry-run", str(script))

    assert says in done.out
    assert "Here it lacks java: no java -> install Java 17\n" in done.out
    assert "\x1b" not in done.out
    assert [asked[1] for asked in daemon.asked] == ["/v1/jobs/test"]


@pytest.mark.parametrize(
    ("words", "path", "query", "says"),
    [
        (["hold", "12"], "hold", {}, "Job 12 (digits_sync) is held."),
        (["hold", "--admin", "12"], "hold", {"as_admin": "true"}, "Job 12 (digits_sync) is held."),
        (["release", "12_3"], "release", {"index": "3"}, "Job 12 (digits_sync) is released."),
        (["requeue", "-H", "12"], "requeue", {"is_held": "true"}, "Job 12 (digits_sync) is to run again."),
        (["update", "12", "priority=top"], "top", {"on": "true"}, "Job 12 (digits_sync) is changed."),
    ],
)
def test_a_change_is_asked_for_and_said(
    daemon: FakeDaemon, gpuq: Gpuq, words: list[str], path: str, query: dict[str, str], says: str
) -> None:
    daemon.answers[f"POST /v1/jobs/12/{path}"] = a_job()

    done = gpuq(*words)

    assert done.out == f"{says}\n"
    assert daemon.asked[0][2] == query


def test_an_array_and_its_tasks_are_told_apart(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(array_id=12, array_index=0),
        "POST /v1/jobs/12/hold": a_job(array_id=12, array_index=0),
        "POST /v1/jobs/12/cancel": a_job(array_id=12, array_index=0),
    }

    assert gpuq("hold", "12").out == "Array 12 (digits_sync): its tasks are held.\n"
    assert gpuq("hold", "12_0").out == "Job 12_0 (digits_sync) is held.\n"
    assert "All tasks of array 12" in gpuq("cancel", "12").out
    assert gpuq("cancel", "12_0").out == "Job 12_0 (digits_sync) is being cancelled.\n"
    assert gpuq("cancel", "12_x").code == 2


def test_what_one_job_refuses_does_not_keep_the_others_from_it(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "POST /v1/jobs/1/hold": Problem(400, "Job 1 is RUNNING\x1b: only a pending job can be held."),
        "POST /v1/jobs/2/hold": a_job(id=2),
    }

    done = gpuq("hold", "1", "2")

    assert (done.code, done.out) == (2, "Job 2 (digits_sync) is held.\n")
    assert done.err == "gpuq: Job 1 is RUNNING\\x1b: only a pending job can be held.\n"


def test_update_reads_fields_as_enqueue_does_and_takes_them_back(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["PATCH /v1/jobs/12"] = a_job()

    done = gpuq("update", "12", "time=2h", "nice=10", "dependency=none", "exclusive=yes", "throttle=8")

    assert done.code == 0
    assert daemon.asked[0][3] == {
        "time_limit_s": 7200,
        "nice": 10,
        "dependency": None,
        "exclusive": True,
        "throttle": 8,
    }
    for words, says in {
        "tme=2h": "did you mean time?",
        "time": "write FIELD=VALUE",
        "time=x": "time: 'x' is not a time limit",
        "priority=9": "use top or normal",
    }.items():
        assert says in gpuq("update", "12", words).err
    assert len(daemon.asked) == 1


def test_prio_prints_every_term_and_their_sum(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(is_top=True),
        "GET /v1/jobs/12/priority": [
            PriorityTerm(name="age", factor=0.5, weight=1000, points=500),
            PriorityTerm(name="nice", factor=0.0, weight=0, points=-20),
        ],
    }

    lines = gpuq("prio", "12").out.splitlines()

    assert [line.split() for line in lines[:4]] == [
        ["TERM", "WEIGHT", "FACTOR", "POINTS"],
        ["age", "1000", "0.500000", "500"],
        ["nice", "-", "-", "-20"],
        ["priority", "480"],
    ]
    assert "priority top" in lines[4]


def test_a_script_must_have_what_its_way_to_train_calls(daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("def main_fun(args, ctx):\n    pass\n")
    assert "has no feed at top level; define `def feed(sc, args):`" in gpuq("enqueue", "--epochs", "2", str(path)).err
    assert daemon.asked == []


FITS = """
def main_fun(args, ctx):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    model.fit(data)
"""


def test_a_fit_that_keras_cannot_do_is_told_at_once(daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path) -> None:
    daemon.answers["POST /v1/jobs"] = a_job()
    path = tmp_path / "train.py"
    path.write_text(FITS)
    assert f"{path} line 4: model.fit of Keras 3 fails" in gpuq("enqueue", "-w", "2", str(path)).err
    assert gpuq("enqueue", str(path)).err == ""  # one worker is well

    path.write_text("import tf_keras" + FITS)
    assert gpuq("enqueue", "-w", "2", str(path)).err == ""


@pytest.mark.parametrize(
    ("state", "taken", "says"),
    [
        ("RUNNING", [700, None], "700 rows, for 3 epochs in all"),
        ("COMPLETED", [2000, 2500], "4500 rows = 1500 x 3 epochs"),
        ("COMPLETED", [2000, 2501], "4501 rows, for 3 epochs in all"),
    ],
)
def test_show_tells_the_rows_that_were_fed(
    daemon: FakeDaemon, gpuq: Gpuq, state: str, taken: list[int | None], says: str
) -> None:
    ranks = tuple(Rank(rank=number, role="worker", host="h", rows=rows) for number, rows in enumerate(taken))
    daemon.answers["GET /v1/jobs/12"] = a_job(state=JobState(state), epochs=3, ranks=ranks)

    assert f"{says}\n" in gpuq("show", "12").out


def test_show_tells_what_a_job_asks_for(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/jobs/12"] = a_job(
        account="bio",
        gpu_type="a100",
        nodes_wanted=2,
        exclusive=True,
        nice=5,
        hold="admin",
        dependency="afterok:3",
        array_id=12,
        array_index=0,
        throttle=4,
        ps=1,
        evaluator=True,
        cpus_per_ps=2,
        memory_mib_per_ps=512,
    )

    out = gpuq("show", "12_0").out

    assert "2 workers x 1 GPU, 1 parameter server, an evaluator (2 virtual GPUs)" in out
    assert "2 CPUs a parameter server, 512 MiB a parameter server" in out
    assert "bio, QOS normal" in out
    assert "GPUs of model a100, 2 nodes, whole nodes" in out
    assert "held by admin, nice 5, after afterok:3" in out
    assert "task 0 of array 12, 4 at once" in out
