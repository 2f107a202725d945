"""What any HTTP client sees of gpuqd."""

from __future__ import annotations

import http.client
import socket

from tests.support.daemon import Gpuqd


def got(daemon: Gpuqd, target: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str, str]:
    """Return status, body, where it is text, and content type of an answer."""
    asking = http.client.HTTPConnection("gpuq")
    asking.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asking.sock.settimeout(30)
    try:
        asking.sock.connect(daemon.client.path)
        asking.request(method, target, body, {"Content-Type": "application/json", "Connection": "close"})
        answer = asking.getresponse()
        return answer.status, answer.read().decode(errors="replace"), answer.headers.get_content_type()
    finally:
        asking.close()
