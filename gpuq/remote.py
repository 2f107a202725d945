"""Ways to a gpuqd on another host: `https://host:port` with a token, and `ssh://[user@]host[:port][/socket]`.

Both give a connected socket, so that whoever asks need not know the way.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess

from gpuq.errors import ForbiddenError, UnavailableError, UsageError
from gpuq.regular import NotRegularError, open_regular
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any

# A host or user that began with a dash would be an option of ssh; nothing here means anything to a shell.
_HOST = r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9_.-]*)"
_SSH = re.compile(
    rf"ssh://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?{_HOST}(?::(?P<port>[0-9]{{1,5}}))?(?P<path>/[A-Za-z0-9_./+-]*)?"
)
_HTTPS = re.compile(rf"https://{_HOST}(?::(?P<port>[0-9]{{1,5}}))?/?")
_TOKEN = re.compile(r"gpuq_[0-9]{1,18}_[A-Za-z0-9_-]{43}")
_PORT = 7443
_SSH_END_S = 5.0


class OverSsh(socket.socket):
    """A connection that a process of ssh carries."""

    process: subprocess.Popen[bytes]

    def exit_code(self) -> int | None:
        """Return how ssh ended: 0 if gpuqd closed, what the far end said, 255 if ssh failed; None if it goes on."""
        try:
            return self.process.wait(_SSH_END_S)
        except subprocess.TimeoutExpired:
            return None


def connect(target: str, timeout_s: float) -> socket.socket:
    """Return a connection to the gpuqd at `target`.

    Raises:
        UsageError: it is no target, or there is no token for it.
        UnavailableError: nobody answers there, or it cannot be trusted.
    """
    shown = fit(clean(target), 80)
    if (ssh := _SSH.fullmatch(target)) is not None:
        return _over_ssh(ssh, timeout_s)
    if (https := _HTTPS.fullmatch(target)) is not None:
        return _over_tls(https["host"].strip("[]"), int(https["port"] or _PORT), timeout_s)
    raise UsageError(
        f"'{shown}' names no gpuqd: use unix:///path, https://host:port or ssh://[user@]host[:port][/socket]."
    )


def _over_ssh(named: re.Match[str], timeout_s: float) -> socket.socket:
    """Return one end of a pair of sockets; ssh has the other, and `gpuq dial` on the host joins it to gpuqd's."""
    command = ["ssh", "-T", "-o", "ConnectTimeout=20"]
    command += ["-p", named["port"]] if named["port"] else []
    command += ["-l", named["user"]] if named["user"] else []
    socket_path = (named["path"] or "").rstrip("/")
    command += ["--", named["host"].strip("[]"), "gpuq", "dial", *([socket_path] if socket_path else [])]
    mine, theirs = socket.socketpair()
    with theirs:
        try:
            # It ends when this end is closed.
            process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno())
        except OSError as error:
            mine.close()
            raise UnavailableError(f"Cannot run ssh: {error.strerror}.") from error
    connection = OverSsh(fileno=mine.detach())
    connection.settimeout(timeout_s)
    connection.process = process
    return connection


def _over_tls(host: str, port: int, timeout_s: float) -> socket.socket:
    import ssl

    token = _token()
    where = f"{host}:{port}"
    try:
        context = ssl.create_default_context(cafile=_authority())
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"Cannot read the certificate that GPUQ_CA names: {error}.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _authorized(token)
    try:
        plain = socket.create_connection((host, port), timeout=timeout_s)
    except OSError as error:
        raise UnavailableError(f"gpuqd does not answer at {where}: {error.strerror or error}.") from error
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise UnavailableError(
            f"The certificate of {where} is not to be trusted ({error.verify_message}): "
            "set GPUQ_CA to the certificate that its operator gave you."
        ) from error
    except OSError as error:
        plain.close()
        raise UnavailableError(f"{where} does not speak TLS as gpuqd does: {error.strerror or error}.") from error


def _authorized(token: str) -> type[ssl.SSLSocket]:
    """Return a socket that shows the token in the first request it sends."""
    import ssl

    class Authorized(ssl.SSLSocket):
        """Shows a token after the first line."""

        _has_shown = False

        def sendall(self, data: Any, flags: int = 0) -> None:
            """Send a request, the token with it."""
            if not self._has_shown:
                self._has_shown = True
                first, end, rest = bytes(data).partition(b"\r\n")
                data = b"".join((first, end, b"Authorization: Bearer ", token.encode(), b"\r\n", rest))
            super().sendall(data, flags)

    return Authorized


def _folder() -> str:
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "gpuq")


def _authority() -> str | None:
    """Return the file of the certificate to trust: $GPUQ_CA, else the user's own; None for the system's."""
    own = os.path.join(_folder(), "ca.pem")
    return os.environ.get("GPUQ_CA") or (own if os.path.exists(own) else None)


def _token() -> str:
    path = os.environ.get("GPUQ_TOKEN_FILE") or os.path.join(_folder(), "token")
    try:
        file = open_regular(path)
    except NotRegularError as error:
        raise UsageError(f"{path} is {error.what}: no token is read from there.") from error
    except OSError as error:
        raise UsageError(
            f"There is no token in {path} ({error.strerror}): `gpuq admin token create` on gpuqd's host makes one."
        ) from error
    try:
        status = os.fstat(file)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise ForbiddenError(f"Others can read the token in {path}, or it is not yours: `chmod 600` it.")
        text = os.read(file, 4096).decode("ascii", "replace").strip()
    finally:
        os.close(file)
    if not _TOKEN.fullmatch(text):
        raise UsageError(f"What is in {path} is no token of gpuq.")
    return text
