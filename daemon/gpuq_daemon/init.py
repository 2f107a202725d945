"""`gpuqd init`: a first configuration for this machine, with a word on each setting that one may want to change."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from gpuq.errors import UsageError
from gpuq_daemon.backends import gpus

_TEXT = """\
# gpuqd.toml: `gpuqd check --config FILE` says whether it fits this machine, `gpuqd reload` takes up most changes.

cluster_name = {cluster}
state_dir = {state}  # queue, logs, event files and checkpoints: on a local disk with room
socket = {socket}  # where `gpuq` finds the daemon

# kill_wait_s = 2.0         # between SIGTERM and SIGKILL
# max_pending_jobs = 100000
# log_level = "info"

[partition.local]
engine = "embedded"
nodes = {nodes}
gpus_per_node = 1
gpu = {gpu}  # "auto": real GPUs if there are enough; "virtual": the CPU plays them
# gpu_type = "a100"         # what jobs may ask for with --gpu-type
# priority = 0

[scheduler]
half_life_d = 7.0           # after so many days usage counts half
# period_d = 30.0           # of limits in GPU-hours

# [scheduler.weights]
# fair_share = 100000
# age = 1000
"""


def first_config(
    environment: Mapping[str, str],
    *,
    is_root: bool,
    host: str,
    installed_gpus: int,
    state: Path | None = None,
    socket: Path | None = None,
) -> str:
    """Return a configuration with one partition that has all GPUs of the machine, or two virtual ones.

    Without `state` and `socket` both are where systemd has such things, or in the home of a user who is not root.
    """
    home = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '/tmp')}/.local/state"
    state = state or (Path("/var/lib/gpuq") if is_root else Path(home) / "gpuq")
    socket = socket or (Path("/run/gpuq/gpuqd.sock") if is_root else state / "gpuqd.sock")
    return _TEXT.format(
        cluster=json.dumps(host),
        state=json.dumps(str(state)),
        socket=json.dumps(str(socket)),
        nodes=min(installed_gpus, 64) or 2,
        gpu=json.dumps("real" if installed_gpus else "virtual"),
    )


def path_of(option: str, given: str | None) -> Path | None:
    """Return the path that an option gives, None where it is not given.

    Raises:
        UsageError: it is empty, which would be the current folder.
    """
    if given is not None and not given.strip():
        raise UsageError(f"{option} is empty: name a path, or leave it out.")
    return None if given is None else Path(given)


def write(file: Path, environment: Mapping[str, str], *, state: Path | None = None, socket: Path | None = None) -> None:
    """Write a first configuration for this machine; a file that is there is left alone.

    Raises:
        UsageError: it is there already, or cannot be written.
    """
    text = first_config(
        environment,
        is_root=os.geteuid() == 0,
        host=os.uname().nodename,
        installed_gpus=len(gpus.installed()),
        state=state and state.absolute(),
        socket=socket and socket.absolute(),
    )
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file} is there already, and is left as it is: name another, or edit that one.") from error
    except OSError as error:
        raise UsageError(f"Cannot write {file}: {error.strerror}.") from error
