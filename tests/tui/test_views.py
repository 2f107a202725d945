"""The views beside the queue, and how everything is done as a line of gpuq."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from gpuq.gpus import Gpu, GpuState, Stranger
from gpuq.models import JobState, Node, Rank, RankState
from gpuq.sharing import Drain, ShareRow
from gpuq.tracing import Trace, TracedPod
from gpuq_tui.lines.line import Look
from gpuq_tui.lines.nodes import detail_lines, row
from gpuq_tui.screens.charts import ChartsScreen
from gpuq_tui.screens.confirm import Confirm
from gpuq_tui.screens.job import JobScreen
from gpuq_tui.screens.menu import Menu
from gpuq_tui.screens.output import OutputScreen
from gpuq_tui.screens.prompt import Prompt
from gpuq_tui.screens.queue import QueueScreen
from gpuq_tui.screens.trace import TraceScreen
from gpuq_tui.screens.why import WhyScreen
from tests.tui.scripted import (
    HOSTILE,
    NOW,
    ScriptedClient,
    a_curve,
    a_job,
    a_running_job,
    a_series,
    an_app,
    as_json,
    piloted,
    screen_text,
)


def a_share(account: str, user: str | None, depth: int, **changes: object) -> ShareRow:
    row = ShareRow(
        account=account, user=user, depth=depth, shares=1, usage=7200.0, used=0.5, due=0.25, level_fs=0.5,
        is_first=False, rank=None, factor=None, back_s=3600.0,
    )  # fmt: skip
    return replace(row, **changes)  # pyright: ignore[reportArgumentType] - fields by name


def a_client() -> ScriptedClient:
    running = a_running_job(
        1,
        name="resnet",
        application_id="app-1",
        ranks=(
            Rank(rank=0, role="chief", host="h1", node="n1", pid=70, gpus=("0",), state=RankState.RUNNING),
            Rank(rank=1, role="worker", host="h1", node="n1", pid=71, gpus=("1",), state=RankState.FAILED, exit_code=9),
        ),
        failed_rank=1,
    )
    return ScriptedClient(
        queue=[running, a_job(2, name="bert", user="bob"), a_job(3, hold="user")],
        curves={tag: a_curve(a_series(tag), [3.0, 2.0, 1.0]) for tag in ("acc", "loss", "lr", "norm", "speed")},
        share_rows=[a_share("root", None, 0), a_share("vision", None, 1), a_share("vision", "ann", 2, back_s=0.0)],
        drained=[Drain(node="n1", reason="fan is loud", since=NOW - 60, by_user="ops")],
    )


def test_digits_lead_to_every_view_and_minus_to_the_one_before() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        seen: list[str] = []
        for key in ("2", "3", "4", "5", "6", "7", "1", "minus"):
            await pilot.press(key)
            await pilot.pause()
            seen.append(app.view.name_of_view)
            assert f"{app.view.name_of_view.capitalize()}]" in screen_text(app)

        assert seen == ["why", "shares", "nodes", "trace", "charts", "admin", "queue", "admin"]
        await pilot.press("q")
        assert isinstance(app.screen, QueueScreen)

    piloted(app, use)


def test_the_job_under_the_cursor_is_kept_from_view_to_view() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("j", "w")
        await pilot.pause()
        assert isinstance(app.screen, WhyScreen)
        assert "Job 2 needs 2 GPUs and 0 are free." in screen_text(app)
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert "Job 3 needs 2 GPUs" in screen_text(app)
        await pilot.press("1")
        assert "> 3" in screen_text(app) or ">  3" in screen_text(app)

    piloted(app, use)


def test_shares_show_used_against_due_and_what_is_over_without_colour() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("3", "j")
        await pilot.pause()
        text = screen_text(app)
        assert "vision" in text
        assert "50.0%" in text
        assert "!1h00m" in text
        assert "###" in text
        assert "!!!" in text
        assert "back to it in 1h00m" in text

    piloted(app, use, (120, 40))


def test_from_a_gpu_to_its_job_and_to_its_rank() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("t")
        await pilot.pause()
        assert isinstance(app.screen, TraceScreen)
        text = screen_text(app)
        for part in ("job 1 resnet", "application app-1", "rank 1 worker", "gpu:n1/1", "exit code 9", "failed first"):
            assert part in text
        await pilot.press("G", "enter")
        await pilot.pause()
        assert isinstance(app.screen, JobScreen)

    piloted(app, use, (100, 40))


def test_the_tree_of_a_job_has_its_pods_and_the_attempts_before_as_gpuqd_traces_them() -> None:
    client = a_client()
    ranks = tuple(replace(rank, executor_id=str(rank.rank)) for rank in client.queue[0].ranks)
    client.queue[0] = replace(client.queue[0], attempt=2, ranks=ranks)
    pod = TracedPod(
        uid="u", namespace="prod", name="resnet-exec-1", role="executor", executor_id="1", node="n1", phase="Failed",
        exit_code=137, reason="OOMKilled", first_seen=NOW, last_seen=NOW, gone_at=NOW,
    )  # fmt: skip
    trace = Trace(
        job_id=1, name="resnet", user="ann", account="root", state="RUNNING", attempt=2, matched="job", rank=None,
        application_id="app-1", driver_pid=None, started_at=NOW, ended_at=None, end_reason=None, log_uri=None,
        pods=(pod, replace(pod, uid="v", name="resnet-driver", role="driver", executor_id=None, reason=None)),
    )  # fmt: skip
    client.traces = (trace, replace(trace, attempt=1, ended_at=NOW, end_reason="NodeLost", ranks=ranks, pods=()))
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("t")
        await pilot.pause()
        text = screen_text(app)
        for part in (
            "pod prod/resnet-exec-1  Failed  exit code 137 (OOMKilled)  gone since",
            "pod prod/resnet-driver  Failed",
            "attempt 1",
            "(NodeLost), 2 ranks",
        ):
            assert part in text
        assert text.index("rank 1 worker") < text.index("resnet-exec-1")
        assert "trace 1" in client.asked

    piloted(app, use, (140, 40))


def test_a_drained_node_says_so_and_can_be_resumed() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("4")
        await pilot.pause()
        text = screen_text(app)
        assert "##" in text
        assert "drained: fan" in text
        await pilot.press("x")
        assert isinstance(app.screen, Menu)
        assert "gpuq admin node resume n1" in screen_text(app)
        await pilot.press("r")
        await pilot.pause()
        assert client.ran == [["admin", "node", "resume", "n1"]]

    piloted(app, use, (120, 30))


def a_gpu(state: GpuState, **named: Any) -> Gpu:
    """Return the one GPU of the scripted node, which job 1 holds."""
    known: dict[str, Any] = {"node": "n1", "partition": "main", "place": 0, "kind": "GPU", "job_id": 1, "rank": 0}
    return Gpu(state=state, **{**known, **named})


@pytest.mark.parametrize(
    ("gpu", "cell", "told"),
    [
        (a_gpu(GpuState.IDLE, name="3", idle_s=4000, util=0.0, at=1.0), "i", "GPU 3: held, but not used for 1h06m"),
        (a_gpu(GpuState.THROTTLED, throttled=("too hot",)), "t", "GPU 0: slowed down: too hot"),
        (
            a_gpu(GpuState.STRANGER, strangers=(Stranger(pid=7, user="eve", command="miner"),)),
            "!",
            "GPU 0: process 7 belongs to no job: miner of eve",
        ),
        (a_gpu(GpuState.BUSY, name="3", util=93.0, memory_mib=2048.0, at=1.0), "#", "GPU 3 93%  2.0 GiB"),
    ],
)
def test_what_is_wrong_with_a_gpu_is_a_cell_of_its_node_and_is_said_below(gpu: Gpu, cell: str, told: str) -> None:
    node = Node(name="n1", partition="main", host="h", gpu_kind="GPU", gpus=2, free_gpus=0, job_ids=(1,))
    gpus = (gpu, a_gpu(GpuState.BUSY, place=1, rank=1))

    shown = row(node, None, gpus, width=100, look=Look())
    below = detail_lines(node, a_client().queue[:1], None, (), gpus, width=200)

    assert f" {cell}# " in "".join(text for text, _ in shown)
    assert told in "\n".join("".join(text for text, _ in line) for line in below)


def test_cells_of_gpus_come_with_the_nodes_view() -> None:
    client = a_client()
    client.gpu_cells = [a_gpu(GpuState.IDLE, idle_s=60.0), a_gpu(GpuState.BUSY, place=1)]
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("4")
        await pilot.pause()
        assert " [i]#" in screen_text(app)

    piloted(app, use, (120, 30))


def test_the_admin_view_lists_what_is_decided_and_what_was_refused() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("7")
        await pilot.pause()
        text = screen_text(app)
        for part in (
            "Drained nodes  1",
            "vision below root, shares 3: ann*",
            "urgent: priority 10",
            "user:ann: 8 GPUs",
        ):
            assert part in text
        assert "Only operators may see" in text

    piloted(app, use, (120, 40))


def test_charts_show_four_tags_losses_first_and_one_on_demand() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("v")
        await pilot.pause()
        assert isinstance(app.screen, ChartsScreen)
        text = screen_text(app)
        assert text.index("loss  1 of 5") < text.index("acc")
        assert "speed" not in text
        await pilot.press("l")
        await pilot.pause()
        assert "speed  5 of 5" in screen_text(app)
        await pilot.press("h", "c")
        await pilot.pause()
        assert "loss  1 of 5" in screen_text(app)
        assert "acc" not in screen_text(app)
        await pilot.press("comma")
        assert "step 2" in screen_text(app)
        assert ": 1" in screen_text(app)

    piloted(app, use, (120, 40))


def test_marked_jobs_are_laid_over_each_other() -> None:
    client = a_client()
    client.queue[1] = a_running_job(2)
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("space", "space", "v")
        await pilot.pause()
        assert len(app.view.chosen) == 2

    piloted(app, use, (120, 40))


def test_a_typed_line_is_run_and_its_output_shown_until_esc() -> None:
    client = a_client()
    client.outputs["share"] = "one\ntwo \x1b[31mred\n" + "x\n" * 50
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("colon", *"share vi", "enter")
        await pilot.pause()
        assert client.ran == [["share", "vi"]]
        assert isinstance(app.screen, OutputScreen)
        assert "two \\x1b[31mred" in screen_text(app)
        await pilot.press("slash", *"RED", "enter")
        await pilot.pause()
        assert screen_text(app).split("\n")[3].startswith("two")
        await pilot.press("escape")
        assert isinstance(app.screen, QueueScreen)

    piloted(app, use)


def test_tab_completes_verbs_and_jobs_and_the_line_before_comes_back() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("colon", *"hol", "tab", "2", "enter")
        await pilot.pause()
        assert client.ran == [["hold", "2"]]
        assert "hold 2: done" in screen_text(app)
        await pilot.press("colon", "up")
        assert isinstance(app.screen, Prompt)
        await pilot.press("enter")
        await pilot.pause()
        assert client.ran == [["hold", "2"]] * 2

    piloted(app, use)


def test_marked_stands_for_the_marked_jobs_and_several_are_cancelled_by_their_number() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("j", "space", "space", "colon", *"hold @marked", "enter")
        await pilot.pause()
        assert client.ran == [["hold", "2", "3"]]

        await pilot.press("ctrl+x")
        assert isinstance(app.screen, Confirm)
        assert "gpuq cancel 2 3" in screen_text(app)
        await pilot.press("y", "3", "enter")
        await pilot.pause()
        assert len(client.ran) == 1
        await pilot.press("ctrl+x", "2", "enter")
        await pilot.pause()
        assert client.ran[1:] == [["cancel", "2", "3"]]

    piloted(app, use)


def test_the_menu_offers_what_the_jobs_state_allows_as_lines() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("j", "j", "x")
        text = screen_text(app)
        assert "gpuq release 3" in text
        assert "gpuq hold 3" not in text
        await pilot.press("t")
        assert isinstance(app.screen, Prompt)
        await pilot.press(*"2h", "enter")
        await pilot.pause()
        assert client.ran == [["update", "3", "time=2h"]]

    piloted(app, use)


@pytest.mark.parametrize("line", ["cancel 1", "admin account delete vision", "enqueue x.py", "frobnicate"])
def test_read_only_runs_nothing_that_might_change_anything(line: str) -> None:
    client = a_client()
    app = an_app(client, is_read_only=True)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+x")
        await pilot.press("colon", *line, "enter")
        await pilot.pause()
        assert client.ran == []
        assert "read-only" in screen_text(app)
        await pilot.press("colon", *"show 1", "enter")
        await pilot.pause()
        assert client.ran == [["show", "1"]]

    piloted(app, use)


def test_a_line_that_needs_a_terminal_of_its_own_is_refused_and_a_bad_quotation_is_said() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("colon", *"top", "enter")
        assert "needs a terminal of its own" in screen_text(app)
        await pilot.press("colon", *"hold 'x", "enter")
        assert "quotation" in screen_text(app)
        await pilot.press("colon", *"hold @job x", "enter")
        await pilot.pause()
        assert client.ran == [["hold", "1", "x"]]

    piloted(app, use)


@pytest.mark.parametrize("size", [(80, 24), (20, 5), (300, 100)])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_hostile_names_break_no_view(size: tuple[int, int], is_ascii: bool) -> None:
    client = a_client()
    client.queue[0] = a_running_job(1, name=HOSTILE, user=HOSTILE, account=HOSTILE, nodes=(HOSTILE,), error=HOSTILE)
    client.queue.append(a_job(4, state=JobState.FAILED, reason=None, error=HOSTILE, name=HOSTILE))
    client.share_rows[1] = a_share(HOSTILE, None, 1)
    client.gpu_cells = [
        a_gpu(state, name=HOSTILE, strangers=(Stranger(pid=1, user=HOSTILE, command=HOSTILE),), throttled=(HOSTILE,))
        for state in (GpuState.STRANGER, GpuState.IDLE)
    ]
    client.drained = [Drain(node=HOSTILE, reason=HOSTILE, since=NOW, by_user=HOSTILE)]
    client.curves = {HOSTILE: a_curve(a_series(HOSTILE))}
    app = an_app(client, look=Look(is_ascii=is_ascii))

    async def use(pilot: Pilot[None]) -> None:
        for key in ("2", "3", "4", "5", "6", "7", "1", "x"):
            await pilot.press(key)
            await pilot.pause()
            text = screen_text(app)
            assert text.replace("\n", "").isprintable()
            assert not is_ascii or text.isascii()

    piloted(app, use, size)


@pytest.mark.parametrize("height", [9, 13, 14])
def test_a_low_terminal_shows_the_list_and_not_only_what_is_told_of_its_first_line(height: int) -> None:
    app = an_app(a_client())
    first = {"1": "> 1 ", "4": "> n1", "5": "> job 1 resnet", "7": "> "}

    async def use(pilot: Pilot[None]) -> None:
        for key, text in first.items():
            await pilot.press(key)
            await pilot.pause()
            assert text in screen_text(app)
        await pilot.press("1")
        await pilot.resize_terminal(40, 24)
        await pilot.pause()
        assert "Why " in screen_text(app)

    piloted(app, use, (40, height))


def test_the_last_line_of_every_view_fits_80_columns() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        for key in ("1", "2", "3", "4", "5", "6", "7"):
            await pilot.press(key)
            await pilot.pause()
            assert "…" not in screen_text(app).split("\n")[-1]
            assert "? help" in screen_text(app).split("\n")[-1]
        await pilot.press("colon", *"show 1", "enter")
        await pilot.pause()
        assert "…" not in screen_text(app).split("\n")[-1]

    piloted(app, use)


@pytest.mark.parametrize(
    ("keys", "ran"),
    [
        ((":", *"hold 2", "enter"), ["hold", "2"]),
        (("j", "x", "h"), ["hold", "2"]),
        (("j", "ctrl+x", "y"), ["cancel", "2"]),
        (("4", "x", "r"), ["admin", "node", "resume", "n1"]),
        (("/", *"bert", "enter", "ctrl+x", "y"), ["cancel", "2"]),
    ],
)
def test_keys_that_arrive_together_go_where_they_would_have_gone_one_by_one(
    keys: tuple[str, ...], ran: list[str]
) -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        for key in keys:  # as a slow line hands them over: all before the first is looked at
            name = {":": "colon", "/": "slash", " ": "space"}.get(key, key)
            app.post_message(events.Key(name, key if len(key) == 1 else None))
        for _ in range(6):
            await pilot.pause()
        assert client.ran == [ran]

    piloted(app, use)


def test_a_trace_is_asked_for_once_and_kept_current_by_what_the_stream_tells() -> None:
    client = a_client()
    pod = TracedPod(
        uid="u", namespace="prod", name="resnet-exec-1", role="executor", executor_id="1", node="n1", phase="Running",
        exit_code=None, reason=None, first_seen=NOW, last_seen=NOW, gone_at=None,
    )  # fmt: skip
    client.traces = (
        Trace(
            job_id=1, name="resnet", user="ann", account="root", state="RUNNING", attempt=1, matched="job", rank=None,
            application_id="app-1", driver_pid=None, started_at=NOW, ended_at=None, end_reason=None, log_uri=None,
            pods=(pod,),
        ),
    )  # fmt: skip
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("t")
        for _ in range(3):
            await pilot.pause()
        assert "resnet-exec-1  Running" in screen_text(app)
        late, old = replace(pod, phase="Failed", last_seen=NOW + 1), replace(pod, phase="Pending", last_seen=NOW - 1)
        for told in (late, old, replace(pod, uid="v", name="resnet-exec-2", executor_id="2")):
            client.streams[0].tell(("pods", {"job_id": 1, "attempt": 1, "pods": [as_json(told)]}))
            await pilot.pause()
            await pilot.pause()
        assert "resnet-exec-1  Failed" in screen_text(app)
        assert "resnet-exec-2  Running" in screen_text(app)
        await pilot.press("r")
        for _ in range(4):
            await pilot.pause()
        asked = [one for one in client.asked if one.startswith("trace")]
        assert asked == ["trace 1", "trace 1"]  # and again only since all was asked for anew

    piloted(app, use, (120, 40))
