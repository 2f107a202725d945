"""The systemd unit that comes with gpuqd, with the paths of an installation."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from gpuq.errors import UsageError

_PLAIN = re.compile(r"[A-Za-z0-9_./@:+,=-]+")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*|[0-9]+")


def unit(gpuqd: Path, config: Path, *, user: str | None = None) -> str:
    """Return the unit's text for `gpuqd serve --config config`, as root or as `user`.

    Raises:
        UsageError: a path or the user's name cannot stand in a unit.
    """
    text = resources.files("gpuq_daemon").joinpath("systemd", "gpuqd.service").read_text()
    text = text.replace("/usr/bin/gpuqd", _word(gpuqd)).replace("/etc/gpuq/gpuqd.toml", _word(config))
    if user is None:
        return text
    if not _USER.fullmatch(user):
        raise UsageError(f"{user!a} cannot be a user's name in a unit.")
    kept = [line for line in text.splitlines() if not line.startswith(("CapabilityBoundingSet", "# What starting"))]
    where = kept.index("[Service]") + 1
    return "\n".join([*kept[:where], f"User={user}", "CapabilityBoundingSet=", *kept[where:], ""])


def _word(path: Path) -> str:
    r"""Return a path as one word of a command line in a unit. Source: systemd.service(5), systemd.syntax(7)."""
    text = str(path)
    if not path.is_absolute() or not text.isprintable():
        raise UsageError(f"{text!a} cannot stand in a unit: give an absolute path of printable characters.")
    text = text.replace("%", "%%").replace("$", "$$")
    if _PLAIN.fullmatch(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
