"""Only what changed is painted again; blocking questions hold nothing up."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from textual.strip import Strip

from gpuq.errors import UnavailableError
from gpuq_tui.feed import Feed, Wanted
from gpuq_tui.lines.line import Look, Tone
from gpuq_tui.lines.logs import LogsWanted
from gpuq_tui.threads import in_thread
from gpuq_tui.widgets.pane import changed_span, strip_of
from tests.tui.scripted import HOSTILE, ScriptedClient, a_curve, a_job, a_series

LINES = st.lists(
    st.tuples(st.text(alphabet="ab漢é ", max_size=6), st.sampled_from(list(Tone))), max_size=4
).map(tuple)  # fmt: skip


def cells_of(strip: Strip) -> list[tuple[str, Style | None]]:
    """Return each letter with its style, however they are put together in segments."""
    return [(letter, segment.style) for segment in strip for letter in segment.text]


@given(old=LINES, new=LINES)
def test_what_lies_outside_the_changed_span_is_the_same(
    old: tuple[tuple[str, Tone], ...], new: tuple[tuple[str, Tone], ...]
) -> None:
    before, after = strip_of(old, 20, Look()), strip_of(new, 20, Look())

    begin, end = changed_span(before, after) or (0, 0)

    for left, right in ((0, begin), (end, 20)):
        assert cells_of(before.crop(left, right)) == cells_of(after.crop(left, right))


def test_one_changed_number_repaints_its_cells_only() -> None:
    old = strip_of((("job 1 ", Tone.PLAIN), ("R", Tone.GOOD), (" loss 0.51", Tone.PLAIN)), 80, Look())
    new = strip_of((("job 1 ", Tone.PLAIN), ("R", Tone.GOOD), (" loss 0.49", Tone.PLAIN)), 80, Look())

    assert changed_span(old, old) is None
    assert changed_span(old, new) == (15, 17)


def test_a_question_that_hangs_does_not_hold_up_the_end() -> None:
    never = threading.Event()

    async def ask() -> None:
        async with asyncio.timeout(0.01):
            await in_thread(never.wait)

    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    hanging = [thread for thread in threading.enumerate() if thread.name == "gpuq-question"]
    assert all(thread.daemon for thread in hanging)
    never.set()
    for thread in hanging:
        thread.join()


def test_a_threads_error_comes_back() -> None:
    def fail() -> None:
        raise UnavailableError("gone")

    with pytest.raises(UnavailableError, match="gone"):
        asyncio.run(in_thread(fail))


def test_a_tag_goes_back_to_gpuqd_as_it_came() -> None:
    series = a_series(HOSTILE.replace("\udcff", ""))
    feed = Feed(ScriptedClient(queue=[a_job(1)], curves={series.tag: a_curve(series)}), Look(is_ascii=True))

    answer = feed.ask(Wanted(job_id=1, is_whole_job=True, series=series))

    assert answer.problem is None
    assert answer.curve is not None


def test_one_part_that_is_refused_does_not_hide_the_others() -> None:
    feed = Feed(ScriptedClient(queue=[a_job(1)]), Look())

    answer = feed.ask(Wanted(job_id=1, is_whole_job=True, logs=LogsWanted(ranks=(0,), offsets=(None,))))

    assert answer.job == a_job(1)
    assert answer.logs == (None,)
    assert answer.refused == {"log": "Job 1 has no log yet."}
    assert answer.problem is None
