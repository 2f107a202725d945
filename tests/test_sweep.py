"""Every combination of some values is a task, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.errors import UsageError
from gpuq.models import Hparam
from gpuq.sweep import combination, count, parse, words
from gpuq_daemon.api.comparison import swept
from tests.support.daemon import plain_gpuqd
from tests.support.fake_daemon import a_job

TEXT = "lr=1e-3,1e-4 batch=32,64 seed=0..2"


def test_the_last_axis_turns_quickest() -> None:
    axes = parse(TEXT)

    assert count(axes) == 12
    assert words(axes, 0) == ["--lr", "1e-3", "--batch", "32", "--seed", "0"]
    assert words(axes, 1) == ["--lr", "1e-3", "--batch", "32", "--seed", "1"]
    assert words(axes, 11) == ["--lr", "1e-4", "--batch", "64", "--seed", "2"]


names = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)


@given(names, st.data())
def test_every_combination_comes_once(chosen: list[str], data: st.DataObject) -> None:
    sizes = [data.draw(st.integers(1, 4)) for _ in chosen]
    axes = parse(" ".join(f"{name}=0..{size - 1}" for name, size in zip(chosen, sizes, strict=True)))

    found = {tuple(combination(axes, index).items()) for index in range(count(axes))}

    assert len(found) == count(axes)


@pytest.mark.parametrize(
    "text",
    ["", " ", "lr", "lr=", "=1", "lr=1,,2", "lr=1,1", "lr=1 lr=2", "1r=1", "l r=1", "lr=a\x1b", "a=0..9999 b=0..9",
     "a=0..99999999", "x" * 20_000, "--lr=1", "a=5..1", "a=-1..3",
     "a=0.1..0.5", "a=\u0663..\u0665"],
)  # fmt: skip
def test_what_is_no_sweep_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)

    assert str(refused.value).isprintable()


@given(st.text(alphabet=st.sampled_from("ab=,.0129 -%"), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        axes = parse(text)
    except UsageError:
        return
    assert len(words(axes, count(axes) - 1)) == 2 * len(axes)


def test_what_a_task_was_given_counts_as_its_hyperparameters() -> None:
    task = a_job(array_id=12, array_index=3, sweep="lr=1,2 b=3,4")

    assert swept(task) == (Hparam(name="lr", value="2"), Hparam(name="b", value="4"))
    assert swept(a_job()) == ()


def test_each_task_runs_with_its_own_words_and_can_be_had_again() -> None:
    script = "def main_fun(args, ctx): print(args[1:], flush=True)\n"
    asked = {"script_name": "t.py", "script": script, "args": ["x"], "sweep": "lr=1,2 b=3,4", "array": "%2"}
    with plain_gpuqd() as gpuqd:
        client = gpuqd.client
        first = client.enqueue(asked)
        tasks = client.jobs(everything=True)
        for task in tasks:
            client.wait(task["id"], timeout_s=60)
        logs = [client.logs(task["id"], rank=0)["data"] for task in tasks]
        spec = client.spec(first["id"], index=3)
        with pytest.raises(UsageError, match="none 9"):
            client.enqueue(asked | {"array": "9"})
        part = client.enqueue(asked | {"array": "3"})

    assert first["args"] == ["x", "--lr", "1", "--b", "3"]
    assert part["args"] == ["x", "--lr", "2", "--b", "4"]
    assert [task["args"][2::2] for task in tasks] == [["1", "3"], ["1", "4"], ["2", "3"], ["2", "4"]]
    assert ["'--lr', '2', '--b', '3'" in log for log in logs] == [False, False, True, False]
    assert (spec["args"], spec["sweep"]) == (["x", "--lr", "2", "--b", "4"], None)
