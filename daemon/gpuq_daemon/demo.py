"""`gpuqd demo`: a cluster on this machine, two jobs that want all of it, and what a user sees of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from types import FrameType

import gpuq
from gpuq.client import Client, Json
from gpuq.errors import GpuqError, UnavailableError
from gpuq_daemon import background
from gpuq_daemon.config import Config, load

PASS_ACCURACY = 0.90
_SCRIPT = "digits_sync.py"
_TAG = "test_accuracy"
_STOP_S = 60.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_S = 1200.0
_FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "DEADLINE")


class DemoError(GpuqError):
    """The demo cannot show what it is for."""


class _Stopped(Exception):
    """Somebody wants the demo to end."""


def run(*, master_port: int | None = None) -> int:
    """Show the whole path; return 0 only if both jobs have learned."""
    for number in _SIGNALS:
        signal.signal(number, _stop)
    script = _sample(_SCRIPT)
    folder = Path(tempfile.mkdtemp(prefix="gpuq-demo-"))
    try:
        with _gpuqd(folder, master_port) as client:
            code = _show(client, script)
    except _Stopped:
        print("\nStopped; nothing is left running.")
        code = 130
    except BrokenPipeError:  # nobody reads on
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the interpreter's last flush
        code = 141
    except GpuqError:
        print(f"What gpuqd wrote is kept in {folder}.", file=sys.stderr)
        raise
    if code in (0, 130, 141):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"What gpuqd and the jobs wrote is kept in {folder}.", file=sys.stderr)
    return code


def _show(client: Client, script: Path) -> int:
    cluster = client.cluster()
    kinds = {node["gpu_kind"] for node in cluster["nodes"]}
    gpus = sum(node["gpus"] for node in cluster["nodes"])
    print(f"Spark is up on loopback: {len(cluster['nodes'])} nodes with {gpus} {'/'.join(kinds)}s together.")
    if "virtual GPU" in kinds:
        print("Too few real GPUs are here, so slots stand for them: placed and queued alike, computed on the CPU.")
    jobs = [_enqueue(client, script), _enqueue(client, script, "--", "--lr", "0.02")]
    print()
    _gpuq(client, "queue")
    for job_id in jobs:
        _follow(client, job_id, waiting=[other for other in jobs if other > job_id])
    return _conclude(client, jobs)


def _enqueue(client: Client, script: Path, *words: str) -> int:
    before = {job["id"] for job in client.jobs(everything=True)}
    _gpuq(client, "enqueue", str(script), *words)
    return next(job["id"] for job in client.jobs(everything=True) if job["id"] not in before)


def _follow(client: Client, job_id: int, *, waiting: list[int]) -> None:
    """Print what becomes of a job, and why the others wait, whenever it changes."""
    said: dict[str, object] = {}
    deadline = time.monotonic() + _LONGEST_S
    while True:
        job = client.wait(job_id, timeout_s=1.0)
        _say_news(client, job, waiting, said)
        if job["state"] in _FINAL:
            return
        if time.monotonic() > deadline:
            raise DemoError(
                f"Job {job_id} has not ended within {_LONGEST_S / 60:.0f} minutes: the machine is too busy."
            )


def _say_news(client: Client, job: Json, waiting: list[int], said: dict[str, object]) -> None:
    reserved = len(job["ranks"])
    state = (job["state"], reserved) if job["state"] == "CONFIGURING" else job["state"]
    if said.get("state") != state:
        said["state"] = state
        print(f"{_clock()}  {_course(job, reserved)}", flush=True)
        for other in waiting:
            why = client.why(other)
            if why["state"] == "PENDING" and said.get(f"why {other}") != why["text"]:
                said[f"why {other}"] = why["text"]
                print(f"{_clock()}  job {other} waits: {why['text']}", flush=True)
    progress = job["progress"]
    if progress and job["state"] == "RUNNING" and said.get("step") != progress["step"]:
        said["step"] = progress["step"]
        print(
            f"{_clock()}  job {job['id']} {progress['tag']} {progress['value']:.4f} at step {progress['step']}",
            flush=True,
        )


def _course(job: Json, reserved: int) -> str:
    where = f" on {', '.join(job['nodes'])}" if job["nodes"] else ""
    match job["state"]:
        case "CONFIGURING":
            return f"job {job['id']} is starting{where}: {reserved} of {job['workers']} ranks reserved"
        case "RUNNING":
            return f"job {job['id']} trains{where}"
        case "COMPLETING":
            return f"job {job['id']} has ended; its processes are being cleared away"
        case state:
            return f"job {job['id']} is {state}"


def _conclude(client: Client, jobs: list[int]) -> int:
    print()
    _gpuq(client, "queue", "--all")
    _gpuq(client, "plot", *map(str, jobs), "loss")
    accuracies = [_accuracy(client, job_id) for job_id in jobs]
    print("Accounting")
    for job_id, accuracy in zip(jobs, accuracies, strict=True):
        print(f"  {_account(client.job(job_id), accuracy)}")
    learned = all(accuracy is not None and accuracy >= PASS_ACCURACY for accuracy in accuracies)
    completed = all(client.job(job_id)["state"] == "COMPLETED" for job_id in jobs)
    if sys.stdin.isatty() and sys.stdout.isatty():
        _offer_top(client)
    if not (learned and completed):
        print(f"The demo failed: not every job completed with a test accuracy of {PASS_ACCURACY:.2f}.", file=sys.stderr)
        return 1
    print("Both jobs have learned.")
    return 0


def _account(job: Json, accuracy: float | None) -> str:
    kind = job["gpu_kind"] if job["gpus"] == 1 else f"{job['gpu_kind']}s"
    ran = job["ended_at"] - job["started_at"] if job["started_at"] else 0.0
    waited = (job["started_at"] or job["ended_at"]) - job["submitted_at"]
    learned = "no test accuracy" if accuracy is None else f"test accuracy {accuracy:.3f}"
    return (
        f"job {job['id']} {job['user']} {job['state']} exit {job['exit_code']}: waited {waited:.0f} s, held "
        f"{job['gpus']} {kind} for {ran:.0f} s = {job['charged_gpu_s'] / 3600:.4f} GPU-h; {learned}"
    )


def _accuracy(client: Client, job_id: int) -> float | None:
    found = [series["last_value"] for series in client.series(job_id) if series["tag"] == _TAG]
    return found[0] if found else None


def _offer_top(client: Client) -> None:
    with contextlib.suppress(EOFError):
        if input("Open the full-screen view, `gpuq top`? [Y/n] ").strip().lower() in ("", "y", "yes"):
            _gpuq(client, "top")


def _gpuq(client: Client, *words: str) -> None:
    """Run a command as a user would, shown as it is typed."""
    print(f"$ gpuq {' '.join(os.path.relpath(word) if os.path.isabs(word) else word for word in words)}", flush=True)
    program = Path(sys.executable).with_name("gpuq")
    done = subprocess.run([program, *words], env={**os.environ, "GPUQ_SOCKET": client.path}, check=False)
    if done.returncode != 0:
        raise DemoError(f"`gpuq {words[0]}` ended with exit code {done.returncode}.")
    print(flush=True)


@contextlib.contextmanager
def _gpuqd(folder: Path, master_port: int | None) -> Generator[Client]:
    """Run a gpuqd of the demo's own in `folder`; end its jobs and itself afterwards."""
    config = folder / "gpuqd.toml"
    port = "" if master_port is None else f"master_port = {master_port}\n"
    config.write_text(
        f'cluster_name = "demo"\nstate_dir = "{folder}"\nscratch_dir = "{folder}/s"\n\n'
        "[owners]\nallow_root_jobs = true\n\n"
        f'[partition.demo]\nengine = "embedded"\nnodes = 2\ngpus_per_node = 1\n{port}'
    )
    print(f"gpuq {gpuq.__version__}: starting gpuqd and a Spark of its own in {folder}", flush=True)
    settings = load(config)
    client = Client(str(settings.socket_path))
    try:
        background.start(settings, config)
        yield client
    finally:
        for number in _SIGNALS:  # a second ctrl-C must not leave half of it running
            signal.signal(number, signal.SIG_IGN)
        print("Stopping ...", file=sys.stderr, flush=True)
        _end(settings, client)


def _end(settings: Config, client: Client) -> None:
    """End the jobs, then gpuqd, which ends its engine when no job needs it."""
    deadline = time.monotonic() + _STOP_S
    with contextlib.suppress(UnavailableError):
        for job in client.jobs():
            client.cancel(job["id"])
        while client.jobs() and time.monotonic() < deadline:
            time.sleep(0.2)
    background.stop(settings)


def _sample(name: str) -> Path:
    """Return a sample job of the checkout that the demo runs in."""
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / "sample_jobs" / name).is_file():
            return folder / "sample_jobs" / name
    raise DemoError(f"sample_jobs/{name} is not here: run the demo in a checkout of gpuq.")


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _stop(_: int, __: FrameType | None) -> None:
    raise _Stopped
