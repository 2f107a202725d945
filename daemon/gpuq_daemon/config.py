"""`gpuqd.toml`: what an operator decides. Unknown keys are refused, so that a typing error is never silent."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from gpuq.errors import UsageError
from gpuq_daemon.access import AuditTable, ListenTable, PrivacyTable, RolesTable, listen_problem
from gpuq_daemon.hook_tables import DefaultsTable, HooksTable, defaults_problem, hooks_problem
from gpuq_daemon.partitions import EmbeddedPartition, Partition, engine_names
from gpuq_daemon.policy.usage import checked_half_life
from gpuq_daemon.policy.ways import Allowed

_PARTITION_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_LOG_URI = re.compile(r"(?:(?:hdfs|webhdfs|swebhdfs)://[A-Za-z0-9._:\[\]-]*|file://)/[^?#\s]+")
_MAIL_FROM = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,253}")
_LONGEST_SOCKET_PATH = 107  # sun_path of Linux, without its final zero


class WeightsTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What each factor of a job's priority counts; `max_age_d` is the age, in days, that counts in full."""

    age: Annotated[int, Meta(ge=0, le=2**31)] = 1_000
    fair_share: Annotated[int, Meta(ge=0, le=2**31)] = 100_000
    job_size: Annotated[int, Meta(ge=0, le=2**31)] = 1_000
    partition: Annotated[int, Meta(ge=0, le=2**31)] = 1_000
    qos: Annotated[int, Meta(ge=0, le=2**31)] = 10_000
    max_age_d: Annotated[float, Meta(gt=0)] = 7.0


class BillingTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a second costs: of a GPU, by model, of a CPU, of a GiB of memory."""

    gpu: Annotated[float, Meta(ge=0, le=1e6)] = 1.0
    gpu_types: dict[str, Annotated[float, Meta(ge=0, le=1e6)]] = {}
    cpu: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    memory_gib: Annotated[float, Meta(ge=0, le=1e6)] = 0.0


class SchedulerTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the queue is ordered and how much may be kept idle for it.

    Usage counts half after `half_life_d` days. Limits in GPU-hours are for periods of `period_d` days. Shares are
    computed anew every `recalculate_every_s` seconds. With `preemption` running jobs may be stopped for others, after
    `least_run_s` and at most `most_preemptions` times each, for those who have waited for `patience_s` (small jobs:
    `small_patience_s`). `policy` is "tiered" then, and "multifactor" without it, unless it is named: docs/policy.md.
    Starts are estimated every `estimate_every_s` seconds at most, 0 is never. Passes are on record for `record_days`,
    in at most `record_mib`; 0 is none.
    See `policy.rules.Rules` for the rest.
    """

    half_life_d: float = 7.0
    period_d: Annotated[float, Meta(ge=1 / 24, le=3660)] = 30.0
    recalculate_every_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    promises: Annotated[int, Meta(ge=1, le=64)] = 4
    idle_budget: Annotated[float, Meta(ge=0, le=1)] = 0.25
    guard_after_h: Annotated[float, Meta(gt=0)] | None = 210.0
    preemption: bool = False
    policy: Literal["multifactor", "tiered", "fair-first"] | None = None
    least_run_s: Annotated[float, Meta(ge=0)] = 3600.0
    most_preemptions: Annotated[int, Meta(ge=0)] | None = None
    small_patience_s: Annotated[float, Meta(ge=0)] = 600.0
    patience_s: Annotated[float, Meta(ge=0)] = 3600.0
    estimate_every_s: Annotated[float, Meta(ge=0)] = 60.0
    record_days: Annotated[float, Meta(ge=0, le=3660)] = 7.0
    record_mib: Annotated[int, Meta(ge=0, le=1_048_576)] = 256
    weights: WeightsTable = WeightsTable()
    billing: BillingTable = BillingTable()

    @property
    def half_life_s(self) -> float:
        """The half-life of usage in seconds."""
        return self.half_life_d * 86_400


Limit = Annotated[int, Meta(ge=0, le=2**62)] | Literal["unlimited"]


class LimitsTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Resource limits of every process of a job, hard and soft; one that is not named is as gpuqd has it.

    Source: setrlimit(2). Sizes are in bytes, `cpu` is in seconds; `nproc` counts all processes of the user.
    """

    nofile: Limit | None = None
    nproc: Limit | None = None
    core: Limit | None = 0
    memlock: Limit | None = None
    stack: Limit | None = None
    fsize: Limit | None = None
    cpu: Limit | None = None

    @property
    def by_name(self) -> dict[str, int]:
        """The limits that are set; -1 is none."""
        named = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: -1 if value == "unlimited" else value for name, value in named.items() if value is not None}


class OwnersTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose jobs are run. `run_as_gpuqd` is for a gpuqd that is not root: it then runs everybody's jobs as itself."""

    allow_root_jobs: bool = False
    min_uid: Annotated[int, Meta(ge=1)] = 1000
    run_as_gpuqd: bool = False


_Days = Annotated[float, Meta(ge=1, le=36_600)]


class RetentionTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many days after its end a job is kept, and its points, and its logs, scripts and event files; None: for ever.

    With the job goes all of it but its checkpoints; what it was charged stays, as sums by day.
    """

    jobs_days: _Days | None = None
    points_days: _Days | None = None
    logs_days: _Days | None = None


class NotifyTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How owners of jobs are told what happens to these (`--notify`).

    `webhook_hosts` are the hosts that may be told, "host" for HTTPS on port 443 or "host:port"; without
    `webhook_private` their names must not lead into the private network. `sendmail` is a program, with its words, that
    takes a whole mail; nothing is mailed where there is none. Mail goes to users' own mailboxes on this host, and to
    addresses of `mail_domains`. A message is tried `most_tries` times, and shown for `keep_d` days afterwards.
    """

    webhook_hosts: tuple[str, ...] = ()
    webhook_private: bool = False
    webhook_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    sendmail: tuple[str, ...] = ("/usr/sbin/sendmail", "-i", "-t")
    mail_from: str | None = None
    mail_domains: tuple[str, ...] = ()
    commands: bool = True
    command_s: Annotated[float, Meta(gt=0, le=600)] = 30.0
    most_tries: Annotated[int, Meta(ge=1, le=50)] = 8
    keep_d: Annotated[float, Meta(gt=0)] = 30.0

    @property
    def sender(self) -> str:
        """Whom mail is from."""
        return self.mail_from or f"gpuq@{socket.gethostname()}"

    @property
    def allowed(self) -> Allowed:
        """What of all ways the site allows, as of now."""
        return Allowed(
            webhook_hosts=self.webhook_hosts,
            mail_domains=self.mail_domains,
            mails=bool(self.sendmail) and os.access(self.sendmail[0], os.X_OK),
            commands=self.commands,
        )


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration. `socket` and `scratch_dir` follow from `state_dir` where they are not given.

    `log_uri` is a folder that event files, logs and checkpoints of jobs are carried to, a folder for each job in it.
    A job that is preempted may go on for `preempt_grace_s` to save a checkpoint, if it does not say itself how long it
    needs. One whose first node has not begun the user's function after `configuring_limit_s` is given up.
    One that has told nothing yet for `silent_after_s` is flagged as silent; later its own pace decides.
    What ranks use is sampled every `sample_every_s`, 0 for never; a GPU that its job has not used for `idle_after_s` is
    flagged as idle.
    """

    state_dir: str
    partition: dict[str, Partition]
    cluster_name: str = "gpuq"
    socket: str | None = None
    scratch_dir: str | None = None
    jobs_dir: str | None = None
    log_uri: str | None = None
    default_partition: str | None = None
    kill_wait_s: Annotated[float, Meta(ge=0, le=600)] = 2.0
    max_script_kib: Annotated[int, Meta(ge=1, le=16 * 1024)] = 1024
    max_pending_jobs: Annotated[int, Meta(ge=1)] = 100_000
    preempt_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 30.0
    silent_after_s: Annotated[float, Meta(ge=60, le=30 * 86_400)] = 1200.0
    sample_every_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    idle_after_s: Annotated[float, Meta(ge=1, le=30 * 86_400)] = 600.0
    configuring_limit_s: Annotated[float, Meta(ge=10, le=86_400)] = 300.0
    min_free_mib: Annotated[int, Meta(ge=0)] = 64
    allow_network_state: bool = False
    log_format: Literal["auto", "text", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    scheduler: SchedulerTable = SchedulerTable()
    owners: OwnersTable = OwnersTable()
    limits: LimitsTable = LimitsTable()
    listen: ListenTable = ListenTable()
    roles: RolesTable = RolesTable()
    privacy: PrivacyTable = PrivacyTable()
    audit: AuditTable = AuditTable()
    retention: RetentionTable = RetentionTable()
    notify: NotifyTable = NotifyTable()
    hooks: HooksTable = HooksTable()
    defaults: DefaultsTable = DefaultsTable()

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
        """Where attempts have their short-lived files; short, since sockets are made in it.

        Root's is not in /tmp, where others could have made the folder before.
        """
        if self.scratch_dir:
            return Path(self.scratch_dir)
        return self.state / "s" if os.getuid() == 0 else Path("/tmp") / f"gpuq-{os.getuid()}"

    @property
    def jobs(self) -> Path:
        """Where jobs have what is theirs: scripts, logs, event files, checkpoints."""
        return Path(self.jobs_dir) if self.jobs_dir else self.state / "jobs"

    def log_uri_of(self, partition: str) -> str | None:
        """Return where files of a partition's jobs are carried to; None if they stay where they are."""
        table = self.partition.get(partition)
        uri = (table.log_uri if table is not None else None) or self.log_uri
        return uri.rstrip("/") if uri else None

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
    try:
        checked_half_life(config.scheduler.half_life_s)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    problem = _problem(config)
    if problem:
        raise UsageError(f"{path}: {problem}.")
    return config


def _plainly(said: str) -> str:
    """Return msgspec's words as an operator would put them."""
    what, _, where = said.partition(" - at `$")
    where = where.rstrip("`").lstrip(".").replace("partition[...]", "[partition.NAME]").replace("[...]", "")
    if where.endswith("engine"):
        what, where = f"{what} (the engines are: {', '.join(engine_names())})", "[partition.NAME] engine"
    return f"in {where}: {what}" if where else what


def _problem(config: Config) -> str | None:
    if not config.partition:
        return 'there is no partition: add [partition.NAME] with engine = "embedded"'
    for name in config.partition:
        if not _PARTITION_NAME.fullmatch(name):
            return f"`{name}` cannot be a partition's name: use a-z, 0-9, - and _"
        table = config.partition[name]
        if isinstance(table, EmbeddedPartition) and table.warm and table.spark == "one":
            return f'[partition.{name}] warm needs a Spark per job: leave out spark = "one", or warm'
    if config.default_partition is not None and config.default_partition not in config.partition:
        return f"default_partition `{config.default_partition}` is not one of {', '.join(config.partition)}"
    if not config.state.is_absolute():
        return f"state_dir `{config.state_dir}` must be an absolute path"
    if len(os.fsencode(config.socket_path)) > _LONGEST_SOCKET_PATH:
        return f"the socket's path {config.socket_path} is too long for Linux: set `socket` to a shorter one"
    for uri in (config.log_uri, *(each.log_uri for each in config.partition.values())):
        if uri is not None and not _LOG_URI.fullmatch(uri):
            return (
                f"log_uri `{uri}` must be a folder's address: hdfs://HOST/FOLDER, webhdfs:, swebhdfs: or file:///FOLDER"
            )
    if config.notify.sendmail and not config.notify.sendmail[0].startswith("/"):
        return f"[notify] sendmail `{config.notify.sendmail[0]}` must be an absolute path, with its words behind it"
    if config.notify.mail_from is not None and not _MAIL_FROM.fullmatch(config.notify.mail_from):
        return f"[notify] mail_from `{config.notify.mail_from}` is no address of mail"
    return listen_problem(config.listen) or hooks_problem(config.hooks) or defaults_problem(config.defaults)
