"""Looking at jobs that are chosen by what they are: the same options as for what changes them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gpuq.cli import main
from tests.support.daemon import Gpuqd, plain_gpuqd
from tests.test_curves_course import _WRITES, a_training  # pyright: ignore[reportPrivateUsage]


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    """A gpuqd with two trainings, and an array of two that has ended."""
    with plain_gpuqd() as daemon:
        script = _WRITES.format(name="events.out.tfevents.1", data=a_training(0.05))
        for name in ("resnet", "bert"):
            daemon.ended(daemon.enqueue(script, name=name))
        array = daemon.enqueue(script, array="5-6", name="sweep")
        for task in (array, array + 1):
            daemon.ended(task)
        yield daemon


def said(gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what a command prints."""
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)
    code = main(words)
    seen = capfd.readouterr()
    assert code == 0, seen.err
    return seen.out


def test_several_jobs_are_shown_one_after_the_other(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def ids(*words: str) -> list[int]:
        out = said(gpuqd, monkeypatch, capfd, "show", *words, "--json")
        return [json.loads(line)["id"] for line in out.splitlines()]

    assert ids("1-2") == [1, 2]
    assert ids("2,1") == [2, 1]
    assert ids("-n", "b*") == [2]
    assert ids("3_5-6") == [3, 4]
    assert ids("-s", "CD", "-u", "me") == [1, 2, 3, 4]
    assert said(gpuqd, monkeypatch, capfd, "show", "1-2").count("resnet") == 1


def test_an_array_among_several_is_shown_with_all_its_tasks(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = said(gpuqd, monkeypatch, capfd, "show", "1", "3")

    assert "Array 3: 2 tasks: 2 COMPLETED." in out
    assert out.startswith("Job")


def test_a_number_that_no_job_has_is_said_where_the_queue_is_asked_for_it(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert [one["id"] for one in json.loads(said(gpuqd, monkeypatch, capfd, "queue", "2", "3_6", "--json"))] == [2, 4]
    assert [one["id"] for one in json.loads(said(gpuqd, monkeypatch, capfd, "queue", "3", "--json"))] == [3, 4]
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)
    for words in (["queue", "999"], ["queue", "900-999", "--json"], ["queue", "1", "-s", "pend"]):
        assert main(words) == 3
        seen = capfd.readouterr()
        assert seen.out == ""
        assert "There is no" in seen.err


def test_what_was_cancelled_before_it_began_has_no_exit_code(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    number = gpuqd.enqueue("def main_fun(args, ctx):\n    pass\n", hold=True, name="never")
    gpuqd.client.cancel(number)
    gpuqd.ended(number)

    table = said(gpuqd, monkeypatch, capfd, "history", "-n", "never").splitlines()
    columns = said(gpuqd, monkeypatch, capfd, "history", "-n", "never", "-o", "id,exit_code", "--csv").splitlines()

    assert dict(zip(table[0].split(), table[1].split(), strict=False))["EXIT"] == "-"
    assert columns == ["id,exit_code", f"{number},"]


def test_curves_and_comparisons_take_jobs_by_what_they_are(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = said(gpuqd, monkeypatch, capfd, "plot", "--name", "*e*t", "loss", "--json")
    assert [json.loads(line)["series"]["job_id"] for line in out.splitlines()] == [1, 2]

    out = said(gpuqd, monkeypatch, capfd, "compare", "--name", "*e*t", "--user", "me", "loss", "--json")
    assert [json.loads(line)["tag"] for line in out.splitlines()] == ["loss"]


def test_tasks_that_are_compared_are_called_by_their_place(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = said(gpuqd, monkeypatch, capfd, "compare", "3", "loss", "--no-chart")

    assert [line.split()[0] for line in out.splitlines()[2:5]] == ["JOB", "3_5", "3_6"]


def test_a_task_is_called_by_its_arrays_name_in_the_history_too(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("history", "-n", "sweep", "-o", "id,number,array_index,workers,attempt,end_reason,script_name")

    out = said(gpuqd, monkeypatch, capfd, *words, "--no-header")

    assert [line.split() for line in sorted(out.splitlines())] == [
        ["3_5", "3", "5", "1", "1", "job.py"], ["3_6", "4", "6", "1", "1", "job.py"],
    ]  # fmt: skip
    assert "3_6" in said(gpuqd, monkeypatch, capfd, "history")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("show", 2, "Name a job by its ID"),
        ("show -n none", 3, "no job that all of that fits"),
        ("show 1-2 --code", 2, "one job"),
        ("plot", 2, "Name the jobs"),
        ("plot --name none loss", 3, "no job"),
        ("compare --name bert", 2, "two jobs"),
        ("show 1 99", 3, "99"),
    ],
)
def test_what_chooses_none_is_said(
    gpuqd: Gpuqd,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: str,
    code: int,
    says: str,
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)

    assert main(words.split()) == code
    assert says in capfd.readouterr().err
