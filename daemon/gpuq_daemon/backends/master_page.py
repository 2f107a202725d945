"""What a Spark Standalone master says of its workers and applications on its page /json.

Source: Spark's JsonProtocol.writeMasterState.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

_TIMEOUT_S = 3.0
_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterPage:
    """How many workers are alive, and the applications not ended (id to name)."""

    workers: int
    applications: dict[str, str]


def fetch(host: str, ui_port: int) -> MasterPage | None:
    """Return the master's page, or None if it does not answer as a master does."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback: never by a proxy
    try:
        with opener.open(f"http://{host}:{ui_port}/json/", timeout=_TIMEOUT_S) as answer:
            return parsed(json.loads(answer.read(_MAX_BYTES)))
    except (OSError, urllib.error.URLError, ValueError, KeyError, TypeError):
        return None


def parsed(page: dict[str, Any]) -> MasterPage:
    """Return the parts of the page's JSON that gpuq looks at."""
    return MasterPage(
        workers=sum(worker["state"] == "ALIVE" for worker in page["workers"]),
        applications={app["id"]: app["name"] for app in page["activeapps"]},
    )
