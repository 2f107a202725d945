"""Why a training failed, told apart by what it said: who has to do something about it, and whether to try again. Pure.

The words are those of `gpuq.models.EndReason`, which is not there where trainings run; a test holds them equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gpuq_job.rank_log import shortened
from gpuq_job.words import words

USER_ERROR = "UserError"
OUT_OF_MEMORY = "OutOfMemory"
NODE_LOST = "NodeLost"
GPU_LOST = "GpuLost"
RESERVATION_TIMEOUT = "ReservationTimeout"
ENGINE_FAILED = "EngineFailed"

# Source: cudaError_t of the CUDA runtime API; messages of NVIDIA's driver (Xid 48, 63, 79) and of nvidia-smi.
_GPU_IS_GONE = re.compile(
    r"CUDA_ERROR_(ECC_UNCORRECTABLE|NVLINK_UNCORRECTABLE|DEVICE_UNAVAILABLE|SYSTEM_NOT_READY|CONTAINED)"
    r"|uncorrectable ECC error|fallen off the bus|GPU is lost|\bXid\b.*\b(48|63|64|74|79|94|95)\b",
    re.IGNORECASE,
)
# TensorFlow's allocators, CUDA's, and the JVM's. RESOURCE_EXHAUSTED alone may be a message that is too long for gRPC.
_NO_MEMORY = re.compile(
    r"OOM when allocating|out of memory|failed to allocate|Cannot allocate memory|bad_alloc"
    r"|java\.lang\.OutOfMemoryError|exited with code 52\b",  # SparkExitCode.OOM
    re.IGNORECASE,
)
# An executor's container that was ended for its memory. Exit code 137 alone may be anybody's SIGKILL.
# Source: Spark's YarnAllocator and ExecutorPodsLifecycleManager, YARN's ContainersMonitorImpl and ContainerExitStatus.
_CONTAINER_WAS_FULL = re.compile(
    r"exceeding (\w+ )?memory limits|running beyond \w+ memory limits|OOMKilled"
    r"|exit(ed with)? (code|status):? -10[34]\b",
    re.IGNORECASE,
)
_EXECUTOR_IS_GONE = re.compile(
    r"ExecutorLostFailure|executor \S+ (exited|lost)|worker lost|Container (killed|released)|node .{0,40}lost"
    r"|Python worker exited unexpectedly|python_daemon's stdout(?! and terminated with code: (?!137|143))",
    re.IGNORECASE,
)
_CRASH = re.compile(r"^Fatal Python error: ", re.MULTILINE)  # faulthandler's first line
_NO_ONE_THERE = ("UnavailableError",)  # TensorFlow's word for a peer that does not answer


def of_error(error: BaseException) -> str:
    """Return whose fault an exception is that ended the user's function."""
    chain = list(_chain(error))
    text = "\n".join(words(one) for one in chain)
    names = {type(one).__name__ for one in chain}
    if _GPU_IS_GONE.search(text):
        return GPU_LOST
    if "MemoryError" in names or ("ResourceExhaustedError" in names and _NO_MEMORY.search(text)):
        return OUT_OF_MEMORY
    if "CUDA_ERROR_OUT_OF_MEMORY" in text or "java.lang.OutOfMemoryError" in text:
        return OUT_OF_MEMORY
    return NODE_LOST if names.intersection(_NO_ONE_THERE) else USER_ERROR


def of_driver_script(error: BaseException) -> str:
    """Return whose fault an exception is that ended a driver script, which also hears of what Spark has lost."""
    said = of_spark(str(error)) if type(error).__name__ == "Py4JJavaError" else ENGINE_FAILED
    return said if said != ENGINE_FAILED else of_error(error)


def of_silence(tail: Sequence[str], *, was_killed_for_memory: bool) -> str:
    """Return why a rank ended without a word; `tail` are the last lines it printed."""
    text = "\n".join(tail)
    if was_killed_for_memory:
        return OUT_OF_MEMORY
    if _GPU_IS_GONE.search(text):
        return GPU_LOST
    if _CRASH.search(text) or "Check failed" in text:
        return OUT_OF_MEMORY if _NO_MEMORY.search(text) else USER_ERROR
    return NODE_LOST


def of_spark(text: str) -> str:
    """Return why Spark failed where no rank has said anything."""
    if is_for_memory(text):
        return OUT_OF_MEMORY
    if "timed out waiting for reservations" in text:
        return RESERVATION_TIMEOUT
    return NODE_LOST if _EXECUTOR_IS_GONE.search(text) else ENGINE_FAILED


def is_for_memory(text: str) -> bool:
    """Whether Spark's words on the end of an executor say that it was for lack of memory."""
    return _NO_MEMORY.search(text) is not None or _CONTAINER_WAS_FULL.search(text) is not None


def line_of(text: str) -> str:
    """Return the line of a Spark failure that names the Python error, else Spark's own, else its first."""
    lines = [line.strip(": ") for line in text.splitlines() if line.strip(": ")]
    named = [line for line in lines if line.partition(":")[0].endswith(("Error", "Exception"))]
    own = [line for line in named if line.startswith("org.apache.spark.")]
    return shortened(([line for line in named if "org.apache.spark" not in line] or own or lines or ["unknown"])[0])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what led to it; a ring of them ends."""
    seen = set[int]()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
