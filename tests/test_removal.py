"""Folders of users are removed wholly, in small steps, and nothing outside of them ever."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gpuq_daemon.removal import Progress, remove_some
from tests.support import users

OWN = os.geteuid()


def removed(parent: Path, name: str = "1", *, uid: int = OWN, most: int = 1000) -> int:
    """Remove a folder and return in how many steps."""
    steps = 1
    while (progress := remove_some(parent, name, uid=uid, most=most)) is Progress.MORE:
        steps += 1
        assert steps < 10_000
    assert progress is Progress.GONE
    return steps


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    assert remove_some(tmp_path, "1", uid=OWN) is Progress.GONE
    assert remove_some(tmp_path / "none", "1", uid=OWN) is Progress.GONE


def test_a_step_removes_so_many_entries_and_no_more(tmp_path: Path) -> None:
    for folder in ("1", "1/a", "1/a/b", "1/c"):
        (tmp_path / folder).mkdir()
        for n in range(50):
            (tmp_path / folder / f"f{n}").touch()

    def count() -> int:
        return sum(len(files) for _, _, files in os.walk(tmp_path))

    remove_some(tmp_path, "1", uid=OWN, most=30)
    assert 170 <= count() < 200
    assert removed(tmp_path, most=30) > 5
    assert list(tmp_path.iterdir()) == []


def test_links_go_and_what_they_name_stays(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "jobs" / "1"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (inside / "events").mkdir(parents=True)
    (inside / "folder").symlink_to(outside)
    (inside / "events" / "folder").symlink_to(outside)
    (inside / "events" / "up").symlink_to("../../../outside")
    (inside / "file").symlink_to(outside / "kept")
    (inside / "hard").hardlink_to(outside / "kept")
    (inside / "nowhere").symlink_to("nowhere")
    os.mkfifo(inside / "pipe")

    removed(tmp_path / "jobs")

    assert list((tmp_path / "jobs").iterdir()) == []
    assert (outside / "kept").read_text() == "kept"


def test_a_link_in_the_place_of_the_folder_goes_alone(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    (tmp_path / "1").symlink_to("outside")

    removed(tmp_path)

    assert (tmp_path / "outside" / "kept").exists()
    assert not (tmp_path / "1").is_symlink()


def test_folders_in_folders_without_end_need_no_more_memory_or_files(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    at = os.open(tmp_path / "1", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d" * 100, dir_fd=at)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)

    assert removed(tmp_path, most=500) >= 6
    assert list(tmp_path.iterdir()) == []


def test_closed_folders_of_ones_own_go(tmp_path: Path) -> None:
    whom = OWN
    (tmp_path / "1" / "a" / "b").mkdir(parents=True)
    (tmp_path / "1" / "a" / "b" / "f").touch()
    for folder in ("1/a/b", "1/a", "1"):
        (tmp_path / folder).chmod(0o000)

    removed(tmp_path, uid=whom)

    assert list(tmp_path.iterdir()) == []


@users.needs_root
def test_root_goes_into_no_folder_of_somebody_else(tmp_path: Path) -> None:
    """A user may move a folder of others to its own, from where everybody may write."""
    games, www = (users.user(name).uid for name in users.NAMES)
    mine, theirs = tmp_path / "1" / "mine", tmp_path / "1" / "theirs"
    for folder in (mine, theirs / "below"):
        folder.mkdir(parents=True)
        (folder / "f").touch()
    for path, uid in ((tmp_path / "1", games), (mine, games), (theirs, www), (theirs / "below", www)):
        os.chown(path, uid, uid)

    while (progress := remove_some(tmp_path, "1", uid=games)) is Progress.MORE:
        pass

    assert progress is Progress.STUCK
    assert (theirs / "below" / "f").exists()
    assert not mine.exists()
    os.chown(theirs, games, games)
    os.chown(theirs / "below", games, games)
    removed(tmp_path, uid=games)


@users.needs_root
def test_root_goes_into_no_other_file_system(tmp_path: Path) -> None:
    mounted = tmp_path / "1" / "deep" / "mounted"
    mounted.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "none", str(mounted)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (mounted / "kept").touch()
        while remove_some(tmp_path, "1", uid=OWN) is Progress.MORE:
            pass
        assert (mounted / "kept").exists()
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
    removed(tmp_path)
