"""What was fine is fine for a moment; what was refused is asked anew each time."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from gpuq_daemon.lasting import Lasting
from gpuq_daemon.space import Room


def test_what_was_fine_is_not_asked_again_until_its_time_is_over() -> None:
    asked, at = list[int](), [0.0]

    def refusal(number: int) -> str | None:
        asked.append(number)
        return "odd" if number % 2 else None

    check = Lasting(refusal, for_s=1.0, now=lambda: at[0])
    assert [check(2), check(2), check(1), check(1)] == [None, None, "odd", "odd"]
    assert asked == [2, 1, 1]
    at[0] = 1.0
    assert check(2) is None
    assert asked == [2, 1, 1, 2]


def test_room_is_looked_at_again_after_a_moment_where_there_is_plenty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_mib, at = [100_000], [1.0]
    room = Room(tmp_path, lambda: 64, now=lambda: at[0])
    monkeypatch.setattr(os, "statvfs", partial(_disk, free_mib))
    assert room.shortage() is None
    free_mib[0] = 10
    assert room.shortage() is None
    at[0] += 0.2
    assert "10 MiB left" in str(room.shortage())


def test_a_disk_without_plenty_is_looked_at_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_mib = [1000]
    room = Room(tmp_path, lambda: 64, now=lambda: 1.0)
    monkeypatch.setattr(os, "statvfs", partial(_disk, free_mib))
    assert room.shortage() is None
    free_mib[0] = 10
    assert "10 MiB left" in str(room.shortage())


def _disk(room_mib: list[int], _: Path) -> os.statvfs_result:
    free_mib = room_mib[0]
    return os.statvfs_result((2**20, 2**20, 2**30, free_mib, free_mib, 0, 0, 0, 0, 255))


def test_what_it_went_by_can_be_forgotten() -> None:
    said: list[str | None] = [None]
    check = Lasting(lambda: said[0], for_s=100.0, now=lambda: 5.0)
    assert check() is None

    said[0] = "no more"

    assert check() is None
    check.forget()
    assert check() == "no more"
