"""Whether this machine can run the embedded engine at all; needs nothing but Python, so it can be asked first."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from gpuq_daemon.backends import java, memory
from gpuq_daemon.backends.base import EngineError


def check(environment: Mapping[str, str], available_mib: int) -> None:
    """Return if Java and memory suffice.

    Raises:
        EngineError: one does not; the message says what to do.
    """
    java.find(environment)
    memory.require(memory.FLOOR_MIB, available_mib)


def main() -> int:
    """Say in one sentence what is missing, if anything is."""
    try:
        check(os.environ, memory.available_mib())
    except EngineError as error:
        print(f"gpuq: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
