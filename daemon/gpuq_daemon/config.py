"""`gpuqd.toml`: what an operator decides. Unknown keys are refused, so that a typing error is never silent."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from gpuq.errors import UsageError

_PARTITION_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_LONGEST_SOCKET_PATH = 107  # sun_path of Linux, without its final zero


class EmbeddedPartition(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="embedded", tag_field="engine"
):
    """A Spark Standalone cluster on loopback that gpuqd starts and stops itself."""

    nodes: Annotated[int, Meta(ge=1, le=64)] = 2
    gpus_per_node: Annotated[int, Meta(ge=1, le=64)] = 1
    gpu: Literal["auto", "virtual", "real"] = "auto"
    python: str | None = None
    master_port: Annotated[int, Meta(ge=1024, le=65535)] | None = None
    memory_floor_mib: Annotated[int, Meta(ge=0)] = 4096


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration. `socket` and `scratch_dir` follow from `state_dir` where they are not given."""

    state_dir: str
    partition: dict[str, EmbeddedPartition]
    cluster_name: str = "gpuq"
    socket: str | None = None
    scratch_dir: str | None = None
    default_partition: str | None = None
    kill_wait_s: Annotated[float, Meta(ge=0, le=600)] = 2.0
    max_script_kib: Annotated[int, Meta(ge=1, le=16 * 1024)] = 1024
    max_pending_jobs: Annotated[int, Meta(ge=1)] = 100_000

    @property
    def state(self) -> Path:
        """The folder of the databases and the jobs' files."""
        return Path(self.state_dir)

    @property
    def socket_path(self) -> Path:
        """Where the API listens."""
        return Path(self.socket) if self.socket else self.state / "gpuqd.sock"

    @property
    def scratch(self) -> Path:
        """Where attempts have their short-lived files; short, since sockets are made in it."""
        return Path(self.scratch_dir) if self.scratch_dir else Path("/tmp") / f"gpuq-{os.getuid()}"

    @property
    def first_partition(self) -> str:
        """The partition of a job that names none."""
        return self.default_partition or next(iter(self.partition))


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        UsageError: it cannot be read, is not TOML, or says something impossible; the message names the key.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read the configuration {path}: {error.strerror}.") from error
    try:
        config = msgspec.toml.decode(text, type=Config)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # ValidationError is one of them
        raise UsageError(f"{path}: {_plainly(str(error))}.") from error
    problem = _problem(config)
    if problem:
        raise UsageError(f"{path}: {problem}.")
    return config


def _plainly(said: str) -> str:
    """Return msgspec's words as an operator would put them."""
    what, _, where = said.partition(" - at `$")
    where = where.rstrip("`").lstrip(".").replace("partition[...]", "[partition.NAME]").replace("[...]", "")
    if where.endswith("engine"):
        what, where = f"{what} (the engines are: embedded)", "[partition.NAME] engine"
    return f"in {where}: {what}" if where else what


def _problem(config: Config) -> str | None:
    if not config.partition:
        return 'there is no partition: add [partition.NAME] with engine = "embedded"'
    for name in config.partition:
        if not _PARTITION_NAME.fullmatch(name):
            return f"`{name}` cannot be a partition's name: use a-z, 0-9, - and _"
    if config.default_partition is not None and config.default_partition not in config.partition:
        return f"default_partition `{config.default_partition}` is not one of {', '.join(config.partition)}"
    if not config.state.is_absolute():
        return f"state_dir `{config.state_dir}` must be an absolute path"
    if len(os.fsencode(config.socket_path)) > _LONGEST_SOCKET_PATH:
        return f"the socket's path {config.socket_path} is too long for Linux: set `socket` to a shorter one"
    return None
