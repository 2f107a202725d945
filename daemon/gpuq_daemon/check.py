"""`gpuqd check`: whether a configuration and this machine can run gpuqd, one finding a line, each with its fix."""

from __future__ import annotations

import json
import os
import pwd
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from gpuq.errors import GpuqError
from gpuq.text import clean
from gpuq_daemon.backends import gpus, java, memory
from gpuq_daemon.backends.making import make_engine, make_engines
from gpuq_daemon.check_access import check_access
from gpuq_daemon.check_hooks import check_hooks
from gpuq_daemon.config import Config, load
from gpuq_daemon.files.door import Door, path_of
from gpuq_daemon.files.found import FilesError, OneFileError
from gpuq_daemon.findings import Finding, fail, ok, warn
from gpuq_daemon.partitions import EmbeddedPartition, KubernetesPartition, Partition
from gpuq_daemon.state_folder import network_type

_MIB = 1024 * 1024
_GOOD_FREE_MIB = 4096
_LEAST_FILES = 8192
_TIMEOUT_S = 60.0
# What works together; those that a test holds equal to the extra `job`.
PINS: Mapping[str, str] = {
    "tensorflow": "==2.21.0",
    "tf_keras": "==2.21.0",
    "tensorboard": "==2.21.0",
    "pyspark": "==4.3.0",
    "tensorflowonspark": "==2.2.5",
    "setuptools": "<82",
    "six": "",
}
_ASK_VERSIONS = """
import importlib.metadata as m, json, sys
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def check(file: Path, environment: Mapping[str, str]) -> tuple[Finding, ...]:
    """Look at everything; a configuration that cannot be read is the only finding there then is."""
    try:
        config = load(file)
    except GpuqError as error:
        return (fail("configuration", str(error), f"correct {file}"),)
    found = [ok("configuration", f"{file}: {', '.join(config.partition)}"), check_java(environment)]
    pythons = sorted({_python_here(partition) for partition in config.partition.values()})
    found += [check_packages(python, environment) for python in pythons]
    found += check_state(config)
    found += [check_socket(config.socket_path), check_scratch(config.scratch), check_jobs(config.jobs)]
    for name, partition in config.partition.items():
        match partition:
            case EmbeddedPartition():
                found += check_partition(name, partition, is_running=_listens(config.socket_path))
            case KubernetesPartition():
                found.append(check_kubernetes(name, partition, config))
            case _:
                found.append(check_cluster(name, partition, config))
    needs = [path for engine in make_engines(config).values() for path in engine.needs()]
    found += check_access(config, file, needs=needs, is_root=os.geteuid() == 0)
    found += check_hooks(config.hooks)
    uris = sorted({uri for name in config.partition if (uri := config.log_uri_of(name)) is not None})
    found += [check_log_uri(uri, environment) for uri in uris]
    return (*found, check_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1]), check_clock(_timedatectl()))


def hindrances(config: Config, partition: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return what would make any job of a partition fail here, each with its fix; nothing where all is well."""
    python = config.partition[partition].python or sys.executable
    found = (
        check_java(environment),
        check_packages(python, environment),
        check_scratch(config.scratch),
        check_jobs(config.jobs),
        check_log_uri(config.log_uri_of(partition), environment),
    )
    return tuple(f"{one.name}: {one.text} -> {one.fix}" for one in found if one.fix)


def lines(found: tuple[Finding, ...]) -> list[str]:
    """Return one line a finding: `warn  clock: not synchronised -> switch NTP on`."""
    return [
        f"{one.level:<4}  {one.name}: {clean(one.text.rstrip('.'))}{f' -> {clean(one.fix)}' if one.fix else ''}"
        for one in found
    ]


def as_json(found: tuple[Finding, ...]) -> str:
    """Return the findings as a JSON array."""
    return json.dumps([asdict(one) for one in found], indent=2)


def check_java(environment: Mapping[str, str]) -> Finding:
    """Return whether Spark has a Java it can run on."""
    try:
        return ok("java", f"{java.find(environment)} is {java.OLDEST} or newer")
    except GpuqError as error:
        return fail("java", str(error), f"install Java {java.OLDEST} (Debian: openjdk-17-jre-headless)")


def check_packages(python: str, environment: Mapping[str, str]) -> Finding:
    """Return whether the Python of jobs has the packages that work together."""
    command = [python, "-c", _ASK_VERSIONS, *PINS]
    safely = {**environment, "PYTHONSAFEPATH": "1"}  # nothing of the folder that this is typed in
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True, env=safely)
        versions: dict[str, str | None] = json.loads(told.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return fail("packages", f"{python} does not run: {error}", "name the Python of jobs: `python` of the partition")
    return judge_packages(python, versions)


def judge_packages(python: str, versions: Mapping[str, str | None]) -> Finding:
    """Return what the versions of the packages mean: one that is missing fails, another version is a warning."""
    missing = [name for name in PINS if versions.get(name) is None]
    wrong = [
        f"{name} {there}" for name, pin in PINS.items() if (there := versions.get(name)) and not _meets(there, pin)
    ]
    fix = f"{python} -m pip install " + " ".join(
        f"'{name}{pin}'" for name, pin in PINS.items() if not _meets(versions.get(name) or "", pin)
    )
    if missing:
        return fail("packages", f"{python} has no {', '.join(missing)}", fix)
    if "setuptools" in " ".join(wrong):  # no pkg_resources any more, which TensorFlowOnSpark imports
        return fail("packages", f"{python} has {', '.join(wrong)}, too new for TensorFlowOnSpark", fix)
    if wrong:
        return warn("packages", f"{python} has {', '.join(wrong)}: not tried together", fix)
    return ok("packages", f"{python} has all that jobs need, in versions that work together")


def check_state(config: Config) -> Iterator[Finding]:
    """Yield whether the state folder is gpuqd's own, on a disk of this machine, and has room."""
    folder = config.state
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    if not folder.is_dir():
        if folder.exists() or not os.access(nearest, os.W_OK):
            yield fail("state_dir", f"{folder} cannot be made", f"install -d -m 700 {folder}")
        else:
            yield ok("state_dir", f"{folder} will be made")
    else:
        there = folder.stat()
        if there.st_uid != os.getuid():
            yield fail(
                "state_dir", f"{folder} belongs to uid {there.st_uid}", f"run gpuqd as that user, or chown {folder}"
            )
        elif there.st_mode & 0o022:
            yield fail("state_dir", f"others can write to {folder}", f"chmod 700 {folder}")
        else:
            yield ok("state_dir", f"{folder} is gpuqd's own")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        network = network_type(mounts, nearest.stat().st_dev)
    if network is not None and not config.allow_network_state:
        yield fail("state_dir", f"{folder} is on a network file system ({network})", "name a folder on a local disk")
    yield judge_space(nearest, shutil.disk_usage(nearest).free // _MIB, least_mib=config.min_free_mib)


def judge_space(folder: Path, free_mib: int, *, least_mib: int) -> Finding:
    """Return whether there is room for databases, logs, event files and checkpoints."""
    text, fix = f"{free_mib} MiB free at {folder}", "free some, or set state_dir to a larger disk"
    if free_mib < least_mib:
        return fail("disk", text, fix)
    return warn("disk", text, fix) if free_mib < _GOOD_FREE_MIB else ok("disk", text)


def check_socket(path: Path) -> Finding:
    """Return whether the API can listen."""
    if _listens(path):
        return ok("socket", f"a gpuqd answers at {path}")
    nearest = next(one for one in path.parents if one.exists())
    if not os.access(nearest, os.W_OK):
        return fail("socket", f"{path} cannot be made", f"install -d {path.parent}, or set `socket`")
    if path.exists() and not path.is_socket():
        return fail("socket", f"{path} is there and no socket", "set `socket` to another path")
    return ok("socket", f"{path} is free")


def check_scratch(path: Path) -> Finding:
    """Return whether jobs can have their short-lived files."""
    nearest = next(one for one in (path, *path.parents) if one.exists())
    if not os.access(nearest, os.W_OK):
        return fail("scratch_dir", f"{path} cannot be written", "set scratch_dir to a folder on a local disk")
    return ok("scratch_dir", f"{path} can be written")


def check_jobs(path: Path) -> Finding:
    """Return whether the logs, event files and checkpoints of jobs can be written where they belong."""
    nearest = next(one for one in (path, *path.parents) if one.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        fix = f"chown {_whoami()} {nearest}, or set jobs_dir to a folder that gpuqd can write"
        return fail("jobs_dir", f"{path} cannot be written, so no job has a place for its logs", fix)
    return ok("jobs_dir", f"{path} can be written")


def check_log_uri(uri: str | None, environment: Mapping[str, str]) -> Finding:
    """Return whether the folder that files of jobs are carried to is there, and takes files of gpuqd's user."""
    if uri is None:
        return ok("log_uri", "files of jobs stay in jobs_dir")
    path = path_of(uri)
    make = f"hdfs dfs -mkdir -p {path} && hdfs dfs -chmod 1777 {path}"
    with closing(Door(environment)) as door:
        try:
            if uri.startswith("file://"):
                with tempfile.TemporaryFile(dir=path):
                    pass
            else:
                door.hdfs(uri).check_writable(path)
        except FileNotFoundError:
            made = f"mkdir -m 1777 {path}" if uri.startswith("file://") else make
            return fail("log_uri", f"{uri} is not there", made)
        except OneFileError as error:
            return fail("log_uri", str(error), make)
        except (OSError, FilesError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            return fail("log_uri", f"{uri}: {said}", "see to that file system, or to HADOOP_CONF_DIR of gpuqd")
    return ok("log_uri", f"{uri} takes files")


def _whoami() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def check_partition(name: str, partition: EmbeddedPartition, *, is_running: bool) -> Iterator[Finding]:
    """Yield whether a partition's engine finds its GPUs, memory and port; one that runs has its port already."""
    where = f"partition {name}"
    try:
        slots = gpus.slots(partition.gpu, partition.nodes, partition.gpus_per_node)
    except GpuqError as error:
        yield fail(where, str(error), f'install the NVIDIA driver, or set gpu = "virtual" in [partition.{name}]')
    else:
        yield ok(where, f"{partition.nodes} x {partition.gpus_per_node} {slots.kind}")
    free = memory.available_mib()
    if not is_running and free < partition.memory_floor_mib:
        fix = f"free some, or lower memory_floor_mib in [partition.{name}]"
        yield fail(f"{where} memory", f"{free} of {partition.memory_floor_mib} MiB are free", fix)
    if partition.master_port is not None and not is_running and not _is_free(partition.master_port):
        fix = f"end what listens there (ss -ltnp), or change master_port in [partition.{name}]"
        yield fail(f"{where} port", f"port {partition.master_port} is taken", fix)


def check_cluster(name: str, partition: Partition, config: Config) -> Finding:
    """Return whether a cluster that somebody else runs answers, and what it has; nothing is started on it."""
    where = f"partition {name}"
    with tempfile.TemporaryDirectory(prefix="gpuq-check-") as folder:
        engine = make_engine(name, partition, Path(folder), config)
        try:
            engine.start()
            wrong = engine.health()
        except GpuqError as error:
            wrong = str(error)
    if wrong is not None:
        return fail(where, wrong, f"correct [partition.{name}], or start its cluster")
    nodes = [node for node in engine.nodes() if node.is_up]
    text = f"{len(nodes)} nodes with {sum(node.gpus for node in nodes)} GPUs"
    if not any(node.gpus for node in nodes):
        return warn(where, text, "have its nodes offer GPUs: see docs/engines.md")
    return ok(where, text)


def check_kubernetes(name: str, partition: KubernetesPartition, config: Config) -> Finding:
    """Return whether a partition's Kubernetes can be reached and lets gpuqd do what it has to."""
    from gpuq_daemon.backends import kubernetes_making  # a look at what has none is quicker

    where = f"partition {name}"
    try:
        engine = kubernetes_making.make(name, partition, config.state, jobs=config.jobs, grace_s=config.kill_wait_s)
        _, api = engine.reach()
    except GpuqError as error:
        return fail(where, str(error), f"see docs/engines.md, and correct [partition.{name}]")
    return ok(where, f"{api.server}, namespace {partition.namespace}")


def _python_here(partition: Partition) -> str:
    """Return the Python of this host that has what a partition's jobs start with; pods have one of their own."""
    is_elsewhere = isinstance(partition, KubernetesPartition)
    return sys.executable if is_elsewhere or partition.python is None else partition.python


def check_files(most: int) -> Finding:
    """Return whether so many open files suffice: every waiting client holds one."""
    if most < _LEAST_FILES:
        return warn("open files", f"at most {most}", f"LimitNOFILE=65536 in the unit, or ulimit -n {_LEAST_FILES}")
    return ok("open files", f"at most {most}")


def check_clock(is_synchronised: bool | None) -> Finding:
    """Return whether the clock can be trusted: limits, shares and accounting are about time."""
    if is_synchronised is None:
        return ok("clock", "nobody here can say whether it is synchronised")
    if not is_synchronised:
        return warn("clock", "not synchronised", "timedatectl set-ntp true, or run chrony")
    return ok("clock", "synchronised")


def _timedatectl() -> bool | None:
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(told)


def _meets(version: str, pin: str) -> bool:
    if pin.startswith("=="):
        return version == pin[2:]
    if pin.startswith("<"):
        major = re.match(r"\d+", version)
        return major is not None and int(major[0]) < int(pin[1:])
    return bool(version)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
