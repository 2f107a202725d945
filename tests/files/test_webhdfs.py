"""A server that answers as no WebHDFS does: what is wrong is said of it by name, whatever it sends."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from gpuq_daemon.files.found import FilesError, OneFileError
from gpuq_daemon.files.webhdfs import WebHdfs
from gpuq_job.hadoop_conf import WebAddress


@contextmanager
def answering(answer: bytes, status: int = 200) -> Generator[WebHdfs]:
    """Give an HDFS whose NameNode answers this, whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_DELETE = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        hdfs = WebHdfs("hdfs://c", (WebAddress(host="127.0.0.1", port=server.server_port, is_tls=False),), "ann")
        try:
            yield hdfs
        finally:
            hdfs.close()
            server.shutdown()


_ENTRY = '{"FileStatuses": {"FileStatus": [{"pathSuffix": "a", "type": "FILE", %s}]}}'


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"{}", b"[]", b"7", b"\xff", b"[" * 200_000, b'{"a":' * 200_000,
        b'{"FileStatuses": null, "FileStatus": 5, "boolean": []}',
        b'{"FileStatuses": {"FileStatus": [5]}, "FileStatus": {"pathSuffix": 1}}',
        (_ENTRY % '"fileId": "x", "length": 1, "modificationTime": 1').encode(),
        (_ENTRY % '"fileId": 1, "length": 1e999, "modificationTime": 1').encode(),
    ],
    ids=range(11),
)  # fmt: skip
def test_an_answer_that_is_none_is_told_of_the_hdfs_by_name(answer: bytes) -> None:
    with answering(answer) as hdfs:
        for ask in (hdfs.list, hdfs.status):
            with pytest.raises(FilesError, match="hdfs://c does not answer as WebHDFS does"):
                ask("/logs")
        assert not hdfs.is_in_safe_mode()


@pytest.mark.parametrize("said", [b"[" * 200_000, b'{"RemoteException": 5}', b"no"], ids=range(3))
def test_a_refusal_without_words_is_one_all_the_same(said: bytes) -> None:
    with answering(said, status=500) as hdfs, pytest.raises(OneFileError, match="status 500"):
        hdfs.list("/logs")


@pytest.mark.parametrize(
    "location",
    ["http://[::1", "http://h:99999999/", "http://h:port/", "http://a..b/", f"http://{'a' * 70}/", "file:///x", "", 5],
)
def test_a_place_that_is_none_is_told_of_the_hdfs_by_name(location: object) -> None:
    told = re.escape("hdfs://c sends to ") + ".* for a file, which is no address"
    with (
        answering(json.dumps({"Location": location}).encode()) as hdfs,
        pytest.raises(OneFileError, match=told),
    ):
        hdfs.read("/logs/a", 0, 10)
