"""The pure parts: text of a width, spans, filters, the log's tail, the header, what to chart."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gpuq.models import Cluster, Holder, JobState, Node, Progress, Reason, Why
from gpuq.summaries import SeriesKind
from gpuq_tui.foreign import cleaned, cleaned_log
from gpuq_tui.lines.chart import chart_lines, chartable, first_shown
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.filters import matcher
from gpuq_tui.lines.header import Contact, gpus, problems
from gpuq_tui.lines.line import Look, fit, line, plain, wrap
from gpuq_tui.lines.log import MOST_LINES, LogPiece, LogTail, folded
from gpuq_tui.lines.queue import Columns, free_gpus, note, progress, row
from gpuq_tui.lines.scale import Scale
from gpuq_tui.lines.why import why_lines
from gpuq_tui.terminal import look_of
from tests.tui.scripted import HOSTILE, NOW, a_curve, a_job, a_running_job, a_series

LOOK = Look()


@given(text=st.text(), width=st.integers(0, 60), right=st.booleans())
def test_fitted_text_has_exactly_its_width(text: str, width: int, right: bool) -> None:
    clean = cleaned(text, LOOK)

    assert cell_len(fit(clean, width, LOOK, right=right)) == width


@given(text=st.text(), width=st.integers(2, 60))
def test_wrapped_lines_are_not_wider_and_lose_only_spaces(text: str, width: int) -> None:
    clean = cleaned(text, LOOK)

    lines = wrap(clean, width, most=10_000)

    assert all(cell_len(part) <= width for part in lines)
    assert "".join(lines).replace(" ", "") == clean.replace(" ", "")


@given(text=st.text())
def test_cleaned_text_of_an_ascii_terminal_is_printable_ascii(text: str) -> None:
    shown = cleaned({"a": [text]}, Look(is_ascii=True))["a"][0]

    assert shown.isascii()
    assert shown.isprintable() or not shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (599, "9m"), (600, "10m"), (3600, "1h00m"),
     (86_399, "23h59m"), (86_400, "1d00h"), (8_640_000, "100d")],
)  # fmt: skip
def test_spans_are_short(seconds: float, words: str) -> None:
    assert short(seconds) == words


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True), ("RES alice", True), ("resnet bob", False), ("!bob", True), ("!alice", False), ("!", True),
        ("user=ali", False), ("user=ali*", True), ("user~lic", True), ("user=resnet", False), ("user!=bob", True),
        ("state=run", True), ("state=R", True), ("state=pd", False), ("/RES.*50/", True), ("/50.*res/", False),
        ("/(/", False), ("gpus>", False), ("gpus>1", True), ("gpus>2", False),
        ("gpus>=2 gpus<=2 gpus=2", True), ("id=12", True), ("id=1", False), ("node=n1", True), ("colour=red", False),
        ("[bold", False), ("!gpus>2", True),
    ],
)  # fmt: skip
def test_a_filter_keeps_what_it_says(text: str, passes: bool) -> None:
    assert matcher(text)(a_running_job(12, name="resnet50")) is passes


def a_piece(data: str, offset: int, **changes: int | bool) -> LogPiece:
    """Return a piece that reaches the log's end."""
    end = offset + len(data)
    return LogPiece(data=data, offset=offset, next_offset=end, size=int(changes.get("size", end)), is_final=False)


@given(data=st.text(alphabet="ab\n", max_size=60), cuts=st.lists(st.integers(0, 60)))
def test_a_log_reads_the_same_in_any_pieces(data: str, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    tail = LogTail().with_piece(a_piece("", 0))
    for begin, end in itertools.pairwise(edges):
        tail = tail.with_piece(a_piece(data[begin:end], begin))

    assert [plain(part) for part in tail.view()] == data.removesuffix("\n").split("\n") if data else True
    assert tail.next_offset == len(data)


def test_a_tail_begins_with_a_whole_line_and_starts_anew_when_the_log_shrank() -> None:
    tail = LogTail().with_piece(a_piece("alf\nwhole\nnew", 100))

    assert (tail.lines, tail.partial) == (("whole",), "new")
    assert tail.with_piece(a_piece("", 50)) == LogTail()


def test_of_a_log_that_ends_with_one_long_line_that_is_shown() -> None:
    tail = LogTail().with_piece(a_piece("its end is here\n", 100))
    assert [plain(row) for row in tail.view()] == ["its end is here"]
    assert [plain(row) for row in tail.with_piece(a_piece("next\n", 116)).view()] == ["next"]
    assert tail.with_earlier(a_piece("before\nand ", 89)).lines == ("and its end is here",)


def test_a_log_is_kept_within_bounds() -> None:
    tail = LogTail().with_piece(a_piece("x" * 100_000 + "\n" + "y\n" * (MOST_LINES + 1000) + "z" * 100_000, 0))

    assert len(tail.lines) == MOST_LINES
    assert max(len(plain(part)) for part in tail.view()) <= 4000


def test_log_text_keeps_lines_and_shows_controls() -> None:
    assert cleaned_log("a\tb\r\n\x1b[31mü", Look(is_ascii=True)) == "a\tb\n\\x1b[31m\\xfc"


def test_busy_gpus_are_counted_by_kind_and_nodes_that_are_down_are_not() -> None:
    def node(kind: str, free: int, *, is_up: bool = True) -> Node:
        return Node(name="n", partition="p", host="h", gpu_kind=kind, gpus=4, free_gpus=free, is_up=is_up)

    cluster = Cluster(
        name="c",
        version="1",
        pid=1,
        engine_ok=True,
        nodes=(node("A100", 1), node("A100", 4), node("T4", 0, is_up=False)),
    )

    assert gpus(cluster) == "3 of 8 A100s busy  1 node down"
    assert gpus(Cluster(name="c", version="1", pid=1, engine_ok=True)) == "no nodes"


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        (Contact(answered_at=99.0), []),
        (Contact(answered_at=90.0), ["gpuqd does not answer (10s ago): still waiting"]),
        (Contact(problem="refused"), ["gpuqd does not answer: refused"]),
        (Contact(answered_at=99.0, problem="gpuqd does not answer at /s."), ["gpuqd does not answer (1s ago) at /s."]),
    ],
)
def test_trouble_with_gpuqd_is_said(contact: Contact, said: list[str]) -> None:
    assert problems(None, contact, 100.0) == said


@pytest.mark.parametrize("state", list(JobState))
@pytest.mark.parametrize("width", [0, 20, 80, 300])
def test_every_state_has_a_row_of_the_tables_width(state: JobState, width: int) -> None:
    job = a_job(1, name=HOSTILE, state=state, reason=None)

    text = plain(row(job, Columns.of(width, 4), now=NOW, look=LOOK))

    assert cell_len(text) <= max(width - 2, 60)
    assert cell_len(text) == width - 2 or width < 60


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (a_job(reason=Reason.ENGINE_DOWN), "EngineDown"),
        (a_job(reason=None), "not yet looked at"),
        (a_job(state=JobState.CONFIGURING), "0 of 2 nodes reserved, waiting for 2 more"),
        (
            a_job(state=JobState.CONFIGURING, ps=1, evaluator=True),
            "0 of 4 nodes reserved, waiting for 4 more",
        ),
        (a_running_job(progress=None), "no values yet"),
        (a_running_job(), "loss 0.5 @ 40 v"),
        (a_running_job(progress=Progress(tag="loss", step=0, value=0.0, wall_time=NOW)), "loss 0 @ 0"),
        (a_job(state=JobState.FAILED, exit_code=0), "exit 0"),
        (a_job(state=JobState.FAILED), "exit unknown"),
        (a_job(state=JobState.TIMEOUT, error="over its limit"), "over its limit"),
        (a_job(state=JobState.COMPLETING), "ending"),
    ],
)
def test_a_row_ends_with_the_most_telling_thing(job: object, words: str) -> None:
    assert note(job) == words  # type: ignore[arg-type] - a list of Jobs in a decorator loses its type


@pytest.mark.parametrize(
    ("width", "words"), [(80, "Resources: needs 2 GPUs, 3 free"), (31, "Resources: needs 2 GPUs, 3 free"),
                         (30, "needs 2 GPUs, 3 free")],
)  # fmt: skip
def test_a_waiting_jobs_arithmetic_is_of_its_partitions_nodes_and_fits(width: int, words: str) -> None:
    def node(partition: str, free: int, *, is_up: bool = True) -> Node:
        return Node(name="n", partition=partition, host="h", gpu_kind="A100", gpus=4, free_gpus=free, is_up=is_up)

    nodes = (node("main", 1), node("main", 2), node("other", 4), node("main", 4, is_up=False))
    free = free_gpus(Cluster(name="c", version="1", pid=1, engine_ok=True, nodes=nodes))

    assert note(a_job(), free, width=width) == words


@pytest.mark.parametrize(
    ("value", "previous", "words"),
    [(0.4123, 0.5, "loss 0.4123 @ 240 v"), (0.5, 0.4, "loss 0.5 @ 240 ^"), (0.5, 0.5, "loss 0.5 @ 240"),
     (0.5, None, "loss 0.5 @ 240"), (None, 0.5, "loss NaN @ 240")],
)  # fmt: skip
def test_progress_reads_as_in_the_queue_of_the_command_line(value: float, previous: float | None, words: str) -> None:
    assert progress(Progress(tag="loss", step=240, value=value, wall_time=NOW, previous=previous)) == words


@given(text=st.text(alphabet="a 漢", max_size=100), width=st.integers(2, 30))
def test_a_folded_line_loses_nothing_and_fits(text: str, width: int) -> None:
    rows = [plain(part) for part in folded(line(text), width)]

    assert "".join(rows) == text
    assert all(cell_len(part) <= width for part in rows)


def test_why_shows_the_arithmetic_and_who_holds_gpus() -> None:
    why = Why(
        job_id=1, state=JobState.PENDING, reason=Reason.PRIORITY, text="Three jobs are ahead.", needs_gpus=2,
        free_gpus=0, total_gpus=4, jobs_ahead=3, gpus_ahead=6,
        held_by=(Holder(job_id=9, user="bob", gpus=4, until=NOW + 60), Holder(job_id=8, user="eve", gpus=1)),
    )  # fmt: skip

    text = "\n".join(plain(part) for part in why_lines(a_job(1), why, now=NOW, width=80, look=LOOK))

    assert "Why   Three jobs are ahead." in text
    assert "needs 2, free 0 of 4; 3 jobs ahead want 6" in text
    one = replace(why, jobs_ahead=1, gpus_ahead=2)
    assert any("1 job ahead wants 2" in plain(part) for part in why_lines(a_job(1), one, now=NOW, width=80, look=LOOK))
    assert "4 GPUs by job 9 of bob (at most 1m more)" in text
    assert "1 GPU by job 8 of eve (no time limit)" in text


def test_why_of_another_job_is_not_shown_as_this_ones() -> None:
    why = Why(job_id=2, state=JobState.PENDING, reason=None, text="of job 2", needs_gpus=9, free_gpus=9, total_gpus=9)

    text = "\n".join(plain(part) for part in why_lines(a_job(1), why, now=NOW, width=80, look=LOOK))

    assert "of job 2" not in text
    assert "9" not in text


def test_one_scalar_of_each_tag_is_charted_from_the_newest_attempt_and_first_rank() -> None:
    newest = a_series("loss", attempt=2, rank=0)
    series = [
        a_series("loss"), a_series("loss", attempt=2, rank=1), newest, a_series("acc"),
        a_series("weights", kind=SeriesKind.HISTOGRAM),
    ]  # fmt: skip

    found = chartable(series)

    assert found == (a_series("acc"), newest)
    assert first_shown(found, a_job()) == newest
    acc = Progress(tag="acc", step=1, value=1.0, wall_time=NOW)
    assert first_shown(found, a_running_job(progress=acc)) == a_series("acc")
    assert first_shown((), a_job()) is None


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("size", [(0, 0), (24, 7), (80, 8), (200, 50)])
def test_a_chart_stays_in_its_room(size: tuple[int, int], is_ascii: bool) -> None:
    curve = a_curve(a_series(HOSTILE), [float(i % 7) for i in range(100)])

    lines = chart_lines([curve], "", Scale(), width=size[0], height=size[1], look=Look(is_ascii=is_ascii))

    assert len(lines) <= max(1, size[1])
    assert all(cell_len(plain(part)) <= size[0] for part in lines)
    assert all(plain(part).isprintable() for part in lines)
    assert not is_ascii or all(plain(part).isascii() for part in lines)


def test_smoothing_goes_in_steps_and_stops_at_the_ends() -> None:
    scale = Scale()
    for _ in range(20):
        scale = scale.smoother(1)

    assert scale.smooth == 0.99
    assert scale.smoother(-1).smooth == 0.95
    assert scale.smoother(0) == Scale().smoother(-1) == Scale()


@pytest.mark.parametrize(
    ("environ", "is_utf8_mode", "is_ascii"),
    [
        ({"LANG": "en_US.UTF-8"}, False, False),
        ({"LANG": "C.utf8"}, False, False),
        ({"LANG": "C"}, False, True),
        ({}, False, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False, False),
        ({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, True, True),
        ({"LC_ALL": "", "LANG": "de_DE.UTF-8"}, False, False),
        ({"LANG": "de_DE.UTF-8", "GPUQ_ASCII": "1"}, False, True),
        ({"LANG": "C", "GPUQ_ASCII": "0"}, False, False),
    ],
)
def test_the_terminal_gets_ascii_where_its_locale_is_not_utf8(
    environ: dict[str, str], is_utf8_mode: bool, is_ascii: bool
) -> None:
    assert look_of(environ, is_utf8_mode=is_utf8_mode).is_ascii is is_ascii


def test_a_job_that_ended_without_a_start_has_no_time() -> None:
    never = a_job(state=JobState.CANCELLED, ended_at=NOW - 10)
    waiting = a_job(submitted_at=NOW - 180)

    shown, also = (plain(row(job, Columns.of(80, 4), now=NOW, look=LOOK)).split() for job in (never, waiting))

    assert (shown[5], also[5]) == ("-", "3m")
