"""The driver hears its ranks, nobody else, and knows at once when one is gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from typing import Any

import pytest

from gpuq_job.driver_end import DriverEnd
from gpuq_job.link import RankEnd

KEY = b"k" * 32


@pytest.fixture
def driver() -> Generator[DriverEnd]:
    end = DriverEnd("127.0.0.1", KEY)
    yield end
    end.close()


def heard(driver: DriverEnd, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(50):
        if len(found) >= count:
            break
        found += driver.messages(0.2)
    return found


def a_rank(driver: DriverEnd, rank: int, key: bytes = KEY) -> RankEnd:
    """Connect from a thread's view: the driver has to answer meanwhile."""
    import threading

    made: list[RankEnd] = []
    thread = threading.Thread(target=lambda: made.append(RankEnd(driver.address, key, rank)))
    thread.start()
    while thread.is_alive():
        assert driver.messages(0.05) == []
    return made[0]


def test_state_changes_arrive_in_order_and_then_the_end(driver: DriverEnd) -> None:
    rank = a_rank(driver, 1)
    rank.tell("RUNNING", pid=5)
    rank.tell("DONE", exit_code=0)
    rank.close()

    assert heard(driver, 3) == [
        {"rank": 1, "state": "RUNNING", "pid": 5},
        {"rank": 1, "state": "DONE", "exit_code": 0},
        {"rank": 1, "state": None},
    ]


def test_samples_arrive_beside_states_and_a_driver_that_does_not_read_holds_up_nobody(driver: DriverEnd) -> None:
    rank = a_rank(driver, 1)
    for n in range(3_000):  # more than the sockets hold: most are not sent, one may be sent in half
        rank.tell_sample({"n": n, "filler": "x" * 4_000})
    rest: list[dict[str, Any]] = []
    while not any(message["rank"] == 1 and message.get("sample", {}).get("n") == 2 for message in rest):
        rest += driver.messages(5)
    while found := driver.messages(0.2):
        rest += found
    rank.tell("DONE", exit_code=0)
    rank.close()
    said = [*rest, *heard(driver, 2)]

    numbers = [message["sample"]["n"] for message in said if "sample" in message]
    assert numbers == sorted(set(numbers))
    assert numbers[:3] == [0, 1, 2]
    assert len(numbers) < 3_000
    assert [message for message in said if "sample" not in message] == [
        {"rank": 1, "state": "DONE", "exit_code": 0},
        {"rank": 1, "state": None},
    ]


def test_who_waits_for_the_end_is_let_go_by_the_driver(driver: DriverEnd) -> None:
    rank = a_rank(driver, 1)
    rank.tell("RUNNING", is_serving=True)
    assert heard(driver, 1) == [{"rank": 1, "state": "RUNNING", "is_serving": True}]

    driver.say_over()

    assert rank.wait_for_end()
    rank.tell("DONE", exit_code=0)
    assert heard(driver, 1) == [{"rank": 1, "state": "DONE", "exit_code": 0}]


def test_who_waits_for_the_end_is_let_go_when_the_driver_is_gone() -> None:
    driver = DriverEnd("127.0.0.1", KEY)
    rank = a_rank(driver, 1)

    driver.close()

    assert rank.wait_for_end()


def test_without_a_driver_nobody_can_say_when_to_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()

    assert not RankEnd(address, KEY, 0).wait_for_end()


def test_who_does_not_know_the_key_is_not_heard(driver: DriverEnd) -> None:
    stranger = a_rank(driver, 1, key=b"wrong")
    stranger.tell("DONE", exit_code=0)
    stranger.close()

    assert [message for _ in range(3) for message in driver.messages(0.05)] == []


def test_garbage_ends_that_connection_only(driver: DriverEnd) -> None:
    rank = a_rank(driver, 0)
    with socket.create_connection(driver.address) as garbage:
        driver.messages(0.2)
        garbage.sendall(b"\xff\x00" * 1000 + b"\n")
        rank.tell("RUNNING")

        assert heard(driver, 1) == [{"rank": 0, "state": "RUNNING"}]
    rank.close()


def test_a_forked_child_does_not_keep_its_parents_connection(driver: DriverEnd) -> None:
    rank = a_rank(driver, 0)
    rank.tell("RUNNING")
    assert heard(driver, 1)[0]["state"] == "RUNNING"
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)

    rank.close()

    assert heard(driver, 1) == [{"rank": 0, "state": None}]
    os.close(read)
    os.close(write)
    os.waitpid(child, 0)


def test_a_rank_without_a_driver_stays_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = unused.getsockname()
    rank = RankEnd(address, KEY, 0)

    rank.tell("RUNNING")
    rank.close()


def test_a_rank_outlives_its_driver(driver: DriverEnd) -> None:
    rank = a_rank(driver, 0)
    driver.messages(0.05)
    for key in list(driver._selector.get_map().values()):  # pyright: ignore[reportPrivateUsage]  # the driver dies
        if isinstance(key.fileobj, socket.socket) and key.data is not None:
            key.fileobj.close()
    for _ in range(3):
        rank.tell("RUNNING")
    rank.close()
