"""The nodes, down to a single GPU, and the ways from there."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from gpuq.gpus import Gpu, GpuState, Stranger
from gpuq.models import Node, Rank, RankState
from gpuq_tui.lines.line import Look
from gpuq_tui.screens.job import JobScreen
from gpuq_tui.screens.nodes import NodesScreen
from gpuq_tui.screens.queue import QueueScreen
from gpuq_tui.screens.trace import TraceScreen
from tests.tui.scripted import HOSTILE, ScriptedClient, a_running_job, an_app, piloted, screen_text


def a_gpu(place: int, state: GpuState = GpuState.BUSY, **named: Any) -> Gpu:
    return Gpu(node="n1", partition="main", place=place, kind="GPU", name=str(place), state=state, **named)


def a_rank(rank: int, gpu: str, **named: Any) -> Rank:
    return Rank(rank=rank, role="worker", host="h1", node="n1", pid=70, gpus=(gpu,), state=RankState.RUNNING, **named)


def a_client() -> ScriptedClient:
    """Return one that tells of a node with four GPUs, which two jobs share with a stranger."""
    client = ScriptedClient(
        queue=[
            a_running_job(1, name="resnet", ranks=(a_rank(0, "0"), a_rank(1, "1"))),
            a_running_job(2, name="bert", ranks=(a_rank(0, "2"),)),
        ]
    )
    node = Node(name="n1", partition="main", host="h1", gpu_kind="GPU", gpus=4, free_gpus=1, job_ids=(1, 2))
    client.nodes = (node,)
    client.gpu_cells = [
        a_gpu(0, job_id=1, rank=0, util=93.0, at=1.0),
        a_gpu(1, GpuState.IDLE, job_id=1, rank=1, util=0.0, idle_s=2280.0, at=1.0),
        a_gpu(2, job_id=2, rank=0),
        a_gpu(3, GpuState.STRANGER, strangers=(Stranger(pid=99, user="eve", command="miner"),)),
    ]
    return client


def test_arrows_go_from_gpu_to_gpu_and_each_says_what_it_does() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("4")
        for key, cells, told in (
            ("home", "[#]i#!", ("GPU 0 is busy", "job 1 resnet", "rank 0 worker  process h1:70", "GPU 0 93%")),
            ("l", "#[i]#!", ("GPU 1 is held, but idle", "rank 1 worker", "held, but not used for")),
            ("l", "#i[#]!", ("GPU 2 is busy", "job 2 bert")),
            ("l", "#i#[!]", ("GPU 3 is used by a process of no job", "process 99 belongs to no job: miner of eve")),
            ("l", "#i#[!]", ("GPU 3",)),
            ("h", "#i[#]!", ("GPU 2",)),
        ):
            await pilot.press(key)
            await pilot.pause()
            for part in (cells, *told):
                assert part in screen_text(app)
        await pilot.press("h", "h", "h")
        await pilot.pause()
        assert "#i#!" in screen_text(app)
        assert "[" not in screen_text(app).split("\n", 3)[3]

    piloted(app, use, (120, 40))


def test_one_key_leads_from_a_gpu_to_its_job_and_its_pods_and_back() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("4", "l", "enter")
        await pilot.pause()
        assert isinstance(app.screen, JobScreen)
        assert app.screen.selected.id == 1
        assert "Log rank 1" in screen_text(app)
        await pilot.press("4")
        await pilot.pause()
        assert isinstance(app.screen, NodesScreen)
        assert "#[i]#!" in screen_text(app)
        await pilot.press("l", "t")
        await pilot.pause()
        assert isinstance(app.screen, TraceScreen)
        assert "job 2 bert" in screen_text(app)
        await pilot.press("G", "k", "k", "k", "4")
        await pilot.pause()
        assert "[#]" in screen_text(app)
        await pilot.press("1")
        await pilot.pause()
        assert isinstance(app.screen, QueueScreen)

    piloted(app, use, (120, 40))


def test_the_gpu_under_the_cursor_of_the_tree_is_the_one_in_the_nodes() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("4", "t")
        await pilot.pause()
        for _ in range(20):
            if ">" in next(row for row in screen_text(app).split("\n") if "gpu:n1/1" in row):
                break
            await pilot.press("j")
        await pilot.press("4")
        await pilot.pause()
        assert "#[i]#!" in screen_text(app)
        await pilot.press("minus")
        await pilot.pause()
        assert isinstance(app.screen, TraceScreen)

    piloted(app, use, (120, 40))


def test_a_gpu_without_a_job_says_so_and_one_of_another_s_too() -> None:
    client = a_client()
    client.gpu_cells[2] = a_gpu(2, job_id=77)
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("4", "l", "l", "l", "enter")
        assert "No job holds this GPU." in screen_text(app)
        await pilot.press("h", "enter")
        assert "Job 77 holds this GPU, and is not yours to see." in screen_text(app)
        assert isinstance(app.screen, NodesScreen)

    piloted(app, use, (120, 40))


@pytest.mark.parametrize("look", [Look(), Look(is_ascii=True, palette="mono")])
def test_hostile_names_and_gpus_that_are_not_told_break_nothing(look: Look) -> None:
    client = a_client()
    client.gpu_cells = [a_gpu(0, GpuState.STRANGER, strangers=(Stranger(pid=1, user=HOSTILE, command=HOSTILE),))]
    app = an_app(client, look=look)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("4", "h", "l")
        await pilot.pause()
        assert "belongs to no job" in screen_text(app)
        await pilot.press("l", "enter")
        await pilot.pause()
        assert "gpuqd has not told yet" in screen_text(app)

    piloted(app, use)
