"""Processes are told apart by more than their pid, and found by their mark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from gpuq_daemon import processes


@contextmanager
def a_process(code: str = "input()", **environment: str) -> Generator[subprocess.Popen[bytes]]:
    """Give a Python process that waits; it has printed a line when this enters."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", f"print(flush=True)\n{code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_a_process_is_alive_until_it_is_killed() -> None:
    with a_process() as process:
        identity = processes.identify(process.pid)
        assert identity is not None
        assert processes.is_alive(identity)

        process.kill()
        process.wait()

        assert not processes.is_alive(identity)
        assert not processes.send_signal(identity, signal.SIGTERM)


def test_another_process_with_the_same_pid_is_not_the_same() -> None:
    with a_process() as process:
        identity = processes.identify(process.pid)
        assert identity is not None
        earlier = replace(identity, start_time=identity.start_time - 1)
        other_boot = replace(identity, boot_id="another")

        assert not processes.is_alive(earlier)
        assert not processes.is_alive(other_boot)
        assert not processes.send_signal(earlier, signal.SIGKILL)
        with pytest.raises(ProcessLookupError):
            processes.open_pidfd(earlier)
        assert process.poll() is None


def test_a_zombie_counts_as_gone() -> None:
    with a_process() as process:
        identity = processes.identify(process.pid)
        assert identity is not None

        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, nobody has reaped it

        assert os.path.exists(f"/proc/{process.pid}")
        assert not processes.is_alive(identity)
        assert processes.identify(process.pid) is None


def test_a_pidfd_becomes_readable_when_its_process_ends() -> None:
    import select

    with a_process() as process:
        identity = processes.identify(process.pid)
        assert identity is not None
        descriptor = processes.open_pidfd(identity)
        try:
            assert select.select([descriptor], [], [], 0)[0] == []

            assert processes.send_signal(identity, signal.SIGKILL)

            assert select.select([descriptor], [], [], 10)[0] == [descriptor]
        finally:
            os.close(descriptor)


def test_marked_finds_the_whole_token_only() -> None:
    token = f"t{os.getpid()}"
    with (
        a_process(GPUQ_ATTEMPT=token) as ours,
        a_process(GPUQ_ATTEMPT=token + "0"),
        a_process(XGPUQ_ATTEMPT=token),
        a_process(GPUQ_ENGINE=token) as engine,
    ):
        assert [process.pid for process in processes.marked(token)] == [ours.pid]
        assert [process.pid for process in processes.marked(token, marker="GPUQ_ENGINE")] == [engine.pid]


def test_descendants_are_found_over_generations() -> None:
    forks = "import os\nif os.fork() == 0:\n os.fork()\n os.read(0, 1)\nos.read(0, 1)"
    with a_process(forks) as process:
        while len(found := processes.descendants([process.pid])) < 2:
            pass

        assert process.pid not in [one.pid for one in found]
        for one in found:
            processes.send_signal(one, signal.SIGKILL)


def test_a_name_with_brackets_and_spaces_does_not_confuse() -> None:
    rename = "import ctypes\nctypes.CDLL(None).prctl(15, b') R 1 (x', 0, 0, 0)\nprint(flush=True)\ninput()"
    with a_process(rename) as process:
        assert process.stdout is not None
        process.stdout.readline()

        assert process.pid in [one.pid for one in processes.descendants([os.getpid()])]
