"""What gpuq adjusts in TensorFlowOnSpark 2.2.5, all of it here. Its own code runs otherwise unchanged.

- Its polls sleep 1 to 5 s although what they wait for takes milliseconds: they sleep 50 ms.
- Its reservation server listens on every interface and unpickles what it gets: it listens on one address.
- It finds a node's address by asking the routing table for 8.8.8.8: an engine may name the address.
- The driver imports TensorFlow (seconds, 600 MB) for functions that only nodes call: it gets a stand-in.
- The managers of its parameter servers listen on every interface: they listen on one address.
- All its nodes are tasks of one Spark job, on executors that are all alike: nodes without GPUs become a job of their
  own, whose executors have none. Their numbers come after the workers': the chief is 0, not the first parameter server.
- A task that feeds rows looks every second whether they are taken: it looks four times a second.
- It ends such a node, but not the process that it started for it: that gets a SIGTERM and then no more than seconds.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import logging
import multiprocessing
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from gpuq_job.spec import Run

_LONGEST_SLEEP_S = 0.05
_SERVER_SLEEP_S = 0.25  # each of these looks costs two calls to another process, for as long as the training lasts
_LAST_WORDS_S = 10.0
_POLL_S = 0.02

NodeFunction = Callable[[Iterable[int]], object]


class ShortSleeps:
    """Stands in for the module `time` where only `sleep` is used."""

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep, but not for long."""
        time.sleep(min(seconds, _LONGEST_SLEEP_S))


class _LaterTensorFlow(ModuleType):
    """Becomes TensorFlow as soon as something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # asked for by who imports something below it
            raise AttributeError(name)
        if sys.modules.get("tensorflow") is self:
            del sys.modules["tensorflow"]
        return getattr(importlib.import_module("tensorflow"), name)


def import_cluster() -> Any:
    """Import TFoS's TFCluster for the driver, without TensorFlow, and with short sleeps."""
    sys.modules.setdefault("tensorflow", _LaterTensorFlow("tensorflow"))
    module: Any = importlib.import_module("tensorflowonspark.TFCluster")
    module.time = ShortSleeps
    node: Any = module.TFSparkNode
    made: Any = node.train

    def train(*words: Any, **named: Any) -> NodeFunction:
        named["feed_timeout"] = named["feed_timeout"] / _SERVER_SLEEP_S  # it takes its looks for seconds
        return _looking_often(made(*words, **named))

    node.train = train
    # At INFO it logs the keys of its nodes' managers, and a line at every look at its reservations.
    logging.getLogger("tensorflowonspark").setLevel(logging.WARNING)
    return module


def import_parallel() -> Any:
    """Import TFoS's TFParallel for the driver, once its TFCluster is there."""
    return importlib.import_module("tensorflowonspark.TFParallel")


def import_node() -> None:
    """Import what a node of TFoS needs, TensorFlow with it; no thread of theirs is left that a fork would miss."""
    importlib.import_module("tensorflow")
    importlib.import_module("tensorflowonspark.TFSparkNode")


def reservation_timeout(seconds: float) -> int:
    """Return what to give TFoS as `reservation_timeout`: it counts its looks, which it takes for seconds."""
    return round(seconds / _LONGEST_SLEEP_S)


def data_feed() -> Any:
    """Return the class through which a script takes the rows that are fed to it."""
    node: Any = importlib.import_module("tensorflowonspark.TFNode")
    return node.DataFeed


def lone_context(rank: int, workers: int, default_fs: str) -> Any:
    """Return what TFoS gives to the function of a node without a cluster."""
    node: Any = importlib.import_module("tensorflowonspark.TFSparkNode")
    context = node.TFNodeContext(executor_id=rank, defaultFS=default_fs)
    context.num_workers = workers
    return context


def halt(context: Any) -> None:
    """End Spark's JVM here with exit code 0, as it stands."""
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(Exception):  # it has no time to answer; py4j's kinds of failure share no base
        context._jvm.java.lang.Runtime.getRuntime().halt(0)


def await_jobs(context: Any, longest_s: float) -> None:
    """Return when Spark has taken in that its jobs are done, but wait no longer than `longest_s`."""
    deadline = time.monotonic() + longest_s
    while context.statusTracker().getActiveJobsIds() and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def default_fs(context: Any) -> str:
    """Return the file system that a path without one is on, as TFoS writes it: `file://`, `hdfs://name:port`."""
    name: str = context._jsc.hadoopConfiguration().get("fs.defaultFS")
    return name[:-1] if name.startswith("file://") and len(name) > 7 else name


def use_address(host: str) -> None:
    """Make TFoS take `host` for this machine's address."""
    util: Any = importlib.import_module("tensorflowonspark.util")

    def get_ip_address() -> str:
        return host

    util.get_ip_address = get_ip_address


def shorten_reservation() -> None:
    """Make a node that waits for the others look often."""
    reservation: Any = importlib.import_module("tensorflowonspark.reservation")
    reservation.time = ShortSleeps


def watch_reservations(host: str, on_reserved: Callable[[dict[str, Any]], None]) -> None:
    """Make TFoS's reservation server listen on `host` only, and tell each node as it reserves."""
    reservation: Any = importlib.import_module("tensorflowonspark.reservation")
    reservation.time = ShortSleeps
    base: Any = reservation.Server

    class Server(base):
        def get_server_ip(self) -> str:
            return host

        def start_listening_socket(self) -> socket.socket:
            return socket.create_server((host, 0), backlog=128)

        def _handle_message(self, sock: socket.socket, msg: dict[str, Any]) -> None:
            super()._handle_message(sock, msg)
            if msg.get("type") == "REG":
                on_reserved(msg["data"])

    reservation.Server = Server


def serve_managers_on(host: str) -> None:
    """Make the managers that a driver reaches from outside listen on `host` only."""
    module: Any = importlib.import_module("tensorflowonspark.TFManager")
    base: Any = module.TFManager

    class Manager(base):
        def __init__(self, address: Any = None, authkey: bytes | None = None) -> None:
            super().__init__(address=(host, 0) if address == ("", 0) else address, authkey=authkey)

    module.TFManager = Manager


def roles(run: Run, chief: str | None = "chief") -> dict[str, list[int]]:
    """Return the ranks by TFoS's name of their role; without a name for the chief it is a worker."""
    first_ps, evaluator = run.workers, run.workers + run.ps
    ranks = {
        **({} if chief is None else {chief: [0]}),
        "worker": list(range(0 if chief is None else 1, run.workers)),
        "ps": list(range(first_ps, evaluator)),
        "evaluator": list(range(evaluator, run.ranks)),
    }
    return {role: its for role, its in ranks.items() if its}


class SleepsOfServers:
    """Stands in for the module `time` in the node function of what waits for its end only."""

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep, but not for long."""
        time.sleep(min(seconds, _SERVER_SLEEP_S))


@dataclass(frozen=True, slots=True)
class ServerNode:
    """The node function of parameter servers and evaluators, which TFoS runs in a child process."""

    run: NodeFunction

    def __call__(self, numbers: Iterable[int]) -> None:
        try:
            self.run(numbers)
        finally:
            _end_children()


def _end_children() -> None:
    """End what TFoS has started as a daemon, which its managers are not."""
    left = [child for child in multiprocessing.active_children() if child.daemon]
    for child in left:
        child.terminate()
    deadline = time.monotonic() + _LAST_WORDS_S
    for child in left:
        child.join(max(0.0, deadline - time.monotonic()))
        child.kill()


@dataclass(frozen=True, slots=True)
class _NodeFunctions:
    """What TFoS hands to Spark for its nodes, for those with GPUs and those without."""

    workers: NodeFunction
    servers: NodeFunction


def split_nodes(module: Any, context: Any, run: Run, chief: str | None = "chief") -> Any:
    """Make TFoS run nodes without GPUs on executors without; return what to give it as its SparkContext."""
    made: Any = module.TFSparkNode.run

    def two_kinds(fn: Any, tf_args: Any, cluster_meta: dict[str, Any], *more: Any, **named: Any) -> _NodeFunctions:
        cluster_meta["cluster_template"] = roles(run, chief)
        without_gpus = copy.copy(tf_args)
        without_gpus.num_gpus = 0
        return _NodeFunctions(
            made(fn, tf_args, cluster_meta, *more, **named),
            ServerNode(_looking_often(made(fn, without_gpus, cluster_meta, *more, **named))),
        )

    module.TFSparkNode.run = two_kinds
    return _Context(context, run)


def _looking_often(function: FunctionType) -> NodeFunction:
    """Return a node function that does not sleep for long; all others of its module still do."""
    names = {**function.__globals__, "time": SleepsOfServers}
    return FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)


class _Context:
    """A SparkContext of which the RDD of all nodes runs as two jobs."""

    def __init__(self, context: Any, run: Run) -> None:
        self._context = context
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def parallelize(self, values: Iterable[int], parts: int) -> Any:
        """Return the nodes, or any other RDD as it is."""
        if parts != self._run.ranks:
            return self._context.parallelize(values, parts)
        return _Nodes(self._context, self._run)


class _Nodes:
    """All nodes of a TFoS cluster: those with GPUs and those without, each a Spark job."""

    def __init__(self, context: Any, run: Run) -> None:
        self._context = context
        servers = range(run.workers, run.ranks)
        self._workers: Any = context.parallelize(range(run.workers), run.workers)
        self._servers: Any = context.parallelize(servers, run.servers).withResources(_profile(run))

    def foreachPartition(self, functions: _NodeFunctions) -> None:
        """Run both jobs to their ends; raise what the first one to fail failed with, at once.

        The workers' comes first: Spark gives up the executors of a kind that no job asks for.
        """
        ends: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        _start(lambda: self._workers.foreachPartition(functions.workers), ends)
        status: Any = self._context.statusTracker()
        while ends.empty() and not status.getActiveStageIds():
            time.sleep(_POLL_S)
        _start(lambda: self._servers.foreachPartition(functions.servers), ends)
        for error in (ends.get(), ends.get()):
            if error is not None:
                raise error


def _start(job: Callable[[], object], ends: queue.SimpleQueue[Exception | None]) -> None:
    def run() -> None:
        try:
            job()
        except Exception as error:  # py4j's kinds of failure share no base
            ends.put(error)
        else:
            ends.put(None)

    threading.Thread(target=run, daemon=True).start()


def _profile(run: Run) -> Any:
    """Return the resource profile of executors without GPUs.

    Source: Spark, "Stage Level Scheduling Overview".
    """
    resource: Any = importlib.import_module("pyspark.resource")
    asked = run.server_executor
    assert asked is not None
    executor = resource.ExecutorResourceRequests().cores(asked.cores).memory(f"{asked.memory_mib}m")
    executor = executor if asked.overhead_mib is None else executor.memoryOverhead(f"{asked.overhead_mib}m")
    task = resource.TaskResourceRequests().cpus(1)
    for name, amount in asked.resources.items():
        executor, task = executor.resource(name, amount), task.resource(name, amount)
    return resource.ResourceProfileBuilder().require(executor).require(task).build
