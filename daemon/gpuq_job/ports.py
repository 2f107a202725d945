"""A port for a rank's TensorFlow server, which opens it only seconds after the whole cluster has been told.

TFoS takes one of the ephemeral ports and lets go of it until TensorFlow is imported: any connection that somebody makes
meanwhile may be given it. Below the ephemeral ports the kernel gives none away.

Source: ip(7), ip_local_port_range.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

_LOWEST = 10_240
_USUAL_EPHEMERAL = 32_768
_TRIES = 200


def quiet(chance: random.Random, proc: Path = Path("/proc")) -> int:
    """Return a port that nobody has and that the kernel gives to no connection, chosen by chance.

    Raises:
        OSError: none was found.
    """
    ephemeral = _lowest_ephemeral(proc)
    highest = ephemeral - 1 if ephemeral > _LOWEST + _TRIES else 65_535
    for _ in range(_TRIES):
        port = chance.randint(_LOWEST, highest)
        if _is_free(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {highest}")


def _lowest_ephemeral(proc: Path) -> int:
    try:
        return int((proc / "sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _USUAL_EPHEMERAL


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
