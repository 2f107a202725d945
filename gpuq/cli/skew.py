"""What it means when gpuqd does not answer as this gpuq expects: one of the two is older."""

from __future__ import annotations

from gpuq import __version__
from gpuq.errors import GpuqError, UnavailableError

_PACKAGE = "gpuq-cluster"
_UNKNOWN = ("Not Found", "Method Not Allowed")  # what gpuqd 0.1.0 said of a route that it does not have


class SkewError(UnavailableError):
    """gpuqd and this gpuq are of different versions, and do not understand each other."""


def explained(error: Exception) -> SkewError | None:
    """Return what an error means where gpuqd is of another version; None where it means what it says."""
    if isinstance(error, KeyError):
        what = f"does not tell `{error.args[0]}`" if _is_told(str(error.args[0])) else None
    else:
        what = "does not know what was asked" if str(error) in _UNKNOWN else None
    if what is None:
        return None
    return sentence(what, theirs=_their_version(), ours=__version__)


def sentence(what: str, *, theirs: str | None, ours: str) -> SkewError:
    """Return which of the two is older, and what to do; `theirs` None: gpuqd does not say."""
    if theirs is None or theirs == ours:
        return SkewError(
            f"gpuqd {what}, so it is of an older build than this gpuq {ours}: have it started again with the new one."
        )
    if _numbers(theirs) < _numbers(ours):
        return SkewError(
            f"gpuqd {theirs} is older than this gpuq {ours} and {what}: have gpuqd updated, "
            f"or use its own gpuq (pip install {_PACKAGE}=={theirs})."
        )
    return SkewError(
        f"gpuqd {theirs} is newer than this gpuq {ours} and {what}: update this gpuq "
        f"(pip install {_PACKAGE}=={theirs})."
    )


def _is_told(name: str) -> bool:
    """Whether a value of the API has a field of this name; else a missing key is an error of our own."""
    from dataclasses import fields, is_dataclass

    from gpuq import diagnosis, identity, models, sharing

    known = (one for module in (models, sharing, identity, diagnosis) for one in vars(module).values())
    return any(name in {field.name for field in fields(one)} for one in known if is_dataclass(one)) or name in _PARTS


_PARTS = ("jobs", "cluster", "pending", "columns", "rows", "shares", "seq", "next_cursor")


def _their_version() -> str | None:
    from gpuq.client import Client

    try:
        return str(Client(timeout_s=10).cluster().get("version") or "") or None
    except (GpuqError, ValueError, AttributeError):
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
