"""What the Kubernetes engine decides without asking anybody: who asks, what pods are made of, what their ends mean."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gpuq.errors import UsageError
from gpuq_daemon.backends import job_code, kubernetes_making
from gpuq_daemon.backends import kubernetes_submit as pods_of
from gpuq_daemon.backends.base import Attempt
from gpuq_daemon.backends.kubernetes_submit import Pods, Volume, Whose
from gpuq_daemon.kubernetes import access
from gpuq_daemon.kubernetes.access import AccessError
from gpuq_daemon.kubernetes.fate import end_of
from gpuq_daemon.kubernetes.objects import Pod
from gpuq_daemon.kubernetes.quota import exceeded
from gpuq_daemon.partitions import VolumeTable

WHOSE = Whose(gpuqd="g", uid=1234, gid=100, groups=(27,))


def an_attempt(**more: Any) -> Attempt:
    return Attempt(
        job_id=7,
        number=2,
        token="0123456789abcdef",
        name="train",
        workers=2,
        gpus_per_worker=1,
        folder=Path("/jobs/7/2"),
        scratch=Path("/s"),
        script=Path("/jobs/7/2/script/train.py"),
        args=(),
        checkpoints=Path("/jobs/7/checkpoints"),
        **more,
    )


def some_pods(**more: Any) -> Pods:
    volume = Volume(kind="hostPath", options={"path": "/shared"}, path=Path("/jobs"))
    settings: dict[str, Any] = {
        "namespace": "n",
        "service_account": "spark",
        "image": "i",
        "python": "python3",
        "volume": volume,
        "driver_memory_mib": 2048,
        "memory_mib": 4096,
        "cpus": 2,
    }
    return Pods(**{**settings, **more})


def configuration(attempt: Attempt, pods: Pods) -> dict[str, str]:
    template = Path("/t.json")
    return pods_of.configuration(
        attempt, pods, WHOSE, code=Path("/jobs/.code"), driver_template=template, executor_template=template
    )


def a_kubeconfig(folder: Path, user: dict[str, Any], **cluster: Any) -> Path:
    path = folder / "config"
    named = {"name": "c", "cluster": {"server": "https://k:6443/", **cluster}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": user}]
    text = {"current-context": "x", "contexts": [context], "clusters": [named], "users": users}
    path.write_text(json.dumps(text))
    return path


def test_a_token_in_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    found = access.find(a_kubeconfig(tmp_path, {"tokenFile": "token"}), None, {})

    assert found.server == "https://k:6443"
    assert found.authorization() == "Bearer first"
    (tmp_path / "token").write_text("second\n")
    assert found.authorization() == "Bearer second"


def test_a_plugin_is_asked_for_its_token(tmp_path: Path) -> None:
    words = ["-c", 'import os; print(\'{"status": {"token": "%s"}}\' % os.environ["WHO"])']
    plugin = {"command": sys.executable, "args": words, "env": [{"name": "WHO", "value": "me"}]}
    found = access.find(a_kubeconfig(tmp_path, {"exec": plugin}), None, {})

    assert found.authorization() == "Bearer me"


def test_certificates_are_taken_from_within_the_kubeconfig(tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=a -keyout key -out crt"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    pair = {f"client-{kind}-data": base64.b64encode((tmp_path / file).read_bytes()).decode() for kind, file in PARTS}
    found = access.find(a_kubeconfig(tmp_path, pair, **{"certificate-authority": "crt"}), None, {})

    assert found.authorization() is None
    assert found.tls().get_ca_certs()[0]["subject"] == ((("commonName", "a"),),)


PARTS = (("certificate", "crt"), ("key", "key"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a: [", "is not YAML"),
        ("current-context: y", "has no context `y`"),
        ("contexts: 7", "has no context ``"),
    ],
)
def test_a_kubeconfig_that_is_none_is_said_so(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(AccessError, match=said):
        access.find(path, None, {})


def test_in_a_pod_its_own_service_account_is_used(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"Cannot read /var/run/secrets/kubernetes\.io/serviceaccount/ca\.crt"):
        access.find(None, None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


def test_executors_are_confined_to_the_given_nodes_within_what_the_operator_wants() -> None:
    wanted = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    given = {"nodeAffinity": {required: {"nodeSelectorTerms": wanted}}, "podAntiAffinity": {}}
    pods = some_pods(template={"spec": {"affinity": given, "containers": [{"env": [{"name": "A", "value": "1"}]}]}})

    spec = pods_of.executor_template(an_attempt(gpus_by_node={"n2": 1, "n1": 1}), pods, WHOSE)["spec"]

    terms = spec["affinity"]["nodeAffinity"][required]["nodeSelectorTerms"]
    assert [term["matchFields"][0]["values"] for term in terms] == [["n1"], ["n2"]]
    assert all(term["matchExpressions"] == wanted[0]["matchExpressions"] for term in terms)
    assert spec["affinity"]["podAntiAffinity"] == {}
    assert spec["securityContext"] == {"runAsUser": 1234, "runAsGroup": 100, "supplementalGroups": [27]}
    assert [one["name"] for one in spec["containers"][0]["env"]] == ["A", "GPUQ_NODE", "GPUQ_POD", "GPUQ_POD_UID"]
    assert "affinity" not in pods_of.driver_template(some_pods(), WHOSE)["spec"]


def test_both_kinds_of_pods_carry_our_labels_and_the_volume() -> None:
    conf = configuration(an_attempt(), some_pods())

    for role in ("driver", "executor"):
        assert conf[f"spark.kubernetes.{role}.label.gpuq.io/attempt"] == "0123456789abcdef"
        assert conf[f"spark.kubernetes.{role}.label.gpuq.io/job-id"] == "7"
        assert conf[f"spark.kubernetes.{role}.volumes.hostPath.gpuq-jobs.mount.path"] == "/jobs"
    assert conf["spark.executor.resource.gpu.vendor"] == "nvidia.com"
    assert conf["spark.kubernetes.driverEnv.NVIDIA_VISIBLE_DEVICES"] == "void"
    assert int(conf["spark.executor.memoryOverhead"][:-1]) + int(conf["spark.executor.memory"][:-1]) == 4096


def test_parameter_servers_get_memory_for_tensorflow_and_no_gpu() -> None:
    attempt = an_attempt(ps=1, ps_by_node={"n3": 1})

    server = pods_of.server_executor(attempt, some_pods())

    assert server is not None
    assert (server.resources, server.memory_mib + (server.overhead_mib or 0)) == ({}, 4096)
    assert configuration(attempt, some_pods())["spark.dynamicAllocation.maxExecutors"] == "2"


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (VolumeTable(claim="c"), "persistentVolumeClaim"),
        (VolumeTable(host_path="/p"), "hostPath"),
        (VolumeTable(nfs_server="s", nfs_path="/p"), "nfs"),
    ],
)
def test_a_volume_is_one_of_three_kinds(table: VolumeTable, kind: str) -> None:
    assert kubernetes_making.volume("k", table, Path("/jobs")).kind == kind


@pytest.mark.parametrize("table", [VolumeTable(), VolumeTable(claim="c", host_path="/p"), VolumeTable(nfs_server="s")])
def test_a_volume_of_none_or_of_two_kinds_is_refused(table: VolumeTable) -> None:
    with pytest.raises(UsageError, match=r"\[partition.k\] volume must be one of"):
        kubernetes_making.volume("k", table, Path("/jobs"))


def test_a_template_that_is_no_pod_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text("kind: Deployment\n")

    with pytest.raises(UsageError, match="is no Pod"):
        kubernetes_making.template(path)


def test_our_code_is_put_once_for_everybody_to_read(tmp_path: Path) -> None:
    folder = job_code.put(tmp_path)

    assert job_code.put(tmp_path) == folder
    assert (folder / "gpuq_job" / "driver.py").stat().st_mode & 0o777 == 0o644
    assert folder.stat().st_mode & 0o777 == 0o755
    assert list(tmp_path.iterdir()) == [folder]


def test_gpus_are_those_of_the_device_plugin() -> None:
    def told(devices: str) -> Any:
        env = {"PATH": "/usr/bin:/bin", "NVIDIA_VISIBLE_DEVICES": devices}
        return json.loads(subprocess.run([job_code.GPU_FINDER], env=env, capture_output=True, check=True).stdout)

    assert told("GPU-1,GPU-2") == {"name": "gpu", "addresses": ["GPU-1", "GPU-2"]}


def failed(**more: Any) -> dict[str, Any]:
    return {"phase": "Failed", **more}


def with_end(**ended: Any) -> dict[str, Any]:
    return failed(containerStatuses=[{"state": {"terminated": ended}}])


DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
PREEMPTED = "had to make room for a pod of higher priority (PreemptionByScheduler)"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ({"phase": "Succeeded"}, 0, "completed"),
        (failed(reason="Evicted", message="low on  memory"), 1, "was evicted by its node (Evicted): low on memory"),
        (failed(reason="Strange"), 1, "was ended (Strange)"),
        (with_end(exitCode=137, reason="OOMKilled"), 137, "ran out of the memory that it may use (OOMKilled)"),
        (with_end(exitCode=0, signal=9), 137, "ended with exit code 137"),
        (with_end(exitCode=2, reason="Error", message="x"), 2, "ended with exit code 2: x"),
        (failed(conditions=[DISRUPTED]), 1, PREEMPTED),
    ],
)
def test_an_end_is_told_in_words(status: dict[str, Any], code: int, said: str) -> None:
    end = end_of(msgspec.convert({"metadata": {"name": "p"}, "status": status}, Pod))

    assert end is not None
    assert (end.exit_code, end.text) == (code, said)


def test_a_quota_that_lets_no_pod_be_made_is_told_from_what_was_printed() -> None:
    said = (
        '24/11 10:00 WARN ExecutorPodsSnapshotsStoreImpl: Failure executing: POST. Message: pods "train-exec-2" is '
        "forbidden: exceeded quota: few, requested: pods=1,requests.nvidia.com/gpu=1, used: pods=2,"
        "requests.nvidia.com/gpu=1, limited: pods=2,requests.nvidia.com/gpu=1. Received status: Status(...)\n"
    )

    assert exceeded("nothing of the kind") is None
    assert exceeded(said.replace("few", "old") + said + "more\n") == (
        "The namespace's quota few lets no further pod be made: it allows pods=2,requests.nvidia.com/gpu=1; "
        "used pods=2,requests.nvidia.com/gpu=1, wanted pods=1,requests.nvidia.com/gpu=1."
    )
