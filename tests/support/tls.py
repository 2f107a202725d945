"""A gpuqd over HTTPS with a certificate of its own, asked without gpuq's client."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any


def make_certificate(folder: Path, *, name: str = "localhost") -> None:
    """Make `cert.pem` and `key.pem`, as docs/security.md says to."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{name}"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def a_free_port() -> int:
    """Return a port of loopback that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Https:
    """Asks as whoever has the token; one connection a question."""

    def __init__(self, port: int, certificate: Path, token: str | None) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(certificate))
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and what is answered: JSON, or text; of a stream its beginning."""
        connection = http.client.HTTPSConnection("localhost", self._port, context=self._context, timeout=30)
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            if answer.getheader("content-type", "").startswith("text/event-stream"):
                return answer.status, answer.read1(65_536).decode()  # it has no end
            text = answer.read().decode(errors="replace")  # a table is no text, but tells names too
            return answer.status, json.loads(text or "null") if "json" in answer.getheader("content-type", "") else text
        finally:
            connection.close()

    def beginning(self, path: str, end: bytes) -> str:
        """Return what a stream says up to an event that has `end` in it, that one included."""
        connection = http.client.HTTPSConnection("localhost", self._port, context=self._context, timeout=30)
        try:
            connection.request("GET", path, headers=self._headers)
            answer, said = connection.getresponse(), b""
            while not (end in said and said.endswith(b"\n\n")):
                said += answer.read1(65_536)
            return said.decode()
        finally:
            connection.close()
