"""A Hadoop cluster: drivers run here, under their shims (client mode), executors in containers of YARN.

Nodes, GPUs, queues and applications are what the ResourceManager's REST says. An attempt's application carries its
token as a tag, so that it is found whatever was heard of it. It is proven gone when YARN has ended it and no
NodeManager runs a container of it.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import xml.etree.ElementTree as Xml
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from gpuq.models import Node
from gpuq_daemon.backends import gpus, java, leftovers, python_probe, submit
from gpuq_daemon.backends.base import Attempt, Command, EngineError
from gpuq_daemon.backends.notes import Note, Notes
from gpuq_daemon.backends.resource_manager import Application, ResourceManager, YarnNode, containers_of
from gpuq_daemon.backends.standalone import address_towards
from gpuq_daemon.backends.submit import Installation
from gpuq_daemon.partitions import YarnPartition
from gpuq_job import spec
from gpuq_job.orders import Order

_CLIENT_S = 60.0
_DISCOVERY = submit.package_root() / "gpuq_job" / "gpus.sh"


class YarnEngine:
    """Runs attempts on YARN. `folder` is its own and holds a note of every attempt.

    `reclaim_s` is how long one look at what is left of an attempt may wait for its end; an application that is there
    after `kill_after_s` is killed.
    """

    def __init__(
        self,
        *,
        partition: str,
        folder: Path,
        wanted: YarnPartition,
        python: Path,
        reclaim_s: float = 4.0,
        kill_after_s: float = 2.0,
    ) -> None:
        self._partition = partition
        self._wanted = wanted
        self._python = python
        self._reclaim_s = reclaim_s
        self._kill_after_s = kill_after_s
        self._conf = conf_dir(wanted, os.environ)
        self._notes = Notes(folder / "attempts")
        self._installation: Installation | None = None
        self._manager: ResourceManager | None = None
        self._settings: Mapping[str, str] = {}
        self._listed: tuple[YarnNode, ...] = ()
        self._known: dict[str, Node] = {}
        self._shared: set[str] = set()  # once shared, always: the node that is left must not change its name

    @property
    def partition(self) -> str:
        """The partition this engine serves."""
        return self._partition

    def start(self) -> None:
        """Look for what drivers need here; whether YARN is there is told by `health`.

        Raises:
            EngineError: drivers cannot run here.
        """
        found = java.find(os.environ)
        home = python_probe.spark_home(
            self._python, {"PATH": os.environ.get("PATH", ""), **submit.libraries(os.environ)}
        )
        self._settings = settings_in(self._conf)
        self._manager = ResourceManager(web_addresses(self._settings))
        self._notes.make()
        self._installation = Installation(java=found, spark_home=home, python=self._python)
        self._look()

    def stop(self) -> None:
        """Do nothing: the cluster is somebody else's."""

    def health(self) -> str | None:
        """Ask the ResourceManager; return what is wrong with the cluster, or None."""
        if self._manager is None:
            return "The engine is not started."
        if not self._look():
            closed = self._manager.behind_kerberos()
            if closed is not None:
                return (
                    f"The ResourceManager at {closed} answers nobody without a Kerberos ticket; gpuqd has none: let "
                    "its REST be read without one (hadoop.http.authentication.type = simple)."
                )
            return f"No active ResourceManager answers at {', '.join(web_addresses(self._settings))}."
        if not any(node.is_up for node in self._known.values()):
            return "YARN has no running node" + (f" with the label {self._label}." if self._label else ".")
        state = self._manager.queue_state(self._wanted.queue)
        if state == "":
            return f"YARN has no queue {self._wanted.queue}: name another in [partition.{self._partition}]."
        return None if state in (None, "RUNNING") else f"YARN's queue {self._wanted.queue} is {state}."

    def nodes(self) -> tuple[Node, ...]:
        """Return one node a NodeManager as of the last look, with the label if one is wanted."""
        return tuple(self._known.values())

    def needs(self) -> tuple[Path, ...]:
        """Return what jobs are started with."""
        return () if self._installation is None else (*self._installation.files, self._conf)

    def command(self, attempt: Attempt) -> Command:
        """Return the spark-submit for this attempt; writes its spec.json and its note."""
        installation = self._installation
        if installation is None:
            raise EngineError("The engine is not started.")
        submit.check_scratch(attempt.scratch)
        host = self._wanted.host or address_towards(f"spark://{_resource_manager(self._settings)}")
        asked = attempt if self._counts_gpus else replace(attempt, gpus_per_worker=0)
        run = submit.run_of(
            attempt,
            host=host,
            key=secrets.token_hex(32),
            gpus_per_worker=asked.gpus_per_worker,
            server_executor=submit.server_executor(attempt, overhead_mib=self._overhead_mib),
        )
        path = attempt.folder / "spec.json"
        spec.write(path, run)
        uid = None if attempt.owner is None else attempt.owner.uid
        self._notes.put(attempt.token, Note(logs=attempt.folder / "logs", scratch=attempt.scratch, uid=uid))
        return Command(
            argv=submit.argv(
                attempt,
                installation,
                master="yarn",
                conf={
                    **submit.shared(asked),
                    **submit.towards_driver(attempt, host),
                    **self._on_yarn(asked, installation),
                },
                properties=None if self._wanted.properties is None else Path(self._wanted.properties),
                class_path=(self._conf,),
                spec=path,
            ),
            env=self._environment(attempt, installation, host),
            cwd=attempt.folder,
        )

    def placed(self, attempt_token: str, told: Mapping[int, str]) -> Mapping[int, str]:
        """Return the node of each rank that tells a NodeManager which YARN knows: "host:port"."""
        names = names_of(self._listed, self._shared)
        return {rank: names[where] for rank, where in told.items() if names.get(where) in self._known}

    def containers(self, attempt_token: str) -> Mapping[str, str | None] | None:
        """Return the containers that the ResourceManager has given the attempt's application, with their nodes."""
        names, found = names_of(self._listed, self._shared), dict[str, str | None]()
        applications = self._applications(attempt_token)
        for one in applications or ():
            told = None if self._manager is None else self._manager.containers(one.application_id)
            if told is None:
                return None
            nodes = {container: names.get(node_id) for container, node_id in told.items()}
            found |= {container: node if node in self._known else None for container, node in nodes.items()}
        return None if applications is None else found

    def order(self, attempt_token: str, driver_pid: int, order: Order) -> bool:
        """Send the order's signal to the attempt's driver, which is on this host."""
        note = self._notes.of(attempt_token)
        return note is not None and leftovers.signal_marked(attempt_token, driver_pid, order.signal, uid=note.uid)

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Kill what is left of an attempt on this host, have YARN end its application, wait for its containers."""
        note = self._notes.of(attempt_token)
        if note is None:
            return 0
        alive = leftovers.kill_marked(
            attempt_token, wait_s=self._reclaim_s, log_folder=note.logs, work_folders=[note.scratch], uid=note.uid
        )
        if alive == 0 and not leftovers.wait_until(lambda: self._left_of(attempt_token) == 0, self._kill_after_s):
            self._kill(attempt_token)
            leftovers.wait_until(lambda: self._left_of(attempt_token) == 0, self._reclaim_s)
        left = alive + self._left_of(attempt_token)
        if left == 0:
            shutil.rmtree(note.scratch, ignore_errors=True)
            self._notes.drop(attempt_token)
        return left

    @property
    def _label(self) -> str | None:
        return self._wanted.node_label

    @property
    def _counts_gpus(self) -> bool:
        """Whether the ResourceManager gives GPUs out."""
        return any(node.gpus is not None for node in self._listed)

    @property
    def _overhead_mib(self) -> int:
        """Return the memory of a container beside the heap, where TensorFlow is."""
        return self._wanted.memory_mib - submit.EXECUTOR_HEAP_MIB

    def _on_yarn(self, attempt: Attempt, installation: Installation) -> dict[str, str]:
        label = self._label
        java_home = self._wanted.java_home or str(installation.java.parent.parent)
        return {
            "spark.executor.instances": str(attempt.workers),
            "spark.executor.memoryOverhead": f"{self._overhead_mib}m",
            "spark.yarn.queue": self._wanted.queue,
            "spark.yarn.tags": f"gpuq,{_tag(attempt.token)},gpuq-job-{attempt.job_id}",
            "spark.yarn.maxAppAttempts": "1",
            "spark.yarn.jars": self._wanted.jars or f"local:{installation.jars}/*",
            "spark.yarn.appMasterEnv.JAVA_HOME": java_home,
            "spark.executorEnv.JAVA_HOME": java_home,
            **({} if self._wanted.staging_dir is None else {"spark.yarn.stagingDir": self._wanted.staging_dir}),
            **({} if label is None else {"spark.yarn.executor.nodeLabelExpression": label}),
            **(
                {"spark.executor.resource.gpu.discoveryScript": self._wanted.discovery_script or str(_DISCOVERY)}
                if attempt.gpus_per_worker
                else {}
            ),
        }

    def _environment(self, attempt: Attempt, installation: Installation, host: str) -> dict[str, str]:
        base = submit.base_environment(os.environ, installation, host)
        archives = sorted((installation.spark_home / "python" / "lib").glob("*.zip"))
        return submit.driver_environment(
            attempt,
            {
                **base,
                **({} if attempt.owner is None else attempt.owner.words),
                "HADOOP_CONF_DIR": str(self._conf),
                "YARN_CONF_DIR": str(self._conf),
                "PYSPARK_ARCHIVES_PATH": ",".join(f"local:{archive}" for archive in archives),
            },
            host,
        )

    def _look(self) -> bool:
        """Take in YARN's nodes; False if nobody tells, and then every node is down."""
        found = None if self._manager is None else self._manager.nodes()
        if found is None:
            self._known = {name: replace(node, is_up=False) for name, node in self._known.items()}
            return False
        self._listed = found
        self._shared |= shared_hosts(found)
        self._known = {node.name: node for node in self._nodes_of(found)}
        return True

    def _nodes_of(self, listed: tuple[YarnNode, ...]) -> list[Node]:
        names = names_of(listed, self._shared)
        nodes: dict[str, Node] = {}
        for one in sorted(listed, key=lambda one: one.is_up):  # a node that came back replaces the lost one
            if self._label is not None and self._label not in one.labels:
                continue
            slots = self._wanted.gpus_per_node if one.gpus is None else one.gpus
            nodes[names[one.node_id]] = Node(
                name=names[one.node_id],
                partition=self._partition,
                host=one.host,
                gpu_kind=gpus.VIRTUAL if one.gpus is None else (self._wanted.gpu_type or "GPU"),
                gpus=slots,
                free_gpus=slots,
                is_up=one.is_up,
            )
        return [nodes[name] for name in sorted(nodes)]

    def _applications(self, token: str) -> tuple[Application, ...] | None:
        return None if self._manager is None else self._manager.tagged(_tag(token))

    def _left_of(self, token: str) -> int:
        """Return how many of an attempt's applications and containers have not ended; 1 where nobody can say."""
        applications = self._applications(token)
        if applications is None:
            return 1
        left = sum(not one.is_final for one in applications)
        for one in applications:
            for node in self._listed:
                if node.is_up:
                    running = containers_of(node, one.application_id) if self._wanted.node_pages else 0
                    left += 1 if running is None else running
        return left

    def _kill(self, token: str) -> None:
        """Have YARN end the attempt's applications: over REST, and by YARN's own client where that is refused."""
        installation, note = self._installation, self._notes.of(token)
        assert installation is not None
        assert note is not None
        assert self._manager is not None
        user = _name_of(note.uid)
        for one in self._applications(token) or ():
            if not one.is_final and not self._manager.kill(one.application_id, user):
                start = java.words(installation.java, installation.jars, 256, before=(self._conf,))
                command = [*start, "org.apache.hadoop.yarn.client.cli.ApplicationCLI", "application", "-kill"]
                words = {"HADOOP_USER_NAME": user, "PATH": os.environ.get("PATH", ""), "HOME": "/"}
                subprocess.run(
                    [*command, one.application_id], env=words, capture_output=True, timeout=_CLIENT_S, check=False
                )


def conf_dir(wanted: YarnPartition, environment: Mapping[str, str]) -> Path:
    """Return the folder of Hadoop's settings: the one configured, else that of gpuqd's environment."""
    outside = environment.get("YARN_CONF_DIR") or environment.get("HADOOP_CONF_DIR")
    return Path(wanted.conf_dir or outside or "/etc/hadoop/conf")


def settings_in(folder: Path) -> dict[str, str]:
    """Return what core-site.xml and yarn-site.xml of a folder say.

    Raises:
        EngineError: there is no yarn-site.xml that can be read.
    """
    found: dict[str, str] = {}
    for name in ("core-site.xml", "yarn-site.xml"):
        try:
            properties = Xml.parse(folder / name).getroot().iter("property")
        except FileNotFoundError as error:
            if name == "core-site.xml":
                continue
            raise EngineError(
                f"There is no {folder / name}: set conf_dir to the folder of Hadoop's settings."
            ) from error
        except (OSError, Xml.ParseError) as error:
            raise EngineError(f"Cannot read {folder / name}: {error}.") from error
        found.update((one.findtext("name", "").strip(), one.findtext("value", "").strip()) for one in properties)
    return found


def web_addresses(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return where the ResourceManagers have their REST, all of them where one stands by for the other."""
    ids = [word.strip() for word in settings.get("yarn.resourcemanager.ha.rm-ids", "").split(",") if word.strip()]
    is_https = settings.get("yarn.http.policy") == "HTTPS_ONLY"
    key, port = ("webapp.https.address", 8090) if is_https else ("webapp.address", 8088)
    found: list[str] = []
    for suffix in [f".{one}" for one in ids] or [""]:
        host = settings.get(f"yarn.resourcemanager.hostname{suffix}") or settings.get("yarn.resourcemanager.hostname")
        address = settings.get(f"yarn.resourcemanager.{key}{suffix}") or f"{host or '127.0.0.1'}:{port}"
        address = address.replace("${yarn.resourcemanager.hostname}", host or "127.0.0.1")
        found.append(f"{'https' if is_https else 'http'}://{address}")
    return tuple(found)


def names_of(listed: Collection[YarnNode], shared: Collection[str]) -> dict[str, str]:
    """Return the node's name of each NodeManager by its id: its host, with its port on hosts that several share."""
    return {one.node_id: one.node_id.replace(":", "-") if one.host in shared else one.host for one in listed}


def shared_hosts(listed: Collection[YarnNode]) -> set[str]:
    """Return the hosts on which several NodeManagers are up."""
    up = Counter(one.host for one in listed if one.is_up)
    return {host for host, count in up.items() if count > 1}


def _resource_manager(settings: Mapping[str, str]) -> str:
    return web_addresses(settings)[0].partition("://")[2]


def _tag(token: str) -> str:
    return f"gpuq-attempt-{token}"


def _name_of(uid: int | None) -> str:
    try:
        return pwd.getpwuid(os.geteuid() if uid is None else uid).pw_name
    except KeyError:
        return str(uid)
