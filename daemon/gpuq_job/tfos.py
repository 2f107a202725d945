"""What gpuq adjusts in TensorFlowOnSpark 2.2.5, all of it here. Its own code runs otherwise unchanged.

- Its polls sleep 1 to 5 s although what they wait for takes milliseconds: they sleep 50 ms.
- Its reservation server listens on every interface and unpickles what it gets: it listens on one address.
- It finds a node's address by asking the routing table for 8.8.8.8: an engine may name the address.
- The driver imports TensorFlow (seconds, 600 MB) for functions that only nodes call: it gets a stand-in.
"""

from __future__ import annotations

import importlib
import logging
import socket
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

_LONGEST_SLEEP_S = 0.05


class ShortSleeps:
    """Stands in for the module `time` where only `sleep` is used."""

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep, but not for long."""
        time.sleep(min(seconds, _LONGEST_SLEEP_S))


class _LaterTensorFlow(ModuleType):
    """Becomes TensorFlow as soon as something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get("tensorflow") is self:
            del sys.modules["tensorflow"]
        return getattr(importlib.import_module("tensorflow"), name)


def import_cluster() -> Any:
    """Import TFoS's TFCluster for the driver, without TensorFlow, and with short sleeps."""
    sys.modules.setdefault("tensorflow", _LaterTensorFlow("tensorflow"))
    module: Any = importlib.import_module("tensorflowonspark.TFCluster")
    module.time = ShortSleeps
    # At INFO it logs the keys of its nodes' managers, and a line at every look at its reservations.
    logging.getLogger("tensorflowonspark").setLevel(logging.WARNING)
    return module


def reservation_timeout(seconds: float) -> int:
    """Return what to give TFoS as `reservation_timeout`: it counts its looks, which it takes for seconds."""
    return round(seconds / _LONGEST_SLEEP_S)


def use_address(host: str) -> None:
    """Make TFoS take `host` for this machine's address."""
    util: Any = importlib.import_module("tensorflowonspark.util")

    def get_ip_address() -> str:
        return host

    util.get_ip_address = get_ip_address


def shorten_reservation() -> None:
    """Make a node that waits for the others look often."""
    reservation: Any = importlib.import_module("tensorflowonspark.reservation")
    reservation.time = ShortSleeps


def watch_reservations(host: str, on_reserved: Callable[[dict[str, Any]], None]) -> None:
    """Make TFoS's reservation server listen on `host` only, and tell each node as it reserves."""
    reservation: Any = importlib.import_module("tensorflowonspark.reservation")
    reservation.time = ShortSleeps
    base: Any = reservation.Server

    class Server(base):
        def get_server_ip(self) -> str:
            return host

        def start_listening_socket(self) -> socket.socket:
            return socket.create_server((host, 0), backlog=128)

        def _handle_message(self, sock: socket.socket, msg: dict[str, Any]) -> None:
            super()._handle_message(sock, msg)
            if msg.get("type") == "REG":
                on_reserved(msg["data"])

    reservation.Server = Server
