"""What checkpoints say of themselves is read once."""

from __future__ import annotations

from dataclasses import replace

from gpuq_daemon.checkpoint.counters import Counters
from gpuq_daemon.collectors.counted import Counted
from gpuq_daemon.files.found import Found

INDEX = Found(parts=("ckpt-1.index",), identity="7", size=100, changed_at_ns=5)


def test_a_file_is_read_again_only_when_it_is_another() -> None:
    counted, reads = Counted(), list[int]()

    def read() -> Counters:
        reads.append(1)
        return Counters(step=len(reads))

    for files, step in [((INDEX,), 1), ((INDEX,), 1), ((replace(INDEX, changed_at_ns=6),), 2), ((INDEX,), 1)]:
        assert counted.of(files, read).step == step
    assert len(reads) == 2


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    counted, reads = Counted(most=2), list[str]()

    def ask(name: str) -> None:
        counted.of((replace(INDEX, identity=name),), lambda: (reads.append(name), Counters())[1])

    for name in ("a", "b", "a", "c", "a", "b"):
        ask(name)

    assert reads == ["a", "b", "c", "b"]
