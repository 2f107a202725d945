"""`gpuq tensorboard`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.client import Client
from gpuq.errors import GpuqError, NotFoundError, UnavailableError
from gpuq.mirror import MOST_BYTES, Mirror, folder_for_now
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_LOOK_S = 2.0
_END_S = 5.0


@declare.command("tensorboard", takes_unknown=True)
@declare.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@declare.option("--port", type=declare.IntRange(0, 65535), default=0, help="On this port of this host. [any free one]")
def command(job_ids: tuple[str, ...], port: int) -> None:
    """Open TensorBoard on the event files of jobs, on this host alone; each job is a folder of runs.

    Files that cannot be read from here, on HDFS or on the host of gpuqd, are copied into your cache while TensorBoard
    runs, as they grow, 4 GiB at most; the copy is removed at its end. TensorBoard must be installed.
    """
    client = Client()
    beside = os.path.dirname(sys.executable)  # in the environment that gpuq itself is installed in
    program = shutil.which("tensorboard", path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    if program is None:
        raise GpuqError("TensorBoard is not installed here: `pip install tensorboard`, or use `gpuq plot`.")
    numbers = [number_of(client, word) for word in job_ids]
    here = [_folder(client, number) for number in numbers]
    options = ["--host=127.0.0.1", f"--port={port}"]
    folders = [(f"job-{number}", path) for number, path in zip(numbers, here, strict=True) if path is not None]
    if len(folders) == len(numbers):
        terminal.flush()
        os.execv(program, [program, _logdir(folders), *options])
    with folder_for_now() as root:
        mirrors: list[Mirror] = []
        for number, path in zip(numbers, here, strict=True):
            if path is None:
                copy = os.path.join(root, f"job-{number}")
                os.mkdir(copy)
                mirrors.append(Mirror(client, number, copy))
                folders.append((f"job-{number}", copy))
        sys.exit(_beside([program, _logdir(sorted(folders)), *options], mirrors))


def _logdir(folders: Sequence[tuple[str, str]]) -> str:
    return f"--logdir={folders[0][1]}" if len(folders) == 1 else "--logdir_spec=" + ",".join(map(":".join, folders))


def _folder(client: Client, number: int) -> str | None:
    """Return where the event files of a job's newest attempt are, None if they cannot be read from here.

    Raises:
        NotFoundError: it has none.
    """
    job = client.job(number)
    uri = job["log_uri"]
    if uri is None:
        raise NotFoundError(f"Job {number} has not started: it has written nothing.")
    if job.get("carried_uri") is not None:
        return None  # what is here is what this host's ranks wrote, if any
    from urllib.parse import unquote

    path = os.path.join(unquote(uri.removeprefix("file://")), "events")
    return path if os.access(path, os.R_OK | os.X_OK) and os.listdir(path) else None


def _beside(argv: list[str], mirrors: Sequence[Mirror]) -> int:
    """Run TensorBoard, and keep the copies up to date for as long as it runs; return its exit code."""
    signal.signal(signal.SIGTERM, _leave)
    size = sum(mirror.catch_up() for mirror in mirrors)
    terminal.say_error(f"Copied {size / 1e6:.1f} MB of event files; what comes is copied as it is read by gpuqd.")
    with subprocess.Popen(argv) as tensorboard:
        try:
            told = ""
            while True:
                try:
                    return tensorboard.wait(_LOOK_S)
                except subprocess.TimeoutExpired:
                    told = _caught_up(mirrors, told)
        except KeyboardInterrupt:
            return 130
        finally:
            _end(tensorboard)


def _caught_up(mirrors: Sequence[Mirror], told: str) -> str:
    """Get what is new; return what is wrong with that, which is told once."""
    try:
        left = MOST_BYTES
        for mirror in mirrors:
            mirror.catch_up(left)
            left -= mirror.size
    except UnavailableError as error:
        if str(error) != told:
            terminal.say_error(f"Nothing new is copied now: {fit(clean(str(error)), 200)}")
        return str(error)
    return ""


def _end(tensorboard: subprocess.Popen[bytes]) -> None:
    tensorboard.terminate()
    try:
        tensorboard.wait(_END_S)
    except subprocess.TimeoutExpired:
        tensorboard.kill()


def _leave(*_: object) -> NoReturn:
    sys.exit(143)
