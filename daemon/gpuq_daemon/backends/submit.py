"""The spark-submit of one attempt: its words, its settings and its environment. Pure.

`shared` settings are those of every engine, `beside_driver` those of drivers and executors that see this host's files,
`on_standalone` those of a Standalone master.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gpuq_job
from gpuq_daemon.backends.base import Attempt, EngineError
from gpuq_daemon.backends.java import small_jvm, words
from gpuq_daemon.processes import MARKER
from gpuq_job.spec import WARM, Executor, Run

DRIVER_HEAP_MIB = 512
EXECUTOR_HEAP_MIB = 512  # Spark refuses less than 450
NAMES = "gpuq-"  # how the names of gpuqd's applications begin
STANDBYS = f"{NAMES}0-"  # and those of the ones that are no job's
# fmt: off
_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "HADOOP_CONF_DIR",
    "KRB5_CONFIG",
)
# fmt: on
_LONGEST_SOCKET_NAME = 107
_SOCKET_IN_SCRATCH = "/pymp-xxxxxxxx/listener-xxxxxxxx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What starts Spark: the java, the folder of pyspark (SPARK_HOME), the Python that jobs run with."""

    java: Path
    spark_home: Path
    python: Path

    @property
    def jars(self) -> Path:
        """Return the folder of Spark's own jars."""
        return self.spark_home / "jars"

    @property
    def files(self) -> tuple[Path, ...]:
        """Return what whoever runs jobs must be able to read."""
        return self.java, self.python, self.spark_home / "__init__.py", self.jars, Path(gpuq_job.__file__)


def base_environment(outside: Mapping[str, str], installation: Installation, host: str) -> dict[str, str]:
    """Return what every Spark process gets: a few words from outside, never all, and Spark's own."""
    return {
        **{name: outside[name] for name in _KEPT if name in outside},
        "JAVA_HOME": str(installation.java.parent.parent),
        "SPARK_HOME": str(installation.spark_home),
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_LOCAL_IP": host,
        "PYSPARK_PYTHON": str(installation.python),
        "PYSPARK_DRIVER_PYTHON": str(installation.python),
        "PYTHONPATH": str(package_root()),
    }


def libraries(outside: Mapping[str, str]) -> dict[str, str]:
    """Return what lets a Python find its libraries where its operator has put them elsewhere."""
    return {name: outside[name] for name in ("LD_LIBRARY_PATH",) if name in outside}


def application_name(attempt: Attempt) -> str:
    """Return the name by which an attempt's application is found at the master."""
    return f"{NAMES}{attempt.job_id}-{attempt.number}-{attempt.token}"


def argv(
    attempt: Attempt,
    installation: Installation,
    *,
    master: str,
    conf: Mapping[str, str],
    spec: Path,
    properties: Path | None = None,
    class_path: tuple[Path, ...] = (),
) -> tuple[str, ...]:
    """Return the words that start the driver here; the application's executors are exactly its TFoS nodes.

    `properties` is a file of settings that must not be seen in a list of processes; `conf` wins over it. Folders of
    `class_path` have Hadoop's settings.
    """
    return (
        *words(
            installation.java,
            installation.jars,
            DRIVER_HEAP_MIB,
            f"-Djava.io.tmpdir={attempt.scratch}",
            f"-Dlog4j2.configurationFile={log_settings()}",
            before=class_path,
        ),
        "org.apache.spark.deploy.SparkSubmit",
        "--master",
        master,
        "--deploy-mode",
        "client",
        *(() if properties is None else ("--properties-file", str(properties))),
        "--name",
        application_name(attempt),
        *(word for name, value in conf.items() for word in ("--conf", f"{name}={value}")),
        str(package_root() / "gpuq_job" / ("standby.py" if attempt.is_standby else "driver.py")),
        str(spec),
    )


def shared(attempt: Attempt) -> dict[str, str]:
    """Return the settings of an attempt's application on every engine."""
    return {
        "spark.driver.memory": f"{DRIVER_HEAP_MIB}m",
        "spark.ui.enabled": "false",
        # A training that fails must not be run again behind the queue's back.
        "spark.task.maxFailures": "1",
        # One executor is one TFoS node: a core stands for a place, not for a processor.
        "spark.executor.cores": "1",
        "spark.task.cpus": "1",
        "spark.executor.memory": f"{EXECUTOR_HEAP_MIB}m",
        "spark.python.daemon.module": "gpuq_job.python_daemon",
        # An executor that is free again may run another worker, which must not find the first one's TensorFlow.
        **({"spark.python.worker.reuse": "false"} if attempt.independent else {}),
        **(_two_kinds_of_executors(attempt.workers) if attempt.servers else {}),
        **(_standing_by() if attempt.is_standby else {}),
        **resource("gpu", attempt.gpus_per_worker),
        **_of_executors(marks(attempt)),
    }


def beside_driver(attempt: Attempt, host: str) -> dict[str, str]:
    """Return the settings where driver and executors are on `host`, or on hosts that see the same files."""
    return {
        "spark.driver.host": host,
        "spark.driver.bindAddress": host,
        "spark.local.dir": str(attempt.scratch),
        "spark.executor.extraJavaOptions": quoted(
            *small_jvm(),
            f"-Djava.io.tmpdir={attempt.scratch}",
            f"-Dlog4j2.configurationFile={log_settings()}",
        ),
        **_of_executors(
            {"GPUQ_HOST": host, "TMPDIR": str(attempt.scratch), "PYTHONPATH": str(package_root())},
        ),
    }


def towards_driver(attempt: Attempt, host: str) -> dict[str, str]:
    """Return the settings where executors are on other hosts than the driver, which they reach at `host`.

    Where an executor happens to be on this host, or to see its files, it uses the attempt's scratch folder.
    """
    return {
        "spark.driver.host": host,
        "spark.driver.bindAddress": host,
        "spark.local.dir": str(attempt.scratch),
        "spark.executor.extraJavaOptions": quoted(*small_jvm()),
        **_of_executors({"TMPDIR": str(attempt.scratch), "PYTHONPATH": str(package_root())}),
    }


def on_standalone(attempt: Attempt, pin: str | None = None) -> dict[str, str]:
    """Return the settings for a Standalone master; `pin` is the resource that confines the job to its nodes."""
    return {
        "spark.cores.max": str(attempt.workers + attempt.servers),
        **(resource(pin, 1) if pin is not None else {}),
    }


def run_of(
    attempt: Attempt,
    *,
    host: str,
    key: str,
    gpus_per_worker: int,
    server_executor: Executor | None,
    seats: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> Run:
    """Return what the driver is to run; `key` (hex) is fresh, `host` the address it listens on for its ranks."""
    return Run(
        job_id=attempt.job_id,
        attempt=attempt.number,
        workers=attempt.workers,
        gpus_per_worker=gpus_per_worker,
        script=str(attempt.script),
        args=(attempt.script.name, *attempt.args),
        folder=str(attempt.folder),
        checkpoints=str(attempt.checkpoints),
        host=host,
        key=key,
        ps=attempt.ps,
        evaluator=attempt.evaluator,
        epochs=attempt.epochs,
        independent=attempt.independent,
        driver=attempt.driver,
        server_executor=server_executor,
        seats=seats,
        carried_to=attempt.carried_to,
        words=task(attempt),
        sample_every_s=attempt.sample_every_s,
        node_hooks=attempt.node_hooks,
        hook_words=attempt.hook_words,
    )


def server_executor(attempt: Attempt, pin: str | None = None, *, overhead_mib: int | None = None) -> Executor | None:
    """Return what an executor of a node without GPUs gets; `pin` confines it to the nodes it was given.

    `overhead_mib` is its memory beside the heap, where that is limited.
    """
    if not attempt.servers:
        return None
    return Executor(
        cores=1,
        memory_mib=EXECUTOR_HEAP_MIB,
        resources={} if pin is None else {pin: 1},
        overhead_mib=overhead_mib,
    )


def driver_environment(attempt: Attempt, base: Mapping[str, str], host: str) -> dict[str, str]:
    """Return the whole environment of the driver."""
    return {
        **base,
        **marks(attempt),
        "GPUQ_HOST": host,
        "TMPDIR": str(attempt.scratch),
        "CUDA_VISIBLE_DEVICES": "",  # the driver trains nothing
        "PYTHONSAFEPATH": "1",  # the folder of driver.py is not a place for imports
        "PYTHONUNBUFFERED": "1",
    }


def log_settings() -> Path:
    """Return the log4j settings of drivers and executors: warnings, to standard error."""
    return Path(__file__).with_name("log4j2-application.properties")


def check_scratch(scratch: Path) -> None:
    """Check that Unix sockets fit into an attempt's scratch folder.

    Raises:
        EngineError: its path is too long.
    """
    room = _LONGEST_SOCKET_NAME - len(_SOCKET_IN_SCRATCH)
    if len(os.fsencode(scratch)) > room:
        raise EngineError(
            f"The path of the scratch folder {scratch} is too long for Unix sockets: "
            f"choose one of at most {room} bytes."
        )


def _two_kinds_of_executors(workers: int) -> dict[str, str]:
    """Return what lets an application have executors of a second kind, which it asks for itself.

    Spark wants to give executors back as they fall idle, and that must not happen before the end: they are the
    nodes of a cluster. It begins with as many as there are workers; `spark.cores.max` is where it ends.

    Source: Spark, "Stage Level Scheduling Overview", which needs "Dynamic Resource Allocation".
    """
    return {
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.initialExecutors": str(workers),
        "spark.dynamicAllocation.executorIdleTimeout": "36500d",
    }


def _standing_by() -> dict[str, str]:
    """Return what has each executor of an application warmed up before there is a job for it."""
    return {
        f"spark.executorEnv.{WARM}": "1",
        "spark.scheduler.minRegisteredResourcesRatio": "1",
        "spark.scheduler.maxRegisteredResourcesWaitingTime": "120s",
    }


def marks(attempt: Attempt) -> dict[str, str]:
    """Return the words of the environment by which every process of an attempt is known, and knows its task."""
    return {MARKER: attempt.token, **task(attempt)}


def task(attempt: Attempt) -> dict[str, str]:
    """Return the words that tell which task of an array an attempt is of; none if of no array."""
    words = {"GPUQ_ARRAY_ID": attempt.array_id, "GPUQ_ARRAY_INDEX": attempt.array_index}
    return {name: str(value) for name, value in words.items() if value is not None}


def resource(name: str, amount: int) -> dict[str, str]:
    """Return the settings that give each executor, and its one task, so much of a resource."""
    if amount == 0:
        return {}
    return {
        f"spark.executor.resource.{name}.amount": str(amount),
        f"spark.task.resource.{name}.amount": str(amount),
    }


def quoted(*options: str) -> str:
    """Return options as Spark splits them again: by a shell's rules for double quotes."""
    return " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in options)


def package_root() -> Path:
    """Return the folder that gpuq_job is imported from."""
    return Path(gpuq_job.__file__).resolve().parent.parent


def _of_executors(environment: Mapping[str, str]) -> dict[str, str]:
    return {f"spark.executorEnv.{name}": value for name, value in environment.items()}
