"""`gpuq tensorboard`."""

from __future__ import annotations

import os
import shutil

import click

from gpuq.cli import terminal
from gpuq.cli.naming import number_of
from gpuq.client import Client
from gpuq.errors import GpuqError, NotFoundError
from gpuq.text import clean, fit


@click.command("tensorboard", context_settings={"ignore_unknown_options": True})
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="On this port of this host. [any free one]")
def command(job_ids: tuple[str, ...], port: int) -> None:
    """Open TensorBoard on the event files of jobs, on this host alone; each job is a folder of runs.

    It reads the files where they are, so they must be in reach from here, and TensorBoard installed.
    """
    client = Client()
    program = shutil.which("tensorboard")
    if program is None:
        raise GpuqError("TensorBoard is not installed here: `pip install tensorboard`, or use `gpuq plot`.")
    folders = [_folder(client, number_of(client, word)) for word in job_ids]
    where = f"--logdir={folders[0][1]}" if len(folders) == 1 else "--logdir_spec=" + ",".join(map(":".join, folders))
    terminal.flush()
    os.execv(program, [program, where, "--host=127.0.0.1", f"--port={port}"])


def _folder(client: Client, number: int) -> tuple[str, str]:
    """Return a job's name in TensorBoard, and where the event files of its newest attempt are.

    Raises:
        NotFoundError: it has none that can be read from here.
    """
    uri = client.job(number)["log_uri"]
    if uri is None:
        raise NotFoundError(f"Job {number} has not started: it has written nothing.")
    if not uri.startswith("file://"):
        return f"job-{number}", uri.rstrip("/") + "/events"
    from urllib.parse import unquote

    path = os.path.join(unquote(uri.removeprefix("file://")), "events")
    if not os.access(path, os.R_OK | os.X_OK):
        raise NotFoundError(
            f"{fit(clean(path), 200)} cannot be read from here: run this on the host of gpuqd, as the job's owner."
        )
    return f"job-{number}", path
