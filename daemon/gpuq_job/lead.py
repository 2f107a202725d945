"""Leads an attempt whose driver was started before it: `lead.py SOCKET SPEC COLD COMMAND ...`.

Hands its spec to the application that stands by at `SOCKET`, waits for the exit code, and ends with it. As long as
nobody has taken the spec, this process can still become the cold command: nothing is lost if who stood by is gone.
The end of the connection, whoever is killed, ends the application. With nothing but the standard library, so that it
starts in milliseconds.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

TAKEN = b"taken\n"
_LONGEST_S = 15.0  # an application that is just coming up is still quicker than one that only now begins to
_ANSWER_S = 5.0
_PAUSE_S = 0.02
_LONGEST = 64
_LOST = 137


def main(path: str, spec: str, *cold: str) -> int:
    """Have the spec run by who stands by, and return the exit code of that; become the cold command if nobody does."""
    connection = taken(path, spec, time.monotonic() + _LONGEST_S)
    if connection is None:
        print("gpuq: nobody stands by any more: starting anew", flush=True)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores both
            signal.signal(number, signal.SIG_DFL)
        os.execv(cold[0], cold)
    said = b""
    while piece := connection.recv(_LONGEST):
        said += piece
    return int(said) if said.strip().isdigit() else _LOST


def taken(path: str, spec: str, deadline: float) -> socket.socket | None:
    """Return the connection to who has taken the spec, None if nobody has."""
    while not os.path.exists(path):  # it is still coming up
        if time.monotonic() > deadline or not os.path.isdir(os.path.dirname(path)):
            return None
        time.sleep(_PAUSE_S)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_ANSWER_S)
    try:
        connection.connect(path)
        connection.sendall(os.fsencode(spec) + b"\n")
        if connection.recv(len(TAKEN)) == TAKEN:
            connection.settimeout(None)
            return connection
    except OSError:
        pass  # it has just ended
    connection.close()
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
