"""Asks the web pages of Spark's and Hadoop's servers for JSON: bounded, never by a proxy, never for long."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

TIMEOUT_S = 3.0
_MAX_BYTES = 64 * 1024 * 1024
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get_json(url: str) -> Any:
    """Return what a page says, or None if it does not answer with JSON."""
    asked = urllib.request.Request(url, headers={"Accept": "application/json"})
    try:
        with OPENER.open(asked, timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read(_MAX_BYTES))
    except (OSError, HTTPException, urllib.error.URLError, ValueError):
        return None
