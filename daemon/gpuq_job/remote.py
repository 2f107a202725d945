"""Where files are carried to: a folder on HDFS, written natively or over WebHDFS, or one that every host mounts.

Everything has a time limit. What goes wrong is raised as OSError, RemoteError (one of them) or TimeoutError.
"""

from __future__ import annotations

import asyncio
import ctypes
import getpass
import http.client
import json
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit

from gpuq_job import hadoop_conf
from gpuq_job.hadoop_conf import HadoopConfError, WebAddress
from gpuq_job.negotiate import KerberosError, authorization

T = TypeVar("T")

_STEP_S, _REACH_S = 10.0, 3.0
_LEASE_S, _LEASE_PAUSE_S = 20.0, 0.3
_FIRST_AGE_S, _LONGEST_AGE_S = 1.0, 1800.0
_MOVED_ON = ("StandbyException", "RetriableException")


class RemoteError(OSError):
    """The far side refuses, with its reason."""


class Appending(Protocol):
    """A file that is written at its end."""

    async def write(self, data: bytes) -> None:
        """Add `data`, so that every reader sees it once this has returned."""
        ...

    async def close(self) -> None:
        """Write no more."""
        ...


class Remote(Protocol):
    """A folder; paths are below it."""

    async def append_to(self, path: str) -> tuple[Appending, int]:
        """Return a file that is made if it is missing, and how long it is: what a writer before has lost, is lost."""
        ...

    async def create(self, path: str) -> Appending:
        """Return a new file, in the place of one of this name."""
        ...

    async def read(self, path: str, offset: int, size: int) -> bytes:
        """Return up to `size` bytes of a closed file.

        Raises:
            FileNotFoundError: there is none.
        """
        ...

    async def rename(self, old: str, new: str) -> None:
        """Call a file otherwise, in the place of one of that name; folders are made."""
        ...

    async def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        ...


def open_remote(uri: str, environment: Mapping[str, str]) -> Remote:
    """Return the folder of an address.

    Raises:
        RemoteError: nothing can be written there.
    """
    parts = urlsplit(uri)
    root = unquote(parts.path).rstrip("/")
    if parts.scheme == "file":
        return Mounted(Path(root))
    folder = environment.get("HADOOP_CONF_DIR")
    native = _native_client() if parts.scheme == "hdfs" else None
    try:
        settings = hadoop_conf.load(Path(folder) if folder else None)
        if native is not None:
            address = f"hdfs://{parts.netloc}" if parts.netloc else None
            nodes = hadoop_conf.rpc_addresses(settings, parts.netloc)
            return Native(lambda: native(address, config_dir=folder or None), nodes, root)
        addresses = hadoop_conf.web_addresses(settings, parts.scheme, parts.netloc)
        wants_tickets = hadoop_conf.wants_tickets(settings)
    except HadoopConfError as error:
        raise RemoteError(str(error)) from error
    user = environment.get("HADOOP_USER_NAME") or getpass.getuser()
    return Web(addresses, root, None if wants_tickets else user)


def _native_client() -> Callable[..., Any] | None:
    """Return the library's client, None where it is not installed."""
    try:
        from hdfs_native import AsyncClient
    except ImportError:
        return None
    return AsyncClient


class Native:
    """HDFS by its own protocol: the file stays open, and what is written is flushed to the DataNodes' disks."""

    def __init__(
        self,
        new_client: Callable[[], Any],
        nodes: tuple[WebAddress, ...],
        root: str,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_client = new_client
        self._nodes = nodes
        self._root = root
        self._ticks = ticks
        self._kept: Any = None
        self._is_doubtful = True
        self._made_at, self._least_age_s = 0.0, _FIRST_AGE_S

    async def append_to(self, path: str) -> tuple[Appending, int]:
        """Return the file, its lease taken from whoever wrote before: that can only be an earlier self."""
        full = self._full(path)
        async with asyncio.timeout(_LEASE_S):
            try:
                await self._do(lambda hdfs: hdfs.get_file_info(full))
            except FileNotFoundError:
                return await self.create(path), 0
            while not await self._do(lambda hdfs: hdfs.recover_lease(full)):  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(_LEASE_PAUSE_S)
        status = await self._do(lambda hdfs: hdfs.get_file_info(full))
        return _NativeFile(await self._do(lambda hdfs: hdfs.append(full))), int(status.length)

    async def create(self, path: str) -> Appending:
        """Return a new file."""
        from hdfs_native import WriteOptions

        options = WriteOptions(create_parent=True, overwrite=True)
        return _NativeFile(await self._do(lambda hdfs: hdfs.create(self._full(path), options)))

    async def read(self, path: str, offset: int, size: int) -> bytes:
        """Return some of a closed file."""
        file = await self._do(lambda hdfs: hdfs.read(self._full(path)))
        left = file.inner.file_length() - offset
        return await _native(file.read_range(offset, min(size, left))) if left > 0 else b""

    async def rename(self, old: str, new: str) -> None:
        """Call a file otherwise."""
        await self._do(lambda hdfs: hdfs.mkdirs(os.path.dirname(self._full(new)), create_parent=True))
        await self._do(lambda hdfs: hdfs.rename(self._full(old), self._full(new), overwrite=True))

    async def delete(self, path: str) -> None:
        """Remove a file."""
        await self._do(lambda hdfs: hdfs.delete(self._full(path)))

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"

    async def _do(self, step: Callable[[Any], Awaitable[T]]) -> T:
        if self._is_doubtful:
            await self._reach()
        if self._kept is None:
            self._kept, self._made_at = _never_let_go(self._new_client()), self._ticks()
        try:
            found = await _native(step(self._kept))
        except FileNotFoundError:
            raise
        except BaseException:
            self._doubt()
            raise
        self._is_doubtful = False
        return found

    def _doubt(self) -> None:
        """Have another client after one that failed; the more there were, the seldomer, for all of them stay."""
        self._is_doubtful = True
        if self._kept is not None and self._ticks() - self._made_at >= self._least_age_s:
            self._kept = None
            self._least_age_s = min(2 * self._least_age_s, _LONGEST_AGE_S)

    async def _reach(self) -> None:
        """Return if a NameNode takes connections; the library panics, and says so at length, where none does."""
        for node in self._nodes:
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(node.host, node.port), _REACH_S)
            except (OSError, TimeoutError):
                continue
            writer.close()
            return
        raise RemoteError(f"its NameNode does not answer at {', '.join(map(str, self._nodes))}")


def _never_let_go(client: T) -> T:
    """Return a client of the library that this process keeps to its end, whoever forgets it.

    To free one is to wait for its threads, with Python's lock held for which one of them may be waiting: it just has
    told the event loop that a step is done.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))
    return client


class _NativeFile:
    def __init__(self, file: Any) -> None:
        self._file = file

    async def write(self, data: bytes) -> None:
        await _native(self._file.write(data))
        await _native(self._file.hsync())

    async def close(self) -> None:
        await _native(self._file.close())


async def _native(step: Awaitable[T]) -> T:
    """Wait for a step of the library, which knows no time limit and raises RuntimeError for everything else."""
    try:
        return await asyncio.wait_for(step, _STEP_S)
    except BaseException as error:
        if not isinstance(error, RuntimeError) and type(error).__name__ != "PanicException":
            raise
        raise RemoteError(" ".join(str(error).split("\\n")[0].split())[:300]) from error


class Web:
    """HDFS over WebHDFS: each write opens the file, appends, and closes it again.

    Without a user it is asked with tickets.
    """

    def __init__(self, addresses: tuple[WebAddress, ...], root: str, user: str | None) -> None:
        self._addresses = addresses
        self._root = root
        self._user = user
        self._active = 0

    async def append_to(self, path: str) -> tuple[Appending, int]:
        """Return the file."""
        try:
            status = await self._ask("GET", path, op="GETFILESTATUS")
        except FileNotFoundError:
            return await self.create(path), 0
        return _WebFile(self, path), int(status["FileStatus"]["length"])

    async def create(self, path: str) -> Appending:
        """Return a new file."""
        await self.send("PUT", path, b"", op="CREATE", overwrite="true")
        return _WebFile(self, path)

    async def read(self, path: str, offset: int, size: int) -> bytes:
        """Return some of a closed file."""
        status = await self._ask("GET", path, op="GETFILESTATUS")
        size = min(size, int(status["FileStatus"]["length"]) - offset)
        return await self.send("GET", path, None, op="OPEN", offset=str(offset), length=str(size)) if size > 0 else b""

    async def rename(self, old: str, new: str) -> None:
        """Call a file otherwise."""
        await self._ask("PUT", os.path.dirname(new), op="MKDIRS")
        await self._ask("PUT", old, op="RENAME", destination=f"{self._root}/{new}", renameoptions="OVERWRITE")

    async def delete(self, path: str) -> None:
        """Remove a file."""
        await self._ask("DELETE", path, op="DELETE")

    async def send(self, method: str, path: str, data: bytes | None, **query: str) -> bytes:
        """Have a DataNode read or write, whichever the NameNode names."""
        location = urlsplit(str((await self._ask(method, path, noredirect="true", **query)).get("Location", "")))
        if location.hostname is None:
            raise RemoteError("the NameNode names no DataNode")
        is_tls = location.scheme == "https"
        address = WebAddress(host=location.hostname, port=location.port or (443 if is_tls else 80), is_tls=is_tls)
        return await asyncio.to_thread(_exchange, address, method, f"{location.path}?{location.query}", data)

    async def _ask(self, method: str, path: str, **query: str) -> dict[str, Any]:
        asked_as = {} if self._user is None else {"user.name": self._user}
        target = f"/webhdfs/v1{quote(f'{self._root}/{path}')}?{urlencode({**query, **asked_as})}"
        wrong: OSError | None = None
        for turn in range(len(self._addresses)):
            which = (self._active + turn) % len(self._addresses)
            try:
                data = await asyncio.to_thread(self._told, self._addresses[which], method, target)
            except FileNotFoundError:
                raise
            except OSError as error:
                wrong = error
                if isinstance(error, RemoteError) and not any(word in str(error) for word in _MOVED_ON):
                    raise
            else:
                self._active = which
                return json.loads(data) if data else {}
        assert wrong is not None
        raise wrong

    def _told(self, address: WebAddress, method: str, target: str) -> bytes:
        try:
            headers = {"Authorization": authorization(address.host)} if self._user is None else {}
        except KerberosError as error:
            raise RemoteError(f"it wants Kerberos, and there is no ticket ({error}): see kinit") from error
        return _exchange(address, method, target, None, headers)


class _WebFile:
    def __init__(self, web: Web, path: str) -> None:
        self._web = web
        self._path = path

    async def write(self, data: bytes) -> None:
        await self._web.send("POST", self._path, data, op="APPEND")

    async def close(self) -> None:
        pass


def _exchange(
    address: WebAddress, method: str, target: str, data: bytes | None, headers: Mapping[str, str] | None = None
) -> bytes:
    connection = (
        http.client.HTTPSConnection(address.host, address.port, timeout=_STEP_S, context=ssl.create_default_context())
        if address.is_tls
        else http.client.HTTPConnection(address.host, address.port, timeout=_STEP_S)
    )
    try:
        kind = {} if data is None else {"Content-Type": "application/octet-stream"}
        connection.request(method, target, data, {**kind, **(headers or {})})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status < 300:
            return said
        raise _refusal(answer.status, said)
    except http.client.HTTPException as error:
        raise ConnectionError(f"{address} does not answer as WebHDFS does") from error
    finally:
        connection.close()


def _refusal(status: int, said: bytes) -> OSError:
    try:
        told = json.loads(said)["RemoteException"]
        kind, words = str(told["exception"]), " ".join(str(told["message"]).split())[:300]
    except (ValueError, KeyError, TypeError):
        return RemoteError(f"status {status}")
    return FileNotFoundError(words) if kind == "FileNotFoundException" else RemoteError(f"{kind}: {words}")


class Mounted:
    """A folder that every host mounts."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def append_to(self, path: str) -> tuple[Appending, int]:
        """Return the file."""
        file = self._open(path, os.O_APPEND)
        return file, file.size

    async def create(self, path: str) -> Appending:
        """Return a new file."""
        return self._open(path, os.O_TRUNC)

    async def read(self, path: str, offset: int, size: int) -> bytes:
        """Return some of a file."""
        with (self._root / path).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    async def rename(self, old: str, new: str) -> None:
        """Call a file otherwise."""
        (self._root / new).parent.mkdir(parents=True, exist_ok=True)
        (self._root / old).replace(self._root / new)

    async def delete(self, path: str) -> None:
        """Remove a file."""
        (self._root / path).unlink(missing_ok=True)

    def _open(self, path: str, how: int) -> _MountedFile:
        full = self._root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        return _MountedFile(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o644))


class _MountedFile:
    def __init__(self, file: int) -> None:
        self._file = file

    @property
    def size(self) -> int:
        return os.fstat(self._file).st_size

    async def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]

    async def close(self) -> None:
        os.close(self._file)
