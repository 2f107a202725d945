"""What leads an attempt: it follows the driver's pod to its end, through an API that is restarted meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gpuq_daemon.backends.kubernetes_lead import Lead
from gpuq_daemon.kubernetes.labels import ROLE, TOKEN
from tests.support.kube_nodes import Nodes, a_pod, some_nodes
from tests.support.kube_server import NAMESPACE, KubeServer, create

pytestmark = pytest.mark.timeout(1800)  # the first test may have to build the API server


def until(claim: Callable[[], Any], timeout_s: float = 120) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := claim()):
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.05)
    return value


class Led:
    """A leader of which the spark-submit is another command, and the driver's pod another pod."""

    def __init__(self, server: KubeServer, folder: Path, token: str, *argv: str, start_limit_s: float = 60.0) -> None:
        lead = Lead(
            argv=argv or ("/bin/true",),
            env={},
            namespace=NAMESPACE,
            driver=f"{token}-driver",
            token=token,
            start_limit_s=start_limit_s,
            kubeconfig=str(server.kubeconfig_of(server.token_of("gpuqd"), "gpuqd")),
        )
        (folder / "lead.json").write_bytes(msgspec.json.encode(lead))
        self.output = folder / "output"
        words = [sys.executable, "-P", "-m", "gpuq_daemon.backends.kubernetes_lead", str(folder / "lead.json")]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(words, stdout=output, stderr=output, env={"PATH": os.environ["PATH"]})

    def said(self) -> list[str]:
        return self.output.read_text().splitlines()

    def code(self) -> int:
        return self.process.wait(60)


def make_driver(server: KubeServer, token: str, command: str, *, gpus: int = 0) -> str:
    pod = a_pod(f"{token}-driver", "sh", "-c", command, gpus=gpus, labels={TOKEN: token, ROLE: "driver"})
    pod["metadata"]["namespace"] = NAMESPACE
    create(server.api(), pod)
    return f"{token}-driver"


def remove(server: KubeServer, nodes: Nodes, name: str) -> None:
    server.api().ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}", {"gracePeriodSeconds": 1})


def test_the_log_comes_whole_and_once_and_the_exit_code_is_the_pods(
    server: KubeServer, folder: Path, names: tuple[str, str]
) -> None:
    with some_nodes(server, folder, *names) as nodes:
        gate = folder / "gate"
        name = make_driver(
            server, names[0], f"echo one; echo two; while [ ! -e {gate} ]; do sleep 0.1; done; echo three; exit 3"
        )
        led = Led(server, folder, names[0])
        until(lambda: "two" in led.said())
        server.stop("apiserver")
        server.start()
        gate.touch()

        assert led.code() == 3
        said = led.said()
        assert [line for line in said if line in ("one", "two", "three")] == ["one", "two", "three"]
        assert said[-1] == f"gpuq: the driver's pod {name} ended with exit code 3"
        remove(server, nodes, name)


def test_a_pod_that_goes_is_not_waited_for(server: KubeServer, folder: Path, names: tuple[str, str]) -> None:
    with some_nodes(server, folder, *names) as nodes:
        name = make_driver(server, names[0], "echo on; sleep 60")
        led = Led(server, folder, names[0])
        until(lambda: "on" in led.said())
        remove(server, nodes, name)

        assert led.code() == 137
        assert led.said()[-1] == "gpuq: the driver's pod is gone"


def test_a_pod_that_finds_no_place_is_given_up_with_the_reason(
    server: KubeServer, folder: Path, names: tuple[str, str]
) -> None:
    with some_nodes(server, folder, *names) as nodes:
        name = make_driver(server, names[0], "true", gpus=9)
        until(lambda: "Unschedulable" in str(server.api().json("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}")))
        led = Led(server, folder, names[0], start_limit_s=0.5)

        assert led.code() == 1
        why = "Unschedulable: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
        assert led.said()[-1] == f"gpuq: the driver's pod did not start within 0.5 s: {why}"
        remove(server, nodes, name)


def test_a_pod_of_the_same_name_that_is_another_attempts_is_not_followed(
    server: KubeServer, folder: Path, names: tuple[str, str]
) -> None:
    pod = a_pod(f"{names[0]}-driver", "true", labels={TOKEN: "another", ROLE: "driver"})
    pod["metadata"]["namespace"] = NAMESPACE
    create(server.api(), pod)

    assert Led(server, folder, names[0]).code() == 137
    server.api().ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{names[0]}-driver", {"gracePeriodSeconds": 0})


def test_a_spark_submit_that_fails_ends_it(server: KubeServer, folder: Path, names: tuple[str, str]) -> None:
    assert Led(server, folder, names[0], "/bin/sh", "-c", "exit 7").code() == 7
