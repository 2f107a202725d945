"""HDFS over WebHDFS: lists from the NameNode, bytes straight from a DataNode, which has those of a file still written.

Source: Apache Hadoop, "WebHDFS REST API". What its NameNode says of the length of an open file is old; a DataNode
gives every byte that its writer has flushed.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from gpuq_daemon.files.connections import UNAUTHORIZED, Connections, RefusedError
from gpuq_daemon.files.found import FilesError, OneFileError
from gpuq_job.hadoop_conf import WebAddress
from gpuq_job.negotiate import KerberosError

T = TypeVar("T")
_LONGEST_ANSWER = 32 * 2**20
_MOST_LOCATIONS = 4096
_MOVED_ON = ("StandbyException", "RetriableException", "ObserverRetryOnActiveException")
_SAFE_MODE = "{} is in safe mode: it can be read, nothing can be written."
_NO_TICKET = "{} wants Kerberos, and gpuqd has no ticket ({}): start gpuqd with KRB5_CLIENT_KTNAME=KEYTAB."
_BELIEVED_S = 5.0
# What reading an answer raises where a field is missing, of another kind, too large, or nested without end.
_NO_ANSWER = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_PAST_END = ("Offset=", "seek after EOF", "past EOF", "out of the range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the NameNode says of a file or a folder; `length` may be old while the file is written."""

    name: str
    is_folder: bool
    file_id: int
    length: int
    changed_at_ms: int


class WebHdfs:
    """One HDFS, asked as `user`. Methods block, for `deadline_s` at most; any thread may call them.

    One that wants tickets is asked with what `authorization` returns for a host, and knows by that who asks: without
    `user`. What is wrong is raised as FilesError, which names the HDFS; what is not there as FileNotFoundError.
    """

    def __init__(
        self,
        name: str,
        addresses: tuple[WebAddress, ...],
        user: str | None,
        *,
        authorization: Callable[[str], str] | None = None,
        deadline_s: float = 5.0,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._addresses = addresses
        self._user = user
        self._deadline_s = deadline_s
        self._ticks = ticks
        self._active = 0
        self._connections = Connections(addresses, authorization, deadline_s, ticks)
        self._locations: dict[str, str] = {}
        self._trouble: str | None = None
        self._writable_until = 0.0

    def list(self, path: str) -> list[Entry]:
        """Return what is in a folder."""
        said = self._named("GET", path, {"op": "LISTSTATUS"})
        return self._meant(lambda: [_entry(each) for each in said["FileStatuses"]["FileStatus"]])

    def status(self, path: str) -> Entry:
        """Return what the NameNode says of a file or a folder."""
        said = self._named("GET", path, {"op": "GETFILESTATUS"})
        return self._meant(lambda: _entry(said["FileStatus"]))

    def delete(self, path: str) -> bool:
        """Remove a file, or a folder with all that is in it; False if it was not there."""
        said = self._named("DELETE", path, {"op": "DELETE", "recursive": "true"})
        return self._meant(lambda: bool(said["boolean"]))

    def check_writable(self, path: str) -> None:
        """Return if the folder takes files of the user that is asked as.

        Raises:
            FilesError: it does not, or the HDFS is in safe mode.
            FileNotFoundError: it is not there.
        """
        try:
            self._named("GET", path, {"op": "CHECKACCESS", "fsaction": "-wx"})
        except OneFileError as error:
            raise OneFileError(f"{self.name}: {self._who} may not write into {path}.") from error
        if self.is_in_safe_mode():
            raise FilesError(_SAFE_MODE.format(self.name))

    @property
    def trouble(self) -> str | None:
        """What hinders writers though files can be read, in a sentence; asked again after five seconds."""
        now = self._ticks()
        if now >= self._writable_until:
            self._writable_until = now + _BELIEVED_S
            self._trouble = _SAFE_MODE.format(self.name) if self.is_in_safe_mode() else None
        return self._trouble

    def is_in_safe_mode(self) -> bool:
        """Whether nothing can be written now, as its NameNode's page says; False where that page is closed to us."""
        address, target = self._addresses[self._active], "/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo"
        try:
            said = self._connections.exchange(address, "GET", target, _LONGEST_ANSWER, self._ticks() + self._deadline_s)
            return any(bean.get("Safemode") for bean in json.loads(said)["beans"])
        except (RefusedError, KerberosError, OSError, http.client.HTTPException):
            return False
        except _NO_ANSWER:
            return False

    def read(self, path: str, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on, of an open file too; none at its end or past it."""
        ends_at = self._ticks() + self._deadline_s
        known = self._locations.get(path)
        if known is not None:
            try:
                return self._fetch(known, offset, size, ends_at)
            except (RefusedError, OSError, http.client.HTTPException):
                self._locations.pop(path, None)  # another DataNode has it by now, or the file is gone
        if len(self._locations) >= _MOST_LOCATIONS:
            self._locations.clear()
        # From its start on: the NameNode refuses an offset past the length that it knows.
        location = str(self._asked("GET", path, {"op": "OPEN", "noredirect": "true"}, ends_at).get("Location", ""))
        try:
            data = self._fetch(location, offset, size, ends_at)
        except RefusedError as error:
            raise self._said(path, error) from error
        except (OSError, http.client.HTTPException) as error:
            at = urlsplit(location).netloc or "it"
            raise FilesError(f"{self.name}: its DataNode {at} does not answer ({_plainly(error)}).") from error
        self._locations[path] = location
        return data

    def _fetch(self, location: str, offset: int, size: int, ends_at: float) -> bytes:
        address, parts = self._place(location)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        query |= {"offset": str(offset), "length": str(size)}
        try:
            return self._connections.exchange(address, "GET", f"{parts.path}?{urlencode(query)}", size, ends_at)
        except RefusedError as error:
            if any(word in error.words for word in _PAST_END):
                return b""
            raise

    def _place(self, location: str) -> tuple[WebAddress, SplitResult]:
        """Return where a NameNode sends to, as address and parts."""
        try:
            parts = urlsplit(location)
            is_tls, host, port = parts.scheme == "https", parts.hostname, parts.port
            if parts.scheme not in ("http", "https") or host is None:
                raise ValueError("neither of the web's schemes")
            host.encode("idna")  # as a socket does
        except ValueError as error:
            raise OneFileError(f"{self.name} sends to {location[:100]!r} for a file, which is no address.") from error
        return WebAddress(host=host, port=port or (443 if is_tls else 80), is_tls=is_tls), parts

    def _named(self, method: str, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        return self._asked(method, path, query, self._ticks() + self._deadline_s)

    def _asked(self, method: str, path: str, query: Mapping[str, str], ends_at: float) -> dict[str, Any]:
        """Ask the NameNode that is active, whichever that is now."""
        asked_as = {} if self._user is None else {"user.name": self._user}
        target = f"/webhdfs/v1{quote(path)}?{urlencode({**query, **asked_as})}"
        wrong: Exception | None = None
        for turn in range(len(self._addresses)):
            which = (self._active + turn) % len(self._addresses)
            # One that hangs must leave time for the other.
            left = (ends_at - self._ticks()) / (len(self._addresses) - turn)
            try:
                data = self._connections.exchange(
                    self._addresses[which], method, target, _LONGEST_ANSWER, min(ends_at, self._ticks() + left)
                )
            except RefusedError as error:
                wrong = error
                if error.kind == UNAUTHORIZED:
                    raise FilesError(f"{self.name} does not take {self._who} for who it is.") from error
                if error.kind not in _MOVED_ON:
                    self._active = which
                    raise self._said(path, error) from error
            except KerberosError as error:
                raise FilesError(_NO_TICKET.format(self.name, error)) from error
            except (OSError, http.client.HTTPException) as error:
                wrong = error
            else:
                self._active = which
                return self._decoded(data)
        assert wrong is not None
        who = "NameNode" if len(self._addresses) == 1 else "NameNodes"
        at = ", ".join(map(str, self._addresses))
        if isinstance(wrong, RefusedError):
            raise FilesError(f"{self.name}: none of its {who} {at} is active.") from wrong
        raise FilesError(f"{self.name}: its {who} {at} do not answer ({_plainly(wrong)}).") from wrong

    @property
    def _who(self) -> str:
        return "gpuqd's Kerberos principal" if self._user is None else self._user

    def _decoded(self, data: bytes) -> dict[str, Any]:
        return self._meant(lambda: cast(dict[str, Any], {**json.loads(data or b"{}")}))

    def _meant(self, read: Callable[[], T]) -> T:
        """Return what an answer means, read out of it.

        Raises:
            FilesError: it is none of WebHDFS.
        """
        try:
            return read()
        except _NO_ANSWER as error:
            raise FilesError(f"{self.name} does not answer as WebHDFS does.") from error

    def _said(self, path: str, error: RefusedError) -> Exception:
        """Return what is raised for a refusal."""
        words = " ".join(error.words.split())[:200]
        if error.kind == "FileNotFoundException":
            return FileNotFoundError(path)
        if "SafeMode" in error.kind or "safe mode" in words:
            return FilesError(_SAFE_MODE.format(self.name))
        if "CannotObtainBlockLength" in error.kind or "Cannot obtain block length" in words:
            return OneFileError(f"{self.name}: a DataNode that has the end of {path} has begun anew; it comes back.")
        if error.kind == "AccessControlException":
            return OneFileError(f"{self.name}: {self._who} may not read {path}.")
        return OneFileError(f"{self.name}: {path}: {error.kind}: {words}")

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connections.close()


def _entry(status: Mapping[str, Any]) -> Entry:
    return Entry(
        name=str(status["pathSuffix"]),
        is_folder=status["type"] == "DIRECTORY",
        file_id=int(status["fileId"]),
        length=int(status["length"]),
        changed_at_ms=int(status["modificationTime"]),
    )


def _plainly(error: Exception) -> str:
    return "it is too slow" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
