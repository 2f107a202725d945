"""`gpuq checkpoint` and `gpuq weights` over a real gpuqd, on what TensorFlow and Keras wrote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gpuq.cli import main
from gpuq.client import Json
from tests.checkpoint.test_bundle import KEPT
from tests.support.daemon import Gpuqd, plain_gpuqd

Ask = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    """A gpuqd with three jobs: 1 with checkpoints of Keras, 2 with one whose index is damaged, 3 without any."""
    with plain_gpuqd() as daemon:
        for source in ("keras", "version_1", None):
            job = daemon.ended(daemon.enqueue("def main_fun(args, ctx): pass\n"))
            if source is not None:
                shutil.copytree(KEPT / source, _folder(job), dirs_exist_ok=True)
        index = _folder(daemon.client.job(2)) / "model.ckpt-120.index"
        index.write_bytes(index.read_bytes()[:-20])
        yield daemon


def _folder(job: Json) -> Path:
    return Path(urlsplit(str(job["checkpoint_uri"])).path)


@pytest.fixture
def ask(gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Run `gpuq`; return its exit code and what it said, on either stream."""
    monkeypatch.setenv("GPUQ_SOCKET", str(gpuqd.folder / "gpuqd.sock"))

    def run(*words: str) -> tuple[int, str]:
        code = main(words)
        return code, "".join(capfd.readouterr())

    return run


def test_the_checkpoints_of_a_job_are_listed_by_step(ask: Ask) -> None:
    code, out = ask("checkpoint", "1", "--list")

    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["STEP", "NAME", "FORMAT"],
        ["1", "ckpt-1", "tensorflow"],
        ["20", "ckpt-20", "tensorflow"],
        ["20", "model-20.keras", "keras"],
        ["20", "weights-20.weights.h5", "keras-weights"],
    ]


def test_what_a_checkpoint_holds_is_shown_by_step_or_name(ask: Ask) -> None:
    _, by_step = ask("checkpoint", "1", "--at", "1")
    _, by_name = ask("checkpoint", "1", "--at", "model-20.keras", "--json")

    assert "ckpt-1 (step 1): 14 variables" in by_step
    assert "sequential/first/kernel (4, 3) float32 48 B" in " ".join(by_step.split())
    assert [one["name"] for one in json.loads(by_name)["weights"]][:2] == ["first/0", "first/1"]


def test_a_distribution_is_drawn_in_ascii_and_told_in_numbers(ask: Ask) -> None:
    _, out = ask(
        "weights", "1", "sequential/first/kernel", "--at", "ckpt-20", "--ascii", "--bins", "4", "--width", "60"
    )
    _, told = ask("weights", "1", "sequential/first/kernel", "--at", "ckpt-20", "--bins", "4", "--json")

    lines, found = out.splitlines(), json.loads(told)
    assert out.isascii()
    assert lines[2] == "12 numbers: 0 zero, 0 NaN, 0 infinite"
    assert [int(line.split()[-1]) for line in lines[3:]] == found["counts"]
    assert max(map(len, lines)) <= 60
    assert sum(found["counts"]) == 12


def test_what_changed_between_two_steps_is_a_distribution_too(ask: Ask) -> None:
    _, told = ask("weights", "1", "sequential/first/bias", "--at", "20", "--minus", "1", "--json")
    _, same = ask("weights", "1", "sequential/first/bias", "--at", "ckpt-1", "--minus", "ckpt-1", "--json")

    assert 0 < max(abs(json.loads(told)["low"]), abs(json.loads(told)["high"])) < 0.01  # one step of Adam
    assert (json.loads(same)["low"], json.loads(same)["high"], json.loads(same)["zeros"]) == (0, 0, 3)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("checkpoint", "3"), 3, "Job 3 has no checkpoint: its script saves them"),
        (("checkpoint", "9"), 3, "no job 9"),
        (("checkpoint", "1", "--at", "7"), 3, "Job 1 has no checkpoint 7; it has ckpt-1, ckpt-20, model-20.keras"),
        (("checkpoint", "2"), 1, "Checkpoint model.ckpt-120 of job 2 cannot be read: the file is no table"),
        (("weights", "1", "sequential/frist/kernel"), 3, "did you mean"),
        (("weights", "1", "sequential/first/kernel", "--at", "ckpt-20", "--minus", "5"), 3, "no checkpoint 5"),
        (("weights", "1"), 2, "Missing argument 'NAME'"),
    ],
)
def test_a_mistake_is_one_sentence(ask: Ask, words: tuple[str, ...], code: int, said: str) -> None:
    ended, out = ask(*words)

    assert (ended, len(out.splitlines())) == (code, 1)
    assert said in out
