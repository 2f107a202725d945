"""gpuqd's unix socket on a port of loopback, for programs that know no unix sockets."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Generator


@contextlib.contextmanager
def on_loopback(path: str) -> Generator[str]:
    """Give a URL that leads to the socket at `path`."""

    class Through(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as far:
                far.connect(path)
                back = threading.Thread(target=_carry, args=(far, self.request))
                back.start()
                _carry(self.request, far)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Through) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
