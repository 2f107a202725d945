"""A server of JSON pages that a test writes and changes, and that notes what it is asked to change."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Generator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ScriptedWeb:
    """Pages by path, without its query; `put` has what was put, with its path. `put_status` answers those.

    `scheme` is what whoever comes has to prove who he is by; nobody does.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}
        self.put: list[tuple[str, Any]] = []
        self.put_status = 202
        self.scheme: str | None = None
        self.on_put: Mapping[str, Any] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def address(self) -> str:
        """Return host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = web.pages.get(self.path.partition("?")[0])
                self._answer(401 if web.scheme is not None else 404 if page is None else 200, page)

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.put.append((self.path, json.loads(body)))
                if web.put_status < 300:
                    web.pages.update(web.on_put)
                self._answer(web.put_status, {})

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

            def _answer(self, status: int, page: Any) -> None:
                body = json.dumps(page).encode()
                self.send_response(status)
                if web.scheme is not None:
                    self.send_header("WWW-Authenticate", web.scheme)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler


@contextlib.contextmanager
def scripted_web() -> Generator[ScriptedWeb]:
    """Give a running server without any page."""
    web = ScriptedWeb()
    try:
        yield web
    finally:
        web.close()
