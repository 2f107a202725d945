"""A pod's one container as a process of this machine: its volumes are folders, and no image is pulled.

Spark's image has an entrypoint of two words, `driver` and `executor`; here they start what it would start.

Source: kubernetes/dockerfiles/spark/entrypoint.sh of Spark 4.3.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyspark

Json = Any
SPARK_HOME = Path(pyspark.__file__).parent
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


class Container:
    """The process of a pod on a node. `objects` gives config maps and tokens, `claims` the folders of volumes."""

    def __init__(
        self,
        pod: Json,
        folder: Path,
        address: str,
        gpus: list[str],
        *,
        objects: Callable[[str, str], Json],
        claims: Mapping[str, Path],
        server: str,
    ) -> None:
        self.pod = pod
        self.gpus = gpus
        self.address = address
        self.log = folder / "log"
        self._folder = folder
        self._objects = objects
        self._claims = claims
        self._server = server
        self._paths: dict[str, str] = {}
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        self._mount()
        words, env = self._words(), self._environment()
        self.process = subprocess.Popen(
            self._argv(words, env),
            env=env,
            cwd=folder / "tmp",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._writer = threading.Thread(target=self._write_log, daemon=True)
        self._writer.start()

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process, SIGKILL to all of them."""
        if number != signal.SIGKILL:
            self.process.send_signal(number)
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def kill(self) -> None:
        """Kill all of it, and return when it is gone."""
        self.signal(signal.SIGKILL)
        self.process.wait(10)
        self._writer.join(5)

    def code(self) -> int | None:
        """Return the exit code, None while it runs; with the first process all others end."""
        code = self.process.poll()
        if code is None:
            return None
        self.signal(signal.SIGKILL)
        self._writer.join(5)
        return code if code >= 0 else 128 - code

    @property
    def _spec(self) -> Json:
        return self.pod["spec"]["containers"][0]

    def _mount(self) -> None:
        volumes = {volume["name"]: volume for volume in self.pod["spec"].get("volumes", ())}
        for mount in self._spec.get("volumeMounts", ()):
            volume = volumes[mount["name"]]
            if "hostPath" in volume:
                self._paths[mount["mountPath"]] = volume["hostPath"]["path"]
            elif "persistentVolumeClaim" in volume:
                self._paths[mount["mountPath"]] = str(self._claims[volume["persistentVolumeClaim"]["claimName"]])
            else:
                folder = self._folder / "volumes" / mount["name"]
                folder.mkdir(parents=True, exist_ok=True)
                self._paths[mount["mountPath"]] = str(folder)
        for mount in self._spec.get("volumeMounts", ()):
            self._fill(volumes[mount["name"]], self._folder / "volumes" / mount["name"])

    def _fill(self, volume: Json, folder: Path) -> None:
        if "configMap" in volume:
            self._fill_with(volume["configMap"], folder, self._objects("configmaps", volume["configMap"]["name"]))
        for source in volume.get("projected", {}).get("sources", ()):
            if "configMap" in source:
                found = self._objects("configmaps", source["configMap"]["name"])
                self._fill_with(source["configMap"], folder, found)
            elif "serviceAccountToken" in source:
                token = self._objects("token", self.pod["spec"]["serviceAccountName"])
                (folder / source["serviceAccountToken"]["path"]).write_text(token)
            elif "downwardAPI" in source:
                for item in source["downwardAPI"]["items"]:
                    (folder / item["path"]).write_text(self._field(item["fieldRef"]["fieldPath"]))

    def _fill_with(self, source: Json, folder: Path, found: Json) -> None:
        data: dict[str, str] = found.get("data", {})
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            text = self._local(data[item["key"]])
            if item["key"] == "spark.properties":
                text = self._as_resolved(text)
            (folder / item["path"]).write_text(text)

    def _as_resolved(self, text: str) -> str:
        """Return a driver's settings with what a cluster's DNS and mounts would make of its names."""
        token = self._paths.get(_TOKEN, "/nonexistent")
        mounted = "spark.kubernetes.authenticate.driver.mounted"
        return (
            re.sub(r"(?m)^spark\.driver\.host=.*$", f"spark.driver.host={self.address}", text)
            + f"\nspark.kubernetes.driver.master={self._server}\n"
            f"{mounted}.oauthTokenFile={token}/token\n{mounted}.caCertFile={token}/ca.crt\n"
        )

    def _local(self, text: str) -> str:
        for path in sorted(self._paths, key=len, reverse=True):
            text = text.replace(path, self._paths[path])
        return text

    def _field(self, path: str) -> str:
        if path == "status.podIP":
            return self.address
        found: Json = self.pod
        for name in path.split("."):
            found = found[name]
        return str(found)

    def _environment(self) -> dict[str, str]:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder / "tmp"),
            "TMPDIR": str(self._folder / "tmp"),
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_LOCAL_IP": self.address,
            "KUBERNETES_SERVICE_HOST": urlsplit(self._server).hostname or "",
            "KUBERNETES_SERVICE_PORT": str(urlsplit(self._server).port),
            "NVIDIA_VISIBLE_DEVICES": ",".join(self.gpus) or "void",
        }
        for one in self._spec.get("env", ()):
            source = one.get("valueFrom", {}).get("fieldRef")
            value = one.get("value", "") if source is None else self._field(source["fieldPath"])
            env[one["name"]] = self._local(value)
        return env

    def _words(self) -> list[str]:
        return [self._local(word) for word in (*self._spec.get("command", ()), *self._spec.get("args", ()))]

    def _argv(self, words: list[str], env: dict[str, str]) -> list[str]:
        match words:
            case ["driver", *rest]:
                address = env["SPARK_DRIVER_BIND_ADDRESS"]
                env["PYSPARK_PYTHON"] = env.get("PYSPARK_PYTHON", sys.executable)
                bound = ["--conf", f"spark.driver.bindAddress={address}"]
                pod = ["--conf", f"spark.executorEnv.SPARK_DRIVER_POD_IP={address}"]
                return [str(SPARK_HOME / "bin" / "spark-submit"), *bound, *pod, "--deploy-mode", "client", *rest]
            case ["executor"]:
                return _executor(env)
            case _:
                return words

    def _write_log(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout, self.log.open("ab", buffering=0) as log:
            for line in self.process.stdout:
                log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z ".encode() + line)


def _executor(env: Mapping[str, str]) -> list[str]:
    options = sorted((int(name.rpartition("_")[2]), value) for name, value in env.items() if "SPARK_JAVA_OPT_" in name)
    named = {
        "driver-url": "SPARK_DRIVER_URL",
        "executor-id": "SPARK_EXECUTOR_ID",
        "cores": "SPARK_EXECUTOR_CORES",
        "app-id": "SPARK_APPLICATION_ID",
        "hostname": "SPARK_EXECUTOR_POD_IP",
        "resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
        "podName": "SPARK_EXECUTOR_POD_NAME",
    }
    memory = env["SPARK_EXECUTOR_MEMORY"]
    return [
        "java",
        *(value for _, value in options),
        f"-Xms{memory}",
        f"-Xmx{memory}",
        "-cp",
        f"{env['SPARK_CONF_DIR']}:{SPARK_HOME}/jars/*",
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        *(word for name, variable in named.items() for word in (f"--{name}", env[variable])),
    ]
