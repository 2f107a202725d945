"""A GPU is handed on only once its holder is gone, whatever is asked of gpuqd meanwhile, and if it is killed."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpuq.client import Client, Json
from gpuq.errors import GpuqError, UnavailableError
from tests.support.daemon import Gpuqd, plain_gpuqd, until

# A worker is a lock: the kernel frees it when the process that has it is gone, and no sooner.
SCRIPT = """
import fcntl, os, signal, time
def main_fun(args, ctx):
    _, folder, workers, seconds, is_deaf = args
    if is_deaf == "True":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    held = []
    for gpu in ("gpu-1", "gpu-2"):
        if len(held) < int(workers):
            lock = os.open(os.path.join(folder, gpu), os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.append(lock)
            except BlockingIOError:
                os.close(lock)
    if len(held) < int(workers):
        open(os.path.join(folder, "handed-on-too-early"), "w").close()
    time.sleep(float(seconds))
"""


def test_no_gpu_is_held_by_two_jobs_in_any_burst_of_changes(tmp_path: Path) -> None:
    chance = random.Random(7)
    with plain_gpuqd(more="kill_wait_s = 0.3") as gpuqd, _watched(gpuqd) as twice:
        for step in range(30):
            _change(gpuqd, chance, tmp_path)
            if step % 3 == 0:
                until(lambda: _is_busy(gpuqd), timeout_s=60, what="a job that runs")
            if step == 15:
                gpuqd.kill()
                gpuqd.start()
    assert twice == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu-1", "gpu-2"]  # and not "handed-on-too-early"


def _is_busy(gpuqd: Gpuqd) -> bool:
    """Whether a job runs, or none can."""
    jobs = gpuqd.client.jobs()
    return any(job["state"] == "RUNNING" for job in jobs) or all(job["hold"] for job in jobs)


def _change(gpuqd: Gpuqd, chance: random.Random, folder: Path) -> None:
    """Change something, if it can be changed: any of it may be over by then."""
    client = gpuqd.client
    jobs = client.jobs()
    begun = [job["id"] for job in jobs if job["state"] != "PENDING"]
    some = chance.choice(begun or [job["id"] for job in jobs] or [0])
    with suppress(GpuqError):
        match chance.choice(("enqueue", "enqueue", "cancel", "cancel all", "hold", "release", "requeue", "requeue")):
            case "enqueue":
                for _ in range(chance.randint(1, 6)):
                    workers, seconds = chance.choice((1, 1, 2)), chance.choice((0, 0.1, 60))
                    args = [str(folder), str(workers), str(seconds), str(chance.random() < 0.2)]
                    gpuqd.enqueue(SCRIPT, workers=workers, gpus_per_worker=1, args=args)
            case "cancel all":
                for job in jobs:
                    client.cancel(job["id"])
            case "cancel":
                client.cancel(some)
            case "hold":
                client.hold(some)
            case "release":
                client.release(some)
            case _:
                client.requeue(some)


@contextmanager
def _watched(gpuqd: Gpuqd) -> Generator[list[Json]]:
    """Look all the time within the block; give the nodes that more jobs held than they have GPUs."""
    twice, is_over = list[Json](), threading.Event()

    def look() -> None:
        client = Client(str(gpuqd.folder / "gpuqd.sock"))
        while not is_over.wait(0.02):
            with suppress(UnavailableError):  # it was killed
                twice.extend(node for node in client.cluster()["nodes"] if len(node["job_ids"]) > node["gpus"])

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield twice
    finally:
        is_over.set()
        looking.join()
