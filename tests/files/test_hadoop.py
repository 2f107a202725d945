"""The Hadoop that tests start is a real one, and can be hurt as they need it."""

from __future__ import annotations

import getpass
import json
import urllib.error
import urllib.request

import pytest

from tests.support.daemon import until
from tests.support.hadoop import Hadoop

pytestmark = pytest.mark.hadoop


def test_what_is_written_is_there_after_the_data_node_has_begun_anew(hdfs: Hadoop) -> None:
    _asked(_location(hdfs, "CREATE", "PUT"), "PUT", b"said")

    hdfs.do("restart-datanode")

    until(lambda: _read(hdfs) == b"said", timeout_s=90, what="what was written")


def _read(hdfs: Hadoop) -> bytes | None:
    """Return what is in /a/file, None while the DataNode has not told the NameNode that it has it."""
    try:
        return _asked(_location(hdfs, "OPEN", "GET"), "GET")
    except urllib.error.HTTPError as error:
        error.close()
        return None


def _location(hdfs: Hadoop, operation: str, method: str) -> str:
    """Return where the NameNode sends whoever reads or writes /a/file."""
    at = f"http://{hdfs.settings['dfs.namenode.http-address']}/webhdfs/v1/a/file"
    answer = _asked(f"{at}?op={operation}&noredirect=true&user.name={getpass.getuser()}", method)
    return str(json.loads(answer)["Location"])


def _asked(url: str, method: str, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method), timeout=60) as answer:
        return answer.read()
