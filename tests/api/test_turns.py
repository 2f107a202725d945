"""Long questions about the past leave gpuqd its threads: one at a time, and few of one user."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from gpuq.errors import UnavailableError, UsageError
from gpuq_daemon.api.turns import Turns, refuse_more


async def under_way(turns: Turns, user: str, count: int, ask: Callable[[], None]) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(turns.take(user, ask)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


def test_one_is_answered_at_a_time_and_one_user_cannot_keep_others_from_asking() -> None:
    turns, may_end = Turns(most=4), threading.Event()
    now, most = [0], [0]

    def ask() -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        may_end.wait(30)
        now[0] -= 1

    async def course() -> None:
        asked = await under_way(turns, "ann", 4, ask)
        with pytest.raises(UnavailableError, match="4 reports are made for ann already"):
            await turns.take("ann", ask)
        asked += await under_way(turns, "bob", 1, ask)
        may_end.set()
        await asyncio.gather(*asked)
        await turns.take("ann", ask)

    asyncio.run(course())

    assert most == [1]


def test_a_question_that_fails_or_is_given_up_leaves_its_place_to_the_next() -> None:
    turns = Turns(most=1)

    async def course() -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await turns.take("ann", lambda: 1 / 0)
        [task] = await under_way(turns, "ann", 1, lambda: None)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await turns.take("ann", lambda: 7) == 7

    asyncio.run(course())


def test_an_answer_of_too_many_rows_says_how_to_ask_for_less() -> None:
    refuse_more(10, "ask of less", most=10)

    with pytest.raises(UsageError, match=r"more than 10 rows: ask of less\."):
        refuse_more(11, "ask of less", most=10)
