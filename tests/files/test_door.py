"""What an address leads to, before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import fs

from gpuq_daemon.files.arrow import ArrowFiles
from gpuq_daemon.files.door import Door
from gpuq_daemon.files.found import FilesError
from gpuq_job.hadoop_conf import HadoopConfError, WebAddress, load, web_addresses

HA = {
    "fs.defaultFS": "hdfs://prod",
    "dfs.nameservices": "prod",
    "dfs.ha.namenodes.prod": "a, b",
    "dfs.namenode.http-address.prod.a": "nn-a:9870",
    "dfs.namenode.http-address.prod.b": "nn-b:9870",
    "dfs.namenode.https-address.prod.a": "nn-a:9871",
    "dfs.namenode.https-address.prod.b": "nn-b:9871",
}


@pytest.mark.parametrize(
    ("settings", "scheme", "authority", "found"),
    [
        (HA, "hdfs", "prod", ["nn-a:9870", "nn-b:9870"]),
        (HA, "hdfs", "", ["nn-a:9870", "nn-b:9870"]),
        ({**HA, "dfs.http.policy": "HTTPS_ONLY"}, "hdfs", "prod", ["nn-a:9871 tls", "nn-b:9871 tls"]),
        (HA, "swebhdfs", "prod", ["nn-a:9871 tls", "nn-b:9871 tls"]),
        ({}, "hdfs", "nn:8020", ["nn:9870"]),
        ({}, "webhdfs", "nn:50070", ["nn:50070"]),
        ({"fs.defaultFS": "hdfs://nn:8020", "dfs.namenode.http-address": "0.0.0.0:1"}, "hdfs", "nn:8020", ["nn:1"]),
    ],
)
def test_the_name_nodes_are_those_of_hadoops_configuration(
    settings: dict[str, str], scheme: str, authority: str, found: list[str]
) -> None:
    def text(address: WebAddress) -> str:
        return f"{address}{' tls' if address.is_tls else ''}"

    assert [text(each) for each in web_addresses(settings, scheme, authority)] == found


def test_a_configuration_that_is_no_xml_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "core-site.xml").write_text("<configuration>")

    with pytest.raises(HadoopConfError, match=r"core-site.xml cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("uri", "wrong"),
    [
        ("ftp://host/a", "an address begins with one of"),
        ("hdfs:///a", "set HADOOP_CONF_DIR"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_in_a_sentence(uri: str, wrong: str) -> None:
    with pytest.raises(FilesError, match=wrong):
        Door({}).files(uri)


def test_an_hdfs_that_wants_neither_names_nor_kerberos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "core-site.xml").write_text(
        "<configuration><property><name>hadoop.security.authentication</name><value>riddles</value></property>"
        "</configuration>"
    )

    with pytest.raises(FilesError, match="gpuq knows simple and kerberos"):
        Door({"HADOOP_CONF_DIR": str(tmp_path)}).files("hdfs://prod/a")


def test_objects_are_found_and_read_by_ranges(tmp_path: Path) -> None:
    file = tmp_path / "bucket" / "rank-0" / "events.out.tfevents.1"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"0123456789")
    files = ArrowFiles("s3://bucket", fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "bucket")

    [found] = files.find()

    assert found.parts == ("rank-0", "events.out.tfevents.1")
    with files.open(found) as opened:
        assert opened is not None
        assert (opened.read(2, 3), opened.read(8, 10), opened.read(10, 1)) == (b"234", b"89", b"")
