"""Asks the web pages of Spark's and Hadoop's servers for JSON: bounded, never by a proxy, never for long."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http import HTTPStatus
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


def asks_for_kerberos(url: str) -> bool:
    """Whether a page is refused to who comes without a Kerberos ticket. Source: RFC 4559 (SPNEGO over HTTP)."""
    try:
        with OPENER.open(url, timeout=TIMEOUT_S):
            return False
    except urllib.error.HTTPError as refusal:
        with refusal:
            asked = refusal.headers.get_all("WWW-Authenticate") or ()
            return refusal.code == HTTPStatus.UNAUTHORIZED and any(one.startswith("Negotiate") for one in asked)
    except (OSError, HTTPException):
        return False
