"""A real Kubernetes API on loopback: etcd and kube-apiserver, those of KUBEBUILDER_ASSETS or built once here.

What is built is kept outside of the clone, by the hash of what it is made of: building takes minutes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpuq_daemon.kubernetes import access
from gpuq_daemon.kubernetes.api import Api, ApiError
from tests.support.tls import a_free_port

SOURCE = Path(__file__).resolve().parents[1] / "kubernetes" / "apiserver"
MANIFESTS = Path(__file__).resolve().parents[2] / "docs" / "kubernetes.yaml"
NAMESPACE = "gpuq"
_START_S = 90.0


class KubeServer:
    """etcd and an API server in a folder; it may be stopped and started again, with all that it knew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._etcd, self._apiserver = _programs()
        self._etcd_ports = a_free_port(), a_free_port()
        self.port = a_free_port()
        self._admin = secrets.token_hex(16)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """The file of the certificate that the API's is made with."""
        return self._folder / "certificates" / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of an administrator."""
        return self.kubeconfig_of(self._admin, "admin")

    def kubeconfig_of(self, token: str, name: str) -> Path:
        """Write a kubeconfig for whoever has the token."""
        path = self._folder / f"{name}.kubeconfig"
        draft = path.with_suffix(f".{secrets.token_hex(4)}")  # threads ask for it at the same time
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        draft.write_text(
            json.dumps(
                {
                    "current-context": "here",
                    "contexts": [{"name": "here", "context": {"cluster": "here", "user": name}}],
                    "clusters": [{"name": "here", "cluster": cluster}],
                    "users": [{"name": name, "user": {"token": token}}],
                }
            )
        )
        draft.replace(path)
        return path

    def api(self, kubeconfig: Path | None = None) -> Api:
        """Return a way to ask it, as an administrator."""
        return Api(access.find(kubeconfig or self.kubeconfig, None, {}))

    def start(self) -> None:
        """Start what does not run, and return when the API is ready."""
        self._folder.mkdir(parents=True, exist_ok=True)
        client, peer = (f"http://127.0.0.1:{port}" for port in self._etcd_ports)
        self._run(
            "etcd",
            *self._etcd,
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        tokens = self._folder / "tokens.csv"
        tokens.write_text(f'{self._admin},admin,admin,"system:masters"\n')
        key = self._folder / "accounts.key"
        if not key.exists():
            subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        self._run(
            "apiserver",
            *self._apiserver,
            f"--etcd-servers={client}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self._folder / 'certificates'}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--kubelet-preferred-address-types=InternalIP",
        )
        self._await_ready()

    def stop(self, *names: str) -> None:
        """End the parts named, else both."""
        for name in names or ("apiserver", "etcd"):
            process = self._running.pop(name, None)
            if process is not None:
                process.kill() if name == "apiserver" else process.terminate()
                process.wait(30)

    def compact(self) -> None:
        """Make etcd forget all that was before now, as it does every five minutes."""
        import urllib.request  # asked for nowhere else

        def ask(path: str, body: dict[str, Any]) -> Any:
            url = f"http://127.0.0.1:{self._etcd_ports[0]}/v3/kv/{path}"
            with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=10) as answer:
                return json.load(answer)

        revision = ask("put", {"key": "AA==", "value": "AA=="})["header"]["revision"]
        ask("compaction", {"revision": revision, "physical": True})

    def prepare(self) -> None:
        """Make what docs/kubernetes.yaml tells operators to make, and what controllers would."""
        api = self.api()
        for manifest in yaml.safe_load_all(MANIFESTS.read_text()):
            create(api, manifest)
        authority = {"ca.crt": self.authority.read_text()}
        for name in (NAMESPACE, "default"):
            named: dict[str, Any] = {"metadata": {"name": "kube-root-ca.crt", "namespace": name}, "data": authority}
            create(api, {"apiVersion": "v1", "kind": "ConfigMap", **named})
            create(
                api, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
            )

    def token_of(self, account: str) -> str:
        """Return a token of a service account, as a pod would get it."""
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
        return str(self.api().json("POST", path, {"spec": {"expirationSeconds": 7200}})["status"]["token"])

    def said(self) -> str:
        """Return the last words of both."""
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-3000:]}" for log in logs)

    def _run(self, name: str, *words: str) -> None:
        process = self._running.get(name)
        if process is not None and process.poll() is None:
            return
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            with suppress(ApiError, access.AccessError):
                if self.authority.exists() and self.api().ask("GET", "/readyz") == b"ok":
                    return
            ended = [name for name, process in self._running.items() if process.poll() is not None]
            assert not ended, f"{ended} ended: {self.said()}"
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)


@contextmanager
def a_kube_server(folder: Path) -> Generator[KubeServer]:
    """Give a Kubernetes API that is ready for jobs; it has no nodes yet."""
    server = KubeServer(folder)
    try:
        server.start()
        server.prepare()
        yield server
    finally:
        server.stop()


def create(api: Api, manifest: Any) -> Any:
    """Make an object of its manifest; one that is there already is as good."""
    version, kind = manifest["apiVersion"], manifest["kind"].lower() + "s"
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    namespace = manifest["metadata"].get("namespace")
    try:
        return api.json("POST", f"{root}/namespaces/{namespace}/{kind}" if namespace else f"{root}/{kind}", manifest)
    except ApiError as error:
        if error.status != 409:
            raise
        return manifest


def _programs() -> tuple[list[str], list[str]]:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        return [str(Path(assets) / "etcd")], [str(Path(assets) / "kube-apiserver")]
    built = str(_built())
    return [built, "etcd"], [built, "kube-apiserver"]


def _built() -> Path:
    """Return the program that is both, built if nobody has yet."""
    parts = [path.read_bytes() for path in sorted(SOURCE.iterdir())]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpuq-tests"
    built = home / f"kube-{hashlib.sha256(b''.join(parts)).hexdigest()[:16]}"
    if built.exists():
        return built
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is missing, and KUBEBUILDER_ASSETS names no folder: no Kubernetes API to test against")
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            draft = built.with_suffix(".draft")
            words = [go, "build", "-trimpath", "-ldflags", "-s -w", "-tags", "providerless", "-o", str(draft), "."]
            subprocess.run(words, cwd=SOURCE, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
            draft.replace(built)
    return built
