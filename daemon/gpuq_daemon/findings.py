"""What `gpuqd check` finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a finding stands: `fail` means that gpuqd or its jobs will not run."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, how it stands, and what to do (empty where all is well)."""

    name: str
    level: Level
    text: str
    fix: str = ""


def ok(name: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(name=name, level=Level.OK, text=text)


def warn(name: str, text: str, fix: str) -> Finding:
    """Return what works, but not for everybody or not for long."""
    return Finding(name=name, level=Level.WARN, text=text, fix=fix)


def fail(name: str, text: str, fix: str) -> Finding:
    """Return what does not work."""
    return Finding(name=name, level=Level.FAIL, text=text, fix=fix)
