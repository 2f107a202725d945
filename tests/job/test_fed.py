"""Rows that are fed to a rank: counted, ended by the driver's word, and dropped when nobody takes them any more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from typing import Any

import pytest

from gpuq_job.driver_end import DriverEnd
from gpuq_job.fed import Fed
from gpuq_job.link import RankEnd

KEY = b"key"
Link = tuple[DriverEnd, RankEnd]


class Manager:
    """TFoS's manager of one node, without its processes."""

    def __init__(self) -> None:
        self.state = "running"
        self.rows: queue.Queue[Any] = queue.Queue()

    def get_queue(self, name: str) -> queue.Queue[Any]:
        assert name == "input"
        return self.rows

    def set(self, name: str, value: str) -> None:
        assert name == "state"
        self.state = value


class Feed:
    """TFoS's DataFeed, of which nobody takes anything."""

    def next_batch(self, batch_size: int) -> list[object]:
        return [None] * batch_size


@pytest.fixture
def link() -> Generator[Link]:
    driver = DriverEnd("127.0.0.1", KEY)
    with_driver: list[RankEnd] = []
    connecting = threading.Thread(target=lambda: with_driver.append(RankEnd(driver.address, KEY, 0)))
    connecting.start()
    while connecting.is_alive():
        driver.messages(0.01)
    with_driver[0].tell("RESERVED")
    assert heard(driver)["state"] == "RESERVED"
    yield driver, with_driver[0]
    with_driver[0].close()
    driver.close()


def heard(driver: DriverEnd) -> dict[str, Any]:
    for _ in range(500):
        for message in driver.messages(0.01):
            return message
    raise AssertionError("nothing was told")


@pytest.mark.parametrize("batch", [[1, 2, 3], {"x": [1, 2, 3], "y": [4, 5, 6]}])
def test_the_rows_that_the_script_takes_are_told(link: Link, batch: object) -> None:
    class Feed:
        def next_batch(self, batch_size: int) -> object:
            return batch

    driver, rank = link
    fed = Fed(rank, Manager())
    fed.begin(Feed)

    assert Feed().next_batch(3) == batch
    assert Feed().next_batch(3) == batch
    assert heard(driver)["rows"] == 3
    fed.tell()
    assert heard(driver)["rows"] == 6


def test_a_feed_ends_with_the_drivers_word_and_the_training_with_another(link: Link) -> None:
    driver, rank = link
    manager = Manager()
    Fed(rank, manager).begin(Feed)
    manager.rows.put("row")

    driver.say_fed()

    assert [manager.rows.get(timeout=10), manager.rows.get(timeout=10)] == ["row", None]
    driver.say_over()
    assert rank.wait_for_end()


def test_who_has_left_takes_the_rows_that_still_come(link: Link) -> None:
    driver, rank = link
    manager = Manager()
    leaving = threading.Thread(target=Fed(rank, manager).wait_for_end)
    leaving.start()

    for row in range(100):
        manager.rows.put(row)
    manager.rows.join()

    assert manager.state == "terminating"
    assert leaving.is_alive()
    driver.say_over()
    leaving.join(timeout=10)
    assert not leaving.is_alive()


def test_an_end_without_all_rows_fed_is_no_end_of_the_feed(link: Link) -> None:
    driver, rank = link

    driver.say_over()

    assert not rank.wait_for_fed()
    assert rank.wait_for_end()
