"""Hadoop's own configuration, as far as a reader of its files needs it: where the NameNodes of an hdfs:// are."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_WEB_PORT, _TLS_PORT, _RPC_PORT = 9870, 9871, 8020


class HadoopConfError(Exception):
    """What Hadoop's configuration says, or does not say, makes no sense; the message is for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAddress:
    """Where a NameNode or a DataNode answers."""

    host: str
    port: int
    is_tls: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def load(folder: Path | None) -> dict[str, str]:
    """Return the settings of a HADOOP_CONF_DIR; none without one.

    Raises:
        HadoopConfError: a file of it cannot be read.
    """
    settings: dict[str, str] = {}
    for name in ("core-site.xml", "hdfs-site.xml"):
        path = folder / name if folder is not None else None
        if path is None or not path.exists():
            continue
        try:
            root = Xml.parse(path).getroot()
        except (OSError, Xml.ParseError) as error:
            raise HadoopConfError(f"Hadoop's configuration {path} cannot be read: {error}.") from error
        for each in root.iter("property"):
            settings[each.findtext("name", "").strip()] = each.findtext("value", "").strip()
    return settings


def wants_tickets(settings: Mapping[str, str]) -> bool:
    """Whether who asks is told by Kerberos, not by a name that is believed.

    Raises:
        HadoopConfError: it is told in some other way.
    """
    how = settings.get("hadoop.security.authentication", "simple").lower()
    if how not in ("simple", "kerberos"):
        raise HadoopConfError(f"hadoop.security.authentication is {how!r}: gpuq knows simple and kerberos.")
    return how == "kerberos"


def web_addresses(settings: Mapping[str, str], scheme: str, authority: str) -> tuple[WebAddress, ...]:
    """Return where the NameNodes of `scheme://authority` answer WebHDFS; several where they stand in for each other.

    An authority is a nameservice, a host with its port, or empty for the default of the configuration. For hdfs the
    port is not WebHDFS's own, which is as configured, or 9870.

    Raises:
        HadoopConfError: nothing is known of it.
    """
    if not authority:
        authority = settings.get("fs.defaultFS", "").partition("://")[2].strip("/")
        if not authority:
            raise HadoopConfError(
                f"{scheme}:// names no host, and there is no fs.defaultFS: set HADOOP_CONF_DIR for gpuqd."
            )
    is_tls = scheme == "swebhdfs" or (scheme == "hdfs" and settings.get("dfs.http.policy") == "HTTPS_ONLY")
    key = "dfs.namenode.https-address" if is_tls else "dfs.namenode.http-address"
    port = _TLS_PORT if is_tls else _WEB_PORT
    names = [name.strip() for name in settings.get(f"dfs.ha.namenodes.{authority}", "").split(",") if name.strip()]
    if names:
        found = (settings.get(f"{key}.{authority}.{name}") for name in names)
        return tuple(_address(each, port, is_tls) for each in found if each)
    if scheme != "hdfs":
        return (_address(authority, port, is_tls),)
    known = settings.get(key)
    if known and settings.get("fs.defaultFS", "") == f"hdfs://{authority}":
        return (_address(known, port, is_tls, authority.rpartition(":")[0] or authority),)
    return (_address(authority.rpartition(":")[0] or authority, port, is_tls),)


def rpc_addresses(settings: Mapping[str, str], authority: str) -> tuple[WebAddress, ...]:
    """Return where the NameNodes of `hdfs://authority` answer Hadoop's own protocol.

    Raises:
        HadoopConfError: nothing is known of it.
    """
    if not authority:
        authority = settings.get("fs.defaultFS", "").partition("://")[2].strip("/")
        if not authority:
            raise HadoopConfError("hdfs:// names no host, and there is no fs.defaultFS: set HADOOP_CONF_DIR.")
    names = [name.strip() for name in settings.get(f"dfs.ha.namenodes.{authority}", "").split(",") if name.strip()]
    found = [settings.get(f"dfs.namenode.rpc-address.{authority}.{name}") for name in names] or [authority]
    return tuple(_address(each, _RPC_PORT, is_tls=False) for each in found if each)


def _address(text: str, port: int, is_tls: bool, instead_of_any: str = "") -> WebAddress:
    host, _, said = text.rpartition(":")
    if not host or not said.isdecimal():
        host, said = text, str(port)
    if host in ("0.0.0.0", "") and instead_of_any:
        host = instead_of_any
    return WebAddress(host=host.strip("[]"), port=int(said), is_tls=is_tls)
