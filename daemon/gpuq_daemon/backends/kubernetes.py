"""The engine on Kubernetes: each attempt is a Spark application in cluster mode, driver and executors are pods.

gpuqd knows an attempt's pods by labels of its own, which spark-submit puts on all of them. An attempt's files are on a
volume that pods see where gpuqd sees it, and its pods run as the user that these belong to. A GPU is handed on when the
API knows no pod of the attempt any more: a pod's node tells it that nothing of the pod runs before it goes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from gpuq.models import EndReason, Node
from gpuq_daemon.backends import java, job_code, leftovers, python_probe, submit
from gpuq_daemon.backends import kubernetes_submit as pods_of
from gpuq_daemon.backends.base import Attempt, Command, EngineError, Explanation
from gpuq_daemon.backends.engine_record import write_private
from gpuq_daemon.backends.kubernetes_lead import Lead
from gpuq_daemon.backends.kubernetes_submit import Pods, Whose
from gpuq_daemon.backends.submit import Installation
from gpuq_daemon.kubernetes import access
from gpuq_daemon.kubernetes.access import Access, AccessError
from gpuq_daemon.kubernetes.api import NOT_FOUND, Api, ApiError
from gpuq_daemon.kubernetes.capacity import Capacity, capacity
from gpuq_daemon.kubernetes.fate import OOM_KILLED, PodEnd, end_of
from gpuq_daemon.kubernetes.labels import DRIVER, EXECUTOR, OURS, ROLE
from gpuq_daemon.kubernetes.objects import Pod, nodes, pods
from gpuq_daemon.kubernetes.rights import missing
from gpuq_job import spec
from gpuq_job.orders import Order
from gpuq_job.pod_orders import annotation

logger = logging.getLogger(__name__)

_RECLAIM_S = 4.0
_FOREIGN_EVERY_S = 15.0


class KubernetesEngine:
    """Runs attempts as pods of a namespace. `folder` is gpuqd's alone, `pods.volume.path` is where jobs' files are."""

    def __init__(
        self,
        *,
        partition: str,
        folder: Path,
        pods: Pods,
        kubeconfig: Path | None = None,
        context: str | None = None,
        node_selector: str | None = None,
        model_label: str = "nvidia.com/gpu.product",
        models: Mapping[str, str] | None = None,
        start_limit_s: float = 600.0,
        grace_s: float = 2.0,
        python: Path = Path(sys.executable),
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._partition = partition
        self._folder = folder
        self._pods = pods
        self._kubeconfig = kubeconfig
        self._context = context
        self._node_selector = node_selector
        self._model_label = model_label
        self._models = models or {}
        self._start_limit_s = start_limit_s
        self._grace_s = grace_s
        self._python = python
        self._ticks = ticks
        self._installation: Installation | None = None
        self._access: Access | None = None
        self._api: Api | None = None
        self._id = ""
        self._code = pods.volume.path
        self._capacity: tuple[Capacity, ...] = ()
        self._foreign: tuple[float, Mapping[str, int]] | None = None

    @property
    def partition(self) -> str:
        """The partition this engine serves."""
        return self._partition

    @property
    def namespace(self) -> str:
        """Where its pods are."""
        return self._pods.namespace

    @property
    def access(self) -> Access | None:
        """The way to the API, None before the engine is started."""
        return self._access

    def start(self) -> None:
        """Look for the API and for what gpuqd may do there; nothing is started before there is an attempt.

        Raises:
            EngineError: jobs cannot run here.
        """
        self._access, api = self.reach()
        found = java.find(os.environ)
        home = python_probe.spark_home(self._python, {"PATH": os.environ.get("PATH", "")})
        (self._folder / "attempts").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._id = self._own_id()
        self._code = job_code.put(self._pods.volume.path)
        self._installation = Installation(java=found, spark_home=home, python=self._python)
        self._api = api
        self._look(api)

    def reach(self) -> tuple[Access, Api]:
        """Return the way to the API, after a look at what gpuqd may do there.

        Raises:
            EngineError: there is none, or it may too little.
        """
        try:
            found = access.find(self._kubeconfig, self._context, os.environ)
            api = Api(found)
            lacking = missing(api, self._pods.namespace, self._pods.service_account)
        except (AccessError, ApiError) as error:
            raise EngineError(str(error)) from error
        if lacking:
            raise EngineError(
                f"gpuqd lacks rights in the namespace `{self._pods.namespace}` of {api.server}: {'; '.join(lacking)}. "
                "docs/kubernetes.yaml has what is needed: kubectl apply -f it."
            )
        return found, api

    def stop(self) -> None:
        """Do nothing: nothing stands by."""

    def health(self) -> str | None:
        """Look at the nodes; return what is wrong, or None."""
        if self._api is None:
            return "The Kubernetes engine is not started."
        try:
            self._look(self._api)
        except ApiError as error:
            return str(error)
        return None if any(one.is_up for one in self._capacity) else "No node of the cluster is ready and has GPUs."

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes with GPUs: what they have for pods, less what other people's pods hold."""
        return tuple(
            Node(
                name=one.node,
                partition=self._partition,
                host=one.node,
                gpu_kind=one.model or "GPU",
                gpus=one.gpus,
                free_gpus=one.gpus,
                is_up=one.is_up,
                gpu_type=self._models.get(one.model, one.model.lower()) or None,
            )
            for one in self._capacity
        )

    def needs(self) -> tuple[Path, ...]:
        """Return nothing: on this host no user's process runs."""
        return ()

    def command(self, attempt: Attempt) -> Command:
        """Return the leader of this attempt; writes its spec.json, its pods' templates and what is to be led."""
        installation = self._installation
        if installation is None or self._access is None:
            raise EngineError("The Kubernetes engine is not started.")
        whose = self._whose(attempt)
        run = submit.run_of(
            attempt,
            host="",  # the driver's pod has an address that nobody knows yet
            key=secrets.token_hex(32),
            gpus_per_worker=attempt.gpus_per_worker,
            server_executor=pods_of.server_executor(attempt, self._pods),
        )
        path = attempt.folder / "spec.json"
        spec.write(path, run)
        own = self._own(attempt.token)
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(own / _SCRATCH, str(attempt.scratch).encode())  # made for it; pods have their own
        templates = own / "driver.json", own / "executor.json"
        write_private(templates[0], json.dumps(pods_of.driver_template(self._pods, whose)).encode())
        write_private(templates[1], json.dumps(pods_of.executor_template(attempt, self._pods, whose)).encode())
        conf = pods_of.configuration(
            attempt,
            self._pods,
            whose,
            code=self._code,
            driver_template=templates[0],
            executor_template=templates[1],
        )
        led = Lead(
            argv=_submit_words(attempt, installation, self._access.server, conf, self._code, path, own),
            env=self._submit_environment(installation, own),
            namespace=self._pods.namespace,
            driver=f"{pods_of.pod_prefix(attempt)}-driver",
            token=attempt.token,
            start_limit_s=self._start_limit_s,
            kubeconfig=None if self._kubeconfig is None else str(self._kubeconfig),
            context=self._context,
        )
        write_private(own / "lead.json", msgspec.json.encode(led))
        return Command(
            argv=(sys.executable, "-P", "-m", "gpuq_daemon.backends.kubernetes_lead", str(own / "lead.json")),
            env={
                **submit.base_environment(os.environ, installation, "127.0.0.1"),
                **{name: os.environ[name] for name in _IN_CLUSTER if name in os.environ},
                **submit.marks(attempt),
            },
            cwd=own,
            is_gpuqds=True,  # it asks the API as gpuqd; the pods run as the owner
        )

    def placed(self, attempt_token: str, told: Mapping[int, str]) -> Mapping[int, str]:
        """Return what ranks say of where they are, of those nodes that there are."""
        known = {one.node for one in self._capacity}
        return {rank: node for rank, node in told.items() if node in known}

    def order(self, attempt_token: str, driver_pid: int, order: Order) -> bool:
        """Write the order to the driver's pod, which watches itself; return whether it runs."""
        api = self._api
        if api is None:
            return False
        try:
            running = [pod for pod in self._left(api, attempt_token) if _is_running_driver(pod)]
            for pod in running:
                value = {annotation(order): secrets.token_hex(8)}
                wanted = {"metadata": {"uid": pod.metadata.uid, "annotations": value}}
                api.ask("PATCH", f"/api/v1/namespaces/{self._pods.namespace}/pods/{pod.metadata.name}", wanted)
        except ApiError as error:
            logger.warning("order not given", extra={"order": order.value, "error": str(error)})
            return False
        return bool(running)

    def explained(self, attempt_token: str) -> Explanation | None:
        """Return what Kubernetes knows of why an attempt ended, once it is reclaimed; None if nothing."""
        try:
            return msgspec.json.decode(self._noted(attempt_token).read_bytes(), type=Explanation)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Remove the attempt's pods; return how many the API still knows. How they ended is noted before."""
        own, api = self._own(attempt_token), self._api
        leftovers.kill_marked(attempt_token, wait_s=_RECLAIM_S)
        if api is None:
            return 1  # nobody knows before the engine is started
        try:
            left = self._left(api, attempt_token)
            self._note_ends(attempt_token, left)
            if leftovers.wait_until(lambda: self._remove(api, attempt_token) == 0, _RECLAIM_S):
                self._forget(own)
                return 0
            return len(self._left(api, attempt_token)) or 1
        except ApiError:
            return 1

    def _forget(self, own: Path) -> None:
        """Remove what was made for an attempt on this host."""
        with contextlib.suppress(OSError):
            shutil.rmtree((own / _SCRATCH).read_text(), ignore_errors=True)
        shutil.rmtree(own, ignore_errors=True)

    def _left(self, api: Api, token: str) -> list[Pod]:
        return list(pods(api, self._pods.namespace, labelSelector=pods_of.selector(token)))

    def _remove(self, api: Api, token: str) -> int:
        """Have the attempt's pods removed, each by its uid; return how many there are still."""
        left = self._left(api, token)
        for pod in left:
            if pod.metadata.deletion_timestamp is None:
                path = f"/api/v1/namespaces/{self._pods.namespace}/pods/{pod.metadata.name}"
                wanted = {
                    "gracePeriodSeconds": max(1, round(self._grace_s)),  # 0 would not wait for the pod's node
                    "preconditions": {"uid": pod.metadata.uid},
                }
                try:
                    api.ask("DELETE", path, wanted)
                except ApiError as error:
                    if error.status not in (NOT_FOUND, 409):
                        raise
        return len(left)

    def _note_ends(self, token: str, left: list[Pod]) -> None:
        path = self._noted(token)
        if path.exists():
            return
        ends = [(pod, end) for pod in left if (end := end_of(pod)) is not None and end.reason not in _PLAIN]
        failed = [(pod, end) for pod, end in ends if end.is_failure]
        if failed:
            text = "; ".join(f"{_who(pod)} {end.text}" for pod, end in failed)
            write_private(path, msgspec.json.encode(Explanation(text=text, reason=_reason([end for _, end in failed]))))

    def _look(self, api: Api) -> None:
        now = self._ticks()
        foreign = self._foreign
        if foreign is None or now - foreign[0] >= _FOREIGN_EVERY_S:
            foreign = self._foreign = (now, self._held_by_others(api))
        self._capacity = capacity(
            nodes(api, self._node_selector), foreign[1], resource=self._gpu, model_label=self._model_label
        )

    def _held_by_others(self, api: Api) -> dict[str, int]:
        held: dict[str, int] = {}
        for pod in pods(api, None, fieldSelector="spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"):
            if pod.metadata.label(OURS) != self._id and (count := pod.requests(self._gpu)):
                held[pod.spec.node_name] = held.get(pod.spec.node_name, 0) + count
        return held

    @property
    def _gpu(self) -> str:
        return f"{self._pods.gpu_vendor}/gpu"

    def _own_id(self) -> str:
        """Return what tells this gpuqd's pods from another's, made once."""
        path = self._folder / "id"
        if not path.exists():
            write_private(path, secrets.token_hex(8).encode())
        return path.read_text().strip()

    def _whose(self, attempt: Attempt) -> Whose:
        owner = attempt.owner
        if owner is None:
            return Whose(gpuqd=self._id, uid=os.geteuid(), gid=os.getegid())
        return Whose(gpuqd=self._id, uid=owner.uid, gid=owner.gid, groups=tuple(owner.groups()))

    def _submit_environment(self, installation: Installation, own: Path) -> dict[str, str]:
        env = submit.base_environment(os.environ, installation, "127.0.0.1")
        env |= {name: os.environ[name] for name in _IN_CLUSTER if name in os.environ}
        env["TMPDIR"] = str(own)
        if self._kubeconfig is not None:
            env["KUBECONFIG"] = str(self._kubeconfig)
        return env

    def _own(self, token: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", token):
            raise ValueError(f"not a token: {token!r}")
        return self._folder / "attempts" / token

    def _noted(self, token: str) -> Path:
        return self._own(token).with_suffix(".end")


_SCRATCH = "scratch"
_IN_CLUSTER = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
# What a driver tells of itself better than its pod does.
_PLAIN = ("Error", "Completed")


def _submit_words(
    attempt: Attempt,
    installation: Installation,
    server: str,
    conf: Mapping[str, str],
    code: Path,
    path: Path,
    own: Path,
) -> tuple[str, ...]:
    return (
        *java.words(
            installation.java,
            installation.jars,
            submit.DRIVER_HEAP_MIB,
            f"-Djava.io.tmpdir={own}",
            f"-Dlog4j2.configurationFile={submit.log_settings()}",
        ),
        "org.apache.spark.deploy.SparkSubmit",
        "--master",
        f"k8s://{server}",
        "--deploy-mode",
        "cluster",
        "--name",
        submit.application_name(attempt),
        *(word for name, value in conf.items() for word in ("--conf", f"{name}={value}")),
        f"local://{code / 'gpuq_job' / 'driver.py'}",
        str(path),
    )


def _reason(failed: list[PodEnd]) -> EndReason:
    if any(end.reason == OOM_KILLED for end in failed):
        return EndReason.OUT_OF_MEMORY
    return EndReason.NODE_LOST if any(end.was_taken for end in failed) else EndReason.NOT_STARTED


def _is_running_driver(pod: Pod) -> bool:
    is_leaving = pod.status.phase != "Running" or pod.metadata.deletion_timestamp is not None
    return pod.metadata.label(ROLE) == DRIVER and not is_leaving


def _who(pod: Pod) -> str:
    number = pod.metadata.label(EXECUTOR)
    what = "the driver's pod" if number is None else f"executor {number}'s pod"
    return f"{what} {pod.metadata.name} on {pod.spec.node_name or 'no node'}"
