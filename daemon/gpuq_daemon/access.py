"""The tables of `gpuqd.toml` about who may reach gpuqd, what they may do there, and what of it is kept."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[0-9A-Za-z.-]+):(?P<port>[0-9]{1,5})")
_MODE = re.compile(r"0?[0-7]{3}")


class ListenTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where gpuqd listens, whom it serves, and how much of it one user may take.

    `https` is `host:port`, with `cert` and `key` as PEM files. `serve_others` None: as root everybody, else only the
    user that gpuqd runs as, and root. `socket_mode` is octal; without it 0666 where others are served (0660 with a
    `socket_group`), else 0600.
    `request_timeout_s` is how long a request may take to arrive, and an answer to be read. Root and gpuqd's own user
    are not held to `requests_per_s` on the socket; 0 holds nobody.
    """

    https: str | None = None
    cert: str | None = None
    key: str | None = None
    serve_others: bool | None = None
    socket_mode: str | None = None
    socket_group: str | None = None
    connections_per_user: Annotated[int, Meta(ge=8, le=1_000_000)] = 4096
    requests_per_s: Annotated[float, Meta(ge=0, le=1e6)] = 500.0
    request_burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    request_timeout_s: Annotated[float, Meta(ge=0.1, le=3600)] = 30.0

    @property
    def serves_others(self) -> bool:
        """Whether users other than gpuqd's own (and root) are served."""
        return os.geteuid() == 0 if self.serve_others is None else self.serve_others

    @property
    def mode(self) -> int:
        """The socket's permissions."""
        if self.socket_mode is not None:
            return int(self.socket_mode, 8)
        if not self.serves_others:
            return 0o600
        return 0o666 if self.socket_group is None else 0o660

    @property
    def https_address(self) -> tuple[str, int] | None:
        """The host and port of the HTTPS listener, None without one."""
        found = None if self.https is None else _ADDRESS.fullmatch(self.https)
        return None if found is None else (found["host"].strip("[]"), int(found["port"]))


class RolesTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is more than a user: login names, and Unix groups as `@group`. Root and gpuqd's own user are admins."""

    admin: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()


class PrivacyTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether users see only what is their own; operators and admins see everything."""

    private: bool = False


class AuditTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many days the record of changes is kept."""

    keep_d: Annotated[float, Meta(gt=0)] = 400.0

    @property
    def keep_s(self) -> float:
        """The same in seconds."""
        return self.keep_d * 86_400


def listen_problem(listen: ListenTable) -> str | None:
    """Return what is impossible in `[listen]`, or None."""
    if listen.socket_mode is not None and not _MODE.fullmatch(listen.socket_mode):
        return f'[listen] socket_mode `{listen.socket_mode}` is no mode: write it as in chmod, "0660"'
    if listen.https is None:
        extra = next((name for name in ("cert", "key") if getattr(listen, name) is not None), None)
        return None if extra is None else f"[listen] {extra} is of no use without https"
    address = listen.https_address
    if address is None or not 0 < address[1] < 65536:
        return f'[listen] https `{listen.https}` is no address: write "host:port", such as "0.0.0.0:7443"'
    for name, path in (("cert", listen.cert), ("key", listen.key)):
        if path is None:
            return f"[listen] https needs {name}, a PEM file"
        if not Path(path).is_absolute():
            return f"[listen] {name} `{path}` must be an absolute path"
    return None
