"""The key with which a client marks a request, so that it may send it again.

Source: draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hashlib

import msgspec

from gpuq.models import JobSpec
from gpuq_daemon.store.job_changes import Owner
from gpuq_daemon.store.request_keys import RequestKey

KEY = r"^[\x21-\x7e]{1,128}$"


def key_of(who: Owner, key: str | None, asked: JobSpec) -> RequestKey | None:
    """Return a request's key with the digest of what is asked for; None if the client gave none."""
    if key is None:
        return None
    digest = hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
    return RequestKey(user=who.user, key=key, digest=digest)
