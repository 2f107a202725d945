"""Following event files: growing, damaged, replaced, hostile, and over a daemon's death."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.summaries import SeriesKind
from gpuq_daemon.collectors.event_files import EventFileFollower
from gpuq_daemon.files.local import LocalFiles
from gpuq_daemon.series.points import Batch, SeriesKey
from gpuq_daemon.store.metrics import MetricsStore
from tests.eventfile.event_bytes import a_file, a_message, a_record, a_scalar

NAME = "events.out.tfevents.1.host.1.0.v2"


def a_log(root: Path, data: bytes, folder: str = "rank-0", name: str = NAME) -> Path:
    """Write an event file below the events folder `root`."""
    file = root / folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def follow(root: Path) -> EventFileFollower:
    return EventFileFollower(1, 1, LocalFiles(root), {})


def steps(*batches: Batch) -> list[int]:
    """Return the steps of all scalars, series by series."""
    return [p[0] for batch in batches for points in batch.scalars.values() for p in points]


def scalars(first: int, count: int, tag: str = "loss") -> bytes:
    return a_file(*(a_scalar(tag, step, float(step)) for step in range(first, first + count)))


def touch(file: Path, data: bytes, tick: int) -> None:
    """Rewrite a file in place, with a modification time of its own."""
    with file.open("r+b") as opened:
        opened.write(data)
        opened.truncate()
    os.utime(file, ns=(tick, tick))


def test_runs_and_ranks_come_from_the_folders(tmp_path: Path) -> None:
    a_log(tmp_path, scalars(1, 1))
    a_log(tmp_path, scalars(2, 1), "rank-1/train/deep")
    a_log(tmp_path, scalars(3, 1), "elsewhere")
    a_log(tmp_path, scalars(4, 1), name="notes.txt")

    batch = follow(tmp_path).poll()

    places = {(key.rank, key.run): [p[0] for p in points] for key, points in batch.scalars.items()}
    assert places == {(0, "."): [1], (1, "train/deep"): [2]}


def test_there_may_be_no_folder_yet(tmp_path: Path) -> None:
    assert follow(tmp_path / "events").poll().is_empty


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 600), max_size=8))
def test_a_growing_file_gives_every_point_once(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    root = tmp_path_factory.mktemp("events")
    data = scalars(0, 8)
    follower, batches = follow(root), list[Batch]()

    for start, end in pairwise([0, *sorted(min(c, len(data)) for c in cuts), len(data)]):
        log = root / "rank-0" / NAME
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as opened:
            opened.write(data[start:end])
        batches.append(follower.poll())

    assert steps(*batches) == list(range(8))
    assert follower.poll().is_empty


def test_an_idle_poll_opens_no_file(tmp_path: Path) -> None:
    file = a_log(tmp_path, scalars(1, 2) + a_record(b"half")[:-2])
    follower = follow(tmp_path)
    follower.poll()
    before = file.stat().st_atime_ns

    os.utime(file, ns=(before - 10**12, file.stat().st_mtime_ns))
    assert follower.poll().is_empty

    assert file.stat().st_atime_ns == before - 10**12


def test_all_files_of_a_run_stay_live(tmp_path: Path) -> None:
    old = a_log(tmp_path, scalars(1, 1), name=NAME)
    a_log(tmp_path, scalars(2, 1), name=NAME.replace(".1.", ".2."))
    follower = follow(tmp_path)
    first = follower.poll()

    with old.open("ab") as opened:
        opened.write(scalars(3, 1))

    assert (steps(first), steps(follower.poll())) == ([1, 2], [3])


def test_a_small_budget_reads_every_file_in_its_turn(tmp_path: Path) -> None:
    big = scalars(0, 8000)
    a_log(tmp_path, big, "rank-0")
    a_log(tmp_path, scalars(0, 5), "rank-1")
    follower, polls = follow(tmp_path), list[Batch]()

    while not (batch := follower.poll(budget_bytes=1)).is_empty:
        polls.append(batch)

    assert [key.rank for batch in polls[:2] for key in batch.scalars] in ([0, 1], [1, 0])
    rank_0 = SeriesKey(rank=0, run=".", tag="loss", kind=SeriesKind.SCALAR)
    assert [p[0] for b in polls for p in b.scalars.get(rank_0, [])] == list(range(8000))
    assert len(polls) >= len(big) // (256 * 1024)


def test_a_record_larger_than_the_budget_is_read(tmp_path: Path) -> None:
    graph = b"\x09" + bytes(8) + a_message(4, bytes(3 * 2**20))
    a_log(tmp_path, a_file(graph, a_scalar("loss", 1, 1.0)))
    follower = follow(tmp_path)

    assert steps(follower.poll(1), follower.poll(1), follower.poll(1)) == [1]


def test_a_tail_longer_than_the_budget_hides_no_other_file(tmp_path: Path) -> None:
    a_log(tmp_path, a_record(bytes(2**20))[:-1], "rank-0")
    a_log(tmp_path, scalars(1, 1), "rank-1")
    a_log(tmp_path, a_record(bytes(2**20))[:-1], "rank-2")

    assert steps(follow(tmp_path).poll(1)) == [1]


def test_a_shorter_length_is_no_new_beginning(tmp_path: Path) -> None:
    file = a_log(tmp_path, scalars(1, 3))
    follower = follow(tmp_path)
    follower.poll()

    touch(file, scalars(1, 1), 1)
    shorter = follower.poll()
    touch(file, scalars(1, 4), 2)

    assert (shorter.is_empty, steps(follower.poll())) == (True, [4])


def test_another_file_in_its_place_is_read_from_its_start(tmp_path: Path) -> None:
    file = a_log(tmp_path, scalars(1, 3))
    store = MetricsStore(tmp_path / "metrics.db")
    follower = follow(tmp_path)
    assert store.append(follower.poll())

    a_log(tmp_path, scalars(7, 1), name="new").rename(file)
    batch = follower.poll()

    assert steps(batch) == [7]
    assert store.append(batch)
    store.close()


def test_damage_is_counted_and_costs_one_record(tmp_path: Path) -> None:
    records = [a_record(a_scalar("loss", i, 1.0)) for i in range(3)]
    records[1] = records[1][:-1] + bytes([records[1][-1] ^ 1])
    a_log(tmp_path, b"".join(records) + a_record(b"\xff"))
    follower = follow(tmp_path)

    batch = follower.poll()

    assert steps(batch) == [0, 2]
    assert [(p.skipped, p.is_held) for p in batch.positions] == [(2, False)]
    assert follower.poll().is_empty


def test_a_zero_filled_tail_is_held_and_read_once_it_is_written(tmp_path: Path) -> None:
    start = scalars(1, 1)
    file = a_log(tmp_path, start + bytes(2000))
    follower = follow(tmp_path)

    first = follower.poll()
    idle = follower.poll()
    touch(file, start + scalars(2, 2) + bytes(1000), 5)
    second = follower.poll()
    touch(file, start + scalars(2, 4), 6)
    third = follower.poll()

    assert [steps(b) for b in (first, idle, second, third)] == [[1], [], [2, 3], [4, 5]]
    assert [b.positions[0].is_held for b in (first, second, third)] == [True, True, False]


def test_a_record_that_is_still_zero_at_its_end_is_read_once_it_is_filled_in(tmp_path: Path) -> None:
    record = scalars(1, 1)
    file = a_log(tmp_path, record[:-20] + bytes(10))
    follower = follow(tmp_path)
    first = follower.poll()

    touch(file, record + scalars(2, 1), 5)
    second = follower.poll()

    assert (steps(first), steps(second)) == ([], [1, 2])
    assert second.positions[0].skipped == 0


def test_links_pipes_and_folders_of_that_name_are_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    a_log(outside, scalars(9, 1), ".")
    events = tmp_path / "events"
    a_log(events, scalars(1, 1))
    (events / "rank-0" / (NAME + ".link")).symlink_to(outside / NAME)
    (events / "rank-0" / "linked").symlink_to(outside)
    (events / "rank-1").symlink_to(outside)
    os.mkfifo(events / "rank-0" / (NAME + ".pipe"))
    (events / "rank-0" / (NAME + ".folder")).mkdir()

    assert steps(follow(events).poll()) == [1]


def test_a_file_swapped_for_a_link_after_it_was_found_is_not_read(tmp_path: Path) -> None:
    file = a_log(tmp_path, scalars(1, 1))
    follower = follow(tmp_path)
    found = follower._files.find()[0]  # pyright: ignore[reportPrivateUsage] - the moment between list and open
    secret = a_log(tmp_path, scalars(9, 1), "secret")
    file.unlink()
    file.symlink_to(secret)

    with follower._files.open(found) as opened:  # pyright: ignore[reportPrivateUsage]
        assert opened is None


def test_a_deep_or_endless_tree_ends_the_walk(tmp_path: Path) -> None:
    a_log(tmp_path, scalars(1, 1), "rank-0/" + "/".join("d" * 7))
    a_log(tmp_path, scalars(2, 1), "rank-0/" + "/".join("d" * 8))

    assert steps(follow(tmp_path).poll()) == [1]


def test_names_that_are_no_text_can_be_stored(tmp_path: Path) -> None:
    folder = os.fsdecode(b"run-\xff\n\x1b[31m")
    a_log(tmp_path, scalars(1, 1), f"rank-0/{folder}")
    store = MetricsStore(tmp_path / "metrics.db")

    assert store.append(follow(tmp_path).poll())

    assert store.series(1)[0].run == "run-\\xff\n\x1b[31m"
    assert EventFileFollower(1, 1, LocalFiles(tmp_path), store.positions(1, 1)).poll().is_empty
    store.close()


def test_a_log_folder_that_goes_away_is_no_error(tmp_path: Path) -> None:
    a_log(tmp_path, scalars(1, 1))
    follower = follow(tmp_path)
    follower.poll()

    shutil.rmtree(tmp_path / "rank-0")

    assert follower.poll().is_empty


FOLLOW = """
    import sys
    from pathlib import Path
    from gpuq_daemon.collectors.event_files import EventFileFollower
    from gpuq_daemon.files.local import LocalFiles
    from gpuq_daemon.store.metrics import MetricsStore
    store = MetricsStore(Path(sys.argv[1]))
    follower = EventFileFollower(1, 1, LocalFiles(Path(sys.argv[2])), store.positions(1, 1))
    while True:
        batch = follower.poll(1)
        if batch.is_empty:
            sys.exit("numpy was loaded" if "numpy" in sys.modules else 0)
        print("read", flush=True)
        assert store.append(batch)
        print("stored", flush=True)
"""


def test_every_point_is_stored_once_though_the_reader_is_killed_again_and_again(tmp_path: Path) -> None:
    count = 15_000
    a_log(tmp_path / "events", scalars(0, count))
    command = [sys.executable, "-c", textwrap.dedent(FOLLOW), tmp_path / "metrics.db", tmp_path / "events"]

    for lines in (1, 2, 3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout is not None
            for _ in range(lines):
                reader.stdout.readline()
            reader.kill()
    subprocess.run(command, check=True, capture_output=True)

    store = MetricsStore(tmp_path / "metrics.db")
    curve = store.curve(1, "loss", columns=2 * count)
    store.close()
    assert curve.steps == curve.last == tuple(float(i) for i in range(count))


def test_in_folders_that_are_still_nothing_is_missed(tmp_path: Path) -> None:
    file = a_log(tmp_path, scalars(1, 1))
    files = LocalFiles(tmp_path, now_ns=lambda: 2**62)  # all that is there has been there for long
    follower = EventFileFollower(1, 1, files, {})
    seen = steps(follower.poll())

    with file.open("ab") as opened:
        opened.write(scalars(2, 1))
    seen += steps(follower.poll())
    a_log(tmp_path, scalars(3, 1), name="events.out.tfevents.2")
    seen += steps(follower.poll())
    a_log(tmp_path, scalars(4, 1), "rank-0/deep/er")
    seen += steps(follower.poll())
    a_log(tmp_path, scalars(5, 1), name="new").rename(file)
    seen += steps(follower.poll())

    assert seen == [1, 2, 3, 4, 5]


def test_a_file_that_its_folders_time_does_not_tell_is_found_by_and_by_and_at_the_end(tmp_path: Path) -> None:
    a_log(tmp_path, scalars(1, 1))
    files = LocalFiles(tmp_path, now_ns=lambda: 2**62)
    follower = EventFileFollower(1, 1, files, {})
    follower.poll()
    changed_at_ns = (tmp_path / "rank-0").stat().st_mtime_ns
    a_log(tmp_path, scalars(2, 1), name="events.out.tfevents.2")
    os.utime(tmp_path / "rank-0", ns=(changed_at_ns, changed_at_ns))

    before = follower.poll()
    by_and_by = [step for _ in range(32) for step in steps(follower.poll())]
    a_log(tmp_path, scalars(3, 1), name="events.out.tfevents.3")
    os.utime(tmp_path / "rank-0", ns=(changed_at_ns, changed_at_ns))
    files.look_again()

    assert (before.is_empty, by_and_by, steps(follower.poll())) == (True, [2], [3])
