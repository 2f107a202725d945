"""Whose fault a failure is, by what was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuq.models import EndReason
from gpuq_job import blame, memory_kills


def an_error(name: str, text: str) -> BaseException:
    return type(name, (Exception,), {})(text)


def caused_by(error: BaseException) -> BaseException:
    made = RuntimeError("the step failed")
    made.__cause__ = error
    return made


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no such column"), "UserError"),
        (MemoryError(), "OutOfMemory"),
        (caused_by(MemoryError()), "OutOfMemory"),
        (an_error("ResourceExhaustedError", "OOM when allocating tensor with shape[1,2]"), "OutOfMemory"),
        (an_error("ResourceExhaustedError", "Received message larger than max (5 vs. 4)"), "UserError"),
        (
            an_error("InternalError", "failed call to cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
            "OutOfMemory",
        ),
        (an_error("InternalError", "CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered"), "GpuLost"),
        (an_error("UnavailableError", "Connection reset by peer"), "NodeLost"),
    ],
)
def test_an_exception_tells_whose_fault_it_is(error: BaseException, reason: str) -> None:
    assert blame.of_error(error) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Job aborted: ExecutorLostFailure (executor 1 exited caused by one of the running tasks)", "NodeLost"),
        ("ExecutorLostFailure ... Command exited with code 52", "OutOfMemory"),
        ("SparkException: Python worker exited unexpectedly (crashed): java.io.EOFException", "NodeLost"),
        ("EOFException ... from gpuq_job.python_daemon's stdout and terminated with code: 137..", "NodeLost"),
        ("EOFException ... from gpuq_job.python_daemon's stdout and terminated with code: 1..", "EngineFailed"),
        ("EOFException ... from gpuq_job.python_daemon's stdout.", "NodeLost"),
        ("Exception: timed out waiting for reservations to complete", "ReservationTimeout"),
        ("All masters are unresponsive! Giving up.", "EngineFailed"),
    ],
)
def test_spark_tells_whose_fault_it_is(text: str, reason: str) -> None:
    assert blame.of_spark(text) == reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            an_error("Py4JJavaError", "z:collect : ExecutorLostFailure (executor 1 exited) Reason: worker lost"),
            "NodeLost",
        ),
        (an_error("Py4JJavaError", "z:collect : Reason: Container killed for exceeding memory limits"), "OutOfMemory"),
        (an_error("Py4JJavaError", "PythonException: ValueError: mine"), "UserError"),
        (ValueError("worker lost"), "UserError"),
    ],
)
def test_a_driver_script_is_not_blamed_for_what_spark_has_lost(error: BaseException, reason: str) -> None:
    assert blame.of_driver_script(error) == reason


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.\n"
            ": org.apache.spark.SparkException: Job aborted: ExecutorLostFailure (executor 0 exited)\n\tat org.x",
            "org.apache.spark.SparkException: Job aborted: ExecutorLostFailure (executor 0 exited)",
        ),
        (": org.apache.spark.SparkException: Job aborted\n  File 'x'\nValueError: mine\n", "ValueError: mine"),
        ("All masters are unresponsive!\nGiving up.", "All masters are unresponsive!"),
        ("", "unknown"),
    ],
)
def test_a_spark_failure_is_told_by_the_line_that_says_most(text: str, line: str) -> None:
    assert blame.line_of(text) == line


def test_the_words_are_those_that_everybody_reads() -> None:
    words = [value for name, value in vars(blame).items() if name.isupper() and isinstance(value, str)]

    assert len(words) == 6
    assert set(words) <= {reason.value for reason in EndReason}


def test_errors_that_cause_each_other_in_a_ring_are_read_once() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one

    assert blame.of_error(one) == "UserError"


@pytest.mark.parametrize("version", [1, 2])
def test_kills_for_lack_of_memory_are_counted_where_the_kernel_tells(tmp_path: Path, version: int) -> None:
    top = tmp_path / "sys/fs/cgroup" / ("memory" if version == 1 else "")
    (top / "jobs/one").mkdir(parents=True)
    name = "memory.oom_control" if version == 1 else "memory.events"
    (top / "jobs" / name).write_text("oom 4\noom_kill 2\n")
    (top / "jobs/one" / name).write_text("oom_kill 1\n")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("9:cpu:/x\n4:memory:/jobs/one\n" if version == 1 else "0::/jobs/one\n")

    assert memory_kills.count(str(tmp_path)) == 3
    (tmp_path / "proc/vmstat").write_text("pgfault 9\noom_kill 5\n")
    assert memory_kills.count(str(tmp_path)) == 8


def test_where_nobody_counts_nobody_was_killed(tmp_path: Path) -> None:
    assert memory_kills.count(str(tmp_path)) == 0


@pytest.mark.parametrize(
    ("said", "is_for_memory"),
    [
        ("Container killed by YARN for exceeding physical memory limits. 2.1 GB of 2 GB physical memory used.", True),
        ("Container ... is running beyond physical memory limits. Current usage: 2.1 GB", True),
        ("Container from a bad node: container_1 on host: a. Exit status: -104.", True),
        ("exited with exit code 137(SIGKILL, possible container OOM).\n termination reason: OOMKilled", True),
        ("Command exited with code 52", True),
        ("exited with exit code 137(SIGKILL, possible container OOM).\n termination reason: Error", False),
        ("Command exited with code 137", False),
        ("Remote RPC client disassociated. Likely due to containers exceeding thresholds, or network issues.", False),
        ("Container marked as failed: container_1 on host: a. Exit status: -100.", False),
        ("worker lost: Not receiving heartbeat for 60 seconds", False),
    ],
)
def test_an_executor_that_was_ended_for_its_memory_is_told_from_one_that_was_lost(
    said: str, is_for_memory: bool
) -> None:
    assert blame.is_for_memory(said) == is_for_memory
    assert (blame.of_spark(f"ExecutorLostFailure (executor 1 exited) Reason: {said}") == "OutOfMemory") == is_for_memory
