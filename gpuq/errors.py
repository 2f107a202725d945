"""Errors whose message is meant for a person: what happened and what to do, in one sentence."""

from __future__ import annotations


class GpuqError(Exception):
    """Something a user or an operator can mend. `exit_code` is what the command ends with."""

    exit_code = 1


class UsageError(GpuqError):
    """The request itself is wrong; nothing was changed."""

    exit_code = 2


class NotFoundError(GpuqError):
    """There is no such job, rank or tag."""

    exit_code = 3


class ForbiddenError(GpuqError):
    """Who asks may not do this."""

    exit_code = 4


class UnavailableError(GpuqError):
    """gpuqd, or something it needs, does not answer."""

    exit_code = 5


class FullError(UnavailableError):
    """There is no room where gpuqd keeps its state: nothing was changed, and it may be asked again."""
