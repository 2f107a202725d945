"""What `gpuqd check` looks at of who can reach what: certificate, roles, files that others need or must not have."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import ssl
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from gpuq_daemon import owners
from gpuq_daemon.access import ListenTable, RolesTable
from gpuq_daemon.config import Config
from gpuq_daemon.findings import Finding, fail, ok, warn
from gpuq_daemon.owners import UnixUser

_DAY_S = 86_400.0
_SOON_D = 30
# Somebody who owns nothing and is in no group: what they can reach, all can.
_ANYBODY = UnixUser(name="other users", uid=2**31 - 2, gid=2**31 - 2, home="/", shell="/bin/sh")


def check_access(config: Config, file: Path, *, needs: Iterable[Path], is_root: bool) -> Iterator[Finding]:
    """Yield findings about access; `needs` are files that jobs' processes have to read, as their owners if root."""
    yield check_file(file)
    yield from check_certificate(config.listen, now=time.time())
    yield from check_roles(config.roles, config.listen)
    if config.listen.serves_others:
        yield check_reach("socket", [config.socket_path.parent], "gpuq cannot be used by them")
    if is_root:
        places = [config.jobs.parent, config.scratch.parent, *needs]
        yield check_reach("jobs' files", places, "no job of theirs can be started")


def check_file(file: Path) -> Finding:
    """Return whether nobody else can change the configuration: who can is root where gpuqd is."""
    for place in (file.absolute(), *file.absolute().parents):
        status = place.stat()
        others = 0o002 if status.st_gid == os.getgid() else 0o022  # a user's own group has nobody else in it
        is_shared = bool(status.st_mode & stat.S_ISVTX) and stat.S_ISDIR(status.st_mode)
        if status.st_uid not in (0, os.getuid()) or (status.st_mode & others and not is_shared):
            fix = f"chown {os.getuid()} {place} && chmod go-w {place}"
            return fail("configuration", f"others can change {place}, and with it what gpuqd does", fix)
    return ok("configuration", "nobody else can change it")


def check_certificate(listen: ListenTable, *, now: float) -> Iterator[Finding]:
    """Yield whether the certificate can be used, has its key, and for how long it is good; nothing without HTTPS."""
    if listen.cert is None or listen.key is None:
        return
    for path in (listen.cert, listen.key):
        if not os.access(path, os.R_OK):
            yield fail("https", f"{path} cannot be read", "make it as docs/security.md shows, or correct [listen]")
            return
    if os.stat(listen.key).st_mode & 0o077:
        yield fail("https", f"others can read the key {listen.key}", f"chmod 600 {listen.key}, and make a new one")
    try:
        until = good_until(listen.cert, listen.key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        said = getattr(error, "reason", None) or error
        yield fail("https", f"{listen.cert} with {listen.key} cannot be used: {said}", "make both anew, together")
        return
    left_d = (until - now) / _DAY_S
    if left_d < _SOON_D:
        said = f"ends in {left_d:.0f} days" if left_d > 0 else "has ended"
        yield (warn if left_d > 0 else fail)("https", f"the certificate {listen.cert} {said}", "renew it")
    else:
        yield ok("https", f"the certificate is good for {left_d:.0f} days")


def good_until(cert: str, key: str) -> float:
    """Return until when a certificate is good, in Unix seconds, as a handshake with it in memory tells.

    Raises:
        OSError: it cannot be read, has another key, or is not good now.
        ValueError: it says nothing of its end.
    """
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(cert, key, password="")  # a key that needs one would be asked for at a terminal
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # whoever has signed it
    client.load_verify_locations(cert)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True))
    for _ in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    found = ends[0].getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(found.get("notAfter", ""))))


def check_roles(roles: RolesTable, listen: ListenTable) -> Iterator[Finding]:
    """Yield the users and groups that are named and do not exist on this machine."""
    named = [(f"[roles] {role}", name) for role in ("admin", "operator") for name in getattr(roles, role)]
    named += [] if listen.socket_group is None else [("[listen] socket_group", f"@{listen.socket_group}")]
    missing = [(where, name) for where, name in named if not _exists(name)]
    for where, name in missing:
        kind = "group" if name.startswith("@") else "user"
        level = fail if where.startswith("[listen]") else warn
        yield level("roles", f"{where} names the {kind} {name}, which this machine does not know", f"correct {where}")
    if named and not missing:
        yield ok("roles", f"{', '.join(name for _, name in named)} are known here")


def check_reach(name: str, places: Iterable[Path], otherwise: str) -> Finding:
    """Return whether users whom nothing is known of can come to these files and folders, as far as they are there."""
    for place in places:
        nearest = next(one for one in (place, *place.parents) if one.exists())
        closed = owners.may_reach(nearest, _ANYBODY)
        if closed is not None:
            what, _, remedy = closed.partition(": ")
            return warn(name, f"{what}: {otherwise}", remedy.strip("`") or "open it, or name another place")
    return ok(name, "other users can come to what they need")


def _exists(name: str) -> bool:
    try:
        if name.startswith("@"):
            grp.getgrnam(name[1:])
        else:
            pwd.getpwnam(name)
    except KeyError:
        return False
    return True
