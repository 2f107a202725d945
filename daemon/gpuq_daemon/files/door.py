"""The door to files: an address in, its files and the lane of its file system out."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

from gpuq_daemon.files.found import Files, FilesError, is_event_file
from gpuq_daemon.files.hdfs import HdfsFiles
from gpuq_daemon.files.lane import Lane
from gpuq_daemon.files.local import LocalFiles
from gpuq_daemon.files.webhdfs import WebHdfs
from gpuq_job import hadoop_conf
from gpuq_job.hadoop_conf import HadoopConfError
from gpuq_job.negotiate import authorization

HDFS = ("hdfs", "webhdfs", "swebhdfs")
SCHEMES = ("file", *HDFS, "s3", "gs")
_DEADLINE_S = 5.0


class Door:
    """Opens file://, hdfs://, webhdfs://, swebhdfs://, s3:// and gs://. Any thread may call it.

    `environment` is where HADOOP_CONF_DIR and HADOOP_USER_NAME are looked for.
    """

    def __init__(self, environment: Mapping[str, str], *, deadline_s: float = _DEADLINE_S) -> None:
        self._environment = environment
        self._deadline_s = deadline_s
        self._lock = Lock()
        self._lanes: dict[str, Lane] = {}
        self._hdfs: dict[str, WebHdfs] = {}
        self._stores: dict[str, Any] = {}  # pyarrow's; it is loaded by who needs it alone

    def lane(self, uri: str) -> Lane:
        """Return the lane of the file system that an address is on."""
        name = _system(uri)
        with self._lock:
            return self._lanes.setdefault(name, Lane(name))

    def files(self, uri: str, is_wanted: Callable[[str], bool] = is_event_file) -> Files:
        """Return the files below an address whose names `is_wanted`. Asks nobody yet.

        Raises:
            FilesError: the address is of no known kind, or nothing is known of its host.
        """
        parts = urlsplit(uri)
        path = unquote(parts.path)
        if parts.scheme == "file":
            return LocalFiles(Path(path), is_wanted)
        if parts.scheme in HDFS:
            return HdfsFiles(self.hdfs(uri), path, is_wanted)
        if parts.scheme in ("s3", "gs"):
            from gpuq_daemon.files.arrow import ArrowFiles, object_store

            with self._lock:
                if parts.scheme not in self._stores:
                    self._stores[parts.scheme] = object_store(parts.scheme, self._deadline_s)
            return ArrowFiles(_system(uri), self._stores[parts.scheme], f"{parts.netloc}{path}", is_wanted)
        raise FilesError(f"{uri} cannot be read: an address begins with one of {', '.join(SCHEMES)}.")

    def hdfs(self, uri: str) -> WebHdfs:
        """Return the HDFS that an address is on.

        Raises:
            FilesError: nothing is known of it, or it wants what gpuqd cannot do.
        """
        name = _system(uri)
        with self._lock:
            if name not in self._hdfs:
                try:
                    self._hdfs[name] = self._new_hdfs(name)
                except HadoopConfError as error:
                    raise FilesError(str(error)) from error
            return self._hdfs[name]

    def close(self) -> None:
        """Wait for nobody."""
        for lane in self._lanes.values():
            lane.close()
        for hdfs in self._hdfs.values():
            hdfs.close()

    def _new_hdfs(self, name: str) -> WebHdfs:
        folder = self._environment.get("HADOOP_CONF_DIR")
        settings = hadoop_conf.load(Path(folder) if folder else None)
        scheme, _, authority = name.partition("://")
        addresses = hadoop_conf.web_addresses(settings, scheme, authority)
        if hadoop_conf.wants_tickets(settings):
            return WebHdfs(name, addresses, None, authorization=authorization, deadline_s=self._deadline_s)
        user = self._environment.get("HADOOP_USER_NAME") or getpass.getuser()
        return WebHdfs(name, addresses, user, deadline_s=self._deadline_s)


def path_of(uri: str) -> str:
    """Return the path in an address."""
    return unquote(urlsplit(uri).path)


def _system(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"
