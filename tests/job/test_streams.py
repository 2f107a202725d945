"""Whose each stretch of a rank's log is: what Python, native code and children write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpuq_daemon.streamed import Readable, Stream, part_of

_BEGIN = """
import ctypes, logging, os, signal, subprocess, sys, threading
from pathlib import Path
from gpuq_job.rank_log import printed_to
log = Path(sys.argv[1])
"""


def of_file(path: Path) -> Readable:
    data = path.read_bytes()
    return Readable(read=lambda offset, size: data[offset : offset + size], size=len(data))


def run(folder: Path, code: str) -> tuple[str, str, str]:
    """Return the whole log that `code` leaves, and what it has of each stream."""
    log = folder / "rank-0.log"
    done = subprocess.run([sys.executable, "-c", _BEGIN + code, str(log)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")
    told = of_file(log.with_suffix(".streams"))
    out, err = (
        part_of(of_file(log), told, stream, offset=0, limit=2**20, is_over=True).data.decode() for stream in Stream
    )
    return log.read_text(), out, err


def test_what_python_prints_is_told_apart_and_kept_in_its_order(tmp_path: Path) -> None:
    whole, out, err = run(
        tmp_path,
        """
with printed_to(log):
    for i in range(50):
        print("out", i)
        print("err", i, file=sys.stderr)
    logging.warning("logged")
""",
    )

    assert whole == "".join(f"out {i}\nerr {i}\n" for i in range(50)) + "WARNING:root:logged\n"
    assert out == "".join(f"out {i}\n" for i in range(50))
    assert err == "".join(f"err {i}\n" for i in range(50)) + "WARNING:root:logged\n"


def test_what_native_code_and_children_write_between_is_told_apart(tmp_path: Path) -> None:
    _, out, err = run(
        tmp_path,
        """
with printed_to(log):
    print("begun")
    os.write(2, b"native err\\n")
    print("then")
    subprocess.run(["sh", "-c", "echo child out"])
    print("error", file=sys.stderr)
    pid = os.fork()
    if not pid:
        print("forked", file=sys.stderr, flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
    print("end")
""",
    )

    assert out == "begun\nthen\nchild out\nend\n"
    assert err == "native err\nerror\nforked\n"


def test_what_cannot_be_known_is_of_either_never_of_none(tmp_path: Path) -> None:
    whole, out, err = run(
        tmp_path,
        """
with printed_to(log):
    print("begun")
    subprocess.run(["sh", "-c", "echo one; echo two >&2; echo three; echo four >&2"])
    print("end")
""",
    )

    assert "two\n" in err
    assert "four\n" in err
    assert {"begun", "one", "three", "end"} <= set(out.splitlines())
    assert set(whole.splitlines()) == set(out.splitlines()) | set(err.splitlines())


def test_a_killed_process_loses_nothing_of_either_stream(tmp_path: Path) -> None:
    log = tmp_path / "rank-0.log"
    code = 'with printed_to(log):\n print("out")\n print("err", file=sys.stderr)\n os.kill(os.getpid(), signal.SIGKILL)'
    subprocess.run([sys.executable, "-c", _BEGIN + code, str(log)], timeout=60)

    told = of_file(log.with_suffix(".streams"))
    for stream, text in ((Stream.STDOUT, "out"), (Stream.STDERR, "err")):
        assert text in part_of(of_file(log), told, stream, offset=0, limit=100, is_over=True).data.decode()


def test_threads_and_handlers_of_signals_print_without_end(tmp_path: Path) -> None:
    whole, out, err = run(
        tmp_path,
        """
def say(stream):
    for i in range(300):
        print("x" * 20, file=stream)
with printed_to(log):
    signal.signal(signal.SIGUSR1, lambda *_: print("asked", flush=True))
    threads = [threading.Thread(target=say, args=(one,)) for one in (sys.stdout, sys.stderr)]
    for one in threads:
        one.start()
    for _ in range(20):
        os.kill(os.getpid(), signal.SIGUSR1)
    for one in threads:
        one.join()
""",
    )

    assert whole.count("x" * 20 + "\n") >= 600 - 20
    assert out.count("x") >= 300 * 20
    assert err.count("x") >= 300 * 20


def test_without_a_place_for_it_the_log_goes_on(tmp_path: Path) -> None:
    (tmp_path / "rank-0.streams").mkdir()
    log = tmp_path / "rank-0.log"
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + 'with printed_to(log):\n print("out")\nprint("on")', str(log)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.stdout, log.read_text()) == ("on\n", "out\n")


@pytest.mark.parametrize("kind", ["log", "streams"])
def test_files_of_a_log_are_for_its_owner(tmp_path: Path, kind: str) -> None:
    run(tmp_path, 'with printed_to(log):\n print("out")')

    assert os.stat(tmp_path / f"rank-0.{kind}").st_mode & 0o077 == 0
