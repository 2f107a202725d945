"""Where a Kubernetes API is and who asks it: a kubeconfig, or the service account of the pod that gpuqd runs in.

Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files", "Accessing the API from a Pod",
client-go's credential plugins.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from gpuq.errors import GpuqError

_MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LARGEST = 1024 * 1024
_PLUGIN_TIMEOUT_S = 30.0

Fields = Mapping[str, Any]  # a part of a kubeconfig


class AccessError(GpuqError):
    """The way to the Kubernetes API is not known; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The API's address and what proves who asks. `authority` and `certificate` are PEM."""

    server: str
    authority: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    plugin: tuple[tuple[str, ...], tuple[tuple[str, str], ...]] | None = None
    is_unverified: bool = False

    def tls(self) -> ssl.SSLContext:
        """Return how to speak TLS with the API.

        Raises:
            AccessError: a certificate is damaged.
        """
        try:
            context = ssl.create_default_context(cadata=None if self.authority is None else self.authority.decode())
            if self.is_unverified:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if self.certificate is not None and self.key is not None:
                _load_pair(context, self.certificate + b"\n" + self.key)
        except (ssl.SSLError, ValueError) as error:
            raise AccessError(f"A certificate for {self.server} is damaged: {error}.") from error
        return context

    def authorization(self) -> str | None:
        """Return the header that says who asks, None where the certificate does; a file's token is read anew.

        Raises:
            AccessError: the token cannot be had.
        """
        token = self.token
        if self.token_file is not None:
            token = _read(self.token_file).decode(errors="replace").strip()
        elif self.plugin is not None:
            token = _asked(*self.plugin)
        return None if token is None else f"Bearer {token}"


def find(kubeconfig: Path | None, context: str | None, environment: Mapping[str, str]) -> Access:
    """Return the way to the API: of the kubeconfig if one is named, else of the pod, else of ~/.kube/config.

    Raises:
        AccessError: there is none, or it says something impossible.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST")
    if kubeconfig is None and host:
        port = environment.get("KUBERNETES_SERVICE_PORT", "443")
        name = f"[{host}]" if ":" in host else host
        return Access(
            server=f"https://{name}:{port}", authority=_read(_MOUNTED / "ca.crt"), token_file=_MOUNTED / "token"
        )
    path = kubeconfig or Path(environment.get("HOME", "/")) / ".kube" / "config"
    try:
        loaded: Any = yaml.safe_load(_read(path))
    except yaml.YAMLError as error:
        raise AccessError(f"The kubeconfig {path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(loaded, dict):
        raise AccessError(f"The kubeconfig {path} is empty: name another with `kubeconfig`.")
    return _of(cast("Fields", loaded), context, path)


def _of(config: Fields, context: str | None, path: Path) -> Access:
    chosen = context or str(config.get("current-context") or "")
    named = _named(config, "contexts", "context", chosen, path)
    cluster = _named(config, "clusters", "cluster", str(named.get("cluster")), path)
    user: Fields = _named(config, "users", "user", str(named.get("user")), path) if named.get("user") else {}
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith("https://"):
        raise AccessError(f"The kubeconfig {path} names no https:// server for its context `{chosen}`.")
    if "auth-provider" in user or "username" in user:
        raise AccessError(
            f"The kubeconfig {path} asks for a kind of login that Kubernetes has given up: use a token, a client "
            "certificate or an exec plugin."
        )
    token, token_file = user.get("token"), user.get("tokenFile")
    return Access(
        server=server.rstrip("/"),
        authority=_pem(cluster, "certificate-authority", path),
        certificate=_pem(user, "client-certificate", path),
        key=_pem(user, "client-key", path),
        token=str(token) if token else None,
        token_file=path.parent / str(token_file) if token_file and not token else None,
        plugin=_plugin(user.get("exec"), path),
        is_unverified=cluster.get("insecure-skip-tls-verify") is True,
    )


def _named(config: Fields, group: str, kind: str, name: str, path: Path) -> Fields:
    for one in _mappings(config.get(group)):
        if one.get("name") == name and isinstance(one.get(kind), dict):
            return cast("Fields", one[kind])
    raise AccessError(f"The kubeconfig {path} has no {kind} `{name}`.")


def _mappings(value: Any) -> list[Fields]:
    """Return the mappings in a list; nothing if it is none."""
    found = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Fields", one) for one in found if isinstance(one, dict)]


def _pem(fields: Fields, name: str, path: Path) -> bytes | None:
    inline, file = fields.get(f"{name}-data"), fields.get(name)
    try:
        if inline:
            return base64.b64decode(str(inline), validate=True)
    except ValueError as error:
        raise AccessError(f"{name}-data in the kubeconfig {path} is not base64.") from error
    return _read(path.parent / str(file)) if file else None


def _plugin(fields: Any, path: Path) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]] | None:
    if not isinstance(fields, dict):
        return None
    known = cast("Fields", fields)
    command = str(known.get("command") or "")
    if "/" in command:
        command = str(path.parent / command)  # as kubectl does
    pairs = _mappings(known.get("env"))
    words: Any = known.get("args")
    return (
        (command, *(str(word) for word in (cast("list[Any]", words) if isinstance(words, list) else []))),
        (
            *((str(pair.get("name")), str(pair.get("value"))) for pair in pairs),
            ("KUBERNETES_EXEC_INFO", json.dumps({**_credential(known), "spec": {"interactive": False}})),
        ),
    )


def _credential(plugin: Fields) -> dict[str, str]:
    version = plugin.get("apiVersion") or "client.authentication.k8s.io/v1"
    return {"apiVersion": str(version), "kind": "ExecCredential"}


def _asked(command: tuple[str, ...], environment: tuple[tuple[str, str], ...]) -> str:
    try:
        told = subprocess.run(
            command,
            env={**os.environ, **dict(environment)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PLUGIN_TIMEOUT_S,
            check=True,
        )
        return str(json.loads(told.stdout)["status"]["token"])
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError) as error:
        raise AccessError(f"The kubeconfig's plugin {command[0]} gives no token: {error}.") from error


def _load_pair(context: ssl.SSLContext, pem: bytes) -> None:
    """Load a certificate and its key without a file that others could see."""
    file = os.memfd_create("pair", os.MFD_CLOEXEC)
    try:
        os.write(file, pem)
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST)
    except OSError as error:
        raise AccessError(f"Cannot read {path}: {error.strerror}.") from error
