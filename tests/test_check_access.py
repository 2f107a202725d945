"""`gpuqd check` on who can reach what: each thing that is wrong is found, with its fix."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from gpuq_daemon.access import ListenTable, RolesTable
from gpuq_daemon.check_access import check_access, check_certificate, check_file, check_reach, check_roles
from gpuq_daemon.config import load
from gpuq_daemon.findings import Finding, Level
from tests.support.tls import make_certificate

_DAY_S = 86_400.0


@pytest.fixture
def tls(tmp_path: Path) -> ListenTable:
    make_certificate(tmp_path)
    (tmp_path / "key.pem").chmod(0o600)
    return ListenTable(https="127.0.0.1:7443", cert=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem"))


def certificate(listen: ListenTable, *, in_days: float = 0.0) -> list[Finding]:
    return list(check_certificate(listen, now=time.time() + in_days * _DAY_S))


def test_without_https_nothing_is_looked_at() -> None:
    assert certificate(ListenTable()) == []


def test_a_certificate_is_good_until_its_end_is_near(tls: ListenTable) -> None:
    levels = [certificate(tls, in_days=days)[0].level for days in (-60, 0, 3)]  # it is made for two days

    assert levels == [Level.OK, Level.WARN, Level.FAIL]
    assert "ends in 2 days" in certificate(tls)[0].text
    assert "has ended" in certificate(tls, in_days=3)[0].text


def test_a_certificate_of_an_authority_needs_no_authority_here(tls: ListenTable, tmp_path: Path) -> None:
    run = ["openssl", "x509", "-req", "-in", "csr.pem", "-CA", "cert.pem", "-CAkey", "key.pem", "-days", "90"]
    request = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"]
    for command in ([*request, "-keyout", "key2.pem", "-out", "csr.pem"], [*run, "-out", "cert2.pem"]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    [found] = certificate(ListenTable(https="x:1", cert=f"{tmp_path}/cert2.pem", key=f"{tmp_path}/key2.pem"))

    assert (found.level, found.text) == (Level.OK, "the certificate is good for 90 days")


def test_a_key_that_others_can_read_is_none(tls: ListenTable, tmp_path: Path) -> None:
    (tmp_path / "key.pem").chmod(0o644)

    found = certificate(tls)[0]

    assert (found.level, found.fix[:9]) == (Level.FAIL, "chmod 600")


@pytest.mark.parametrize("damage", ["another key", "no certificate", "not there", "locked key"])
def test_a_certificate_that_cannot_be_used_is_named(tls: ListenTable, tmp_path: Path, damage: str) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    match damage:
        case "another key":
            before = cert.read_bytes()
            make_certificate(tmp_path)
            cert.write_bytes(before)
        case "no certificate":
            cert.write_text("x")
        case "not there":
            cert.unlink()
        case _:
            lock = ["openssl", "ec", "-in", "key.pem", "-aes256", "-passout", "pass:secret", "-out", "locked.pem"]
            subprocess.run(lock, cwd=tmp_path, check=True, capture_output=True)
            key.write_bytes((tmp_path / "locked.pem").read_bytes())

    [found] = certificate(tls)

    assert found.level is Level.FAIL
    assert str(cert) in found.text


def test_names_that_nobody_has_are_told() -> None:
    roles = RolesTable(admin=("root", "@nosuchgroup"), operator=("nosuchuser", "@root"))

    found = list(check_roles(roles, ListenTable(socket_group="nosuchgroup")))

    assert [one.level for one in found] == [Level.WARN, Level.WARN, Level.FAIL]
    assert "names the group @nosuchgroup" in found[0].text
    assert "[roles] operator names the user nosuchuser" in found[1].text
    assert [one.level for one in check_roles(RolesTable(admin=("root", "@root")), ListenTable())] == [Level.OK]
    assert list(check_roles(RolesTable(), ListenTable())) == []


def test_a_configuration_that_others_can_change_is_no_configuration(tmp_path: Path) -> None:
    file = tmp_path / "gpuqd.toml"
    file.write_text("")
    for mode, level in ((0o600, Level.OK), (0o660, Level.OK), (0o606, Level.FAIL), (0o644, Level.OK)):
        file.chmod(mode)
        assert check_file(file).level is level
    tmp_path.chmod(0o777)
    found = check_file(file)
    assert (found.level, found.fix.split()[-1]) == (Level.FAIL, str(tmp_path))


def test_folders_that_users_cannot_pass_are_told_with_what_opens_them() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own lie below folders that others cannot pass
        Path(folder).chmod(0o755)
        closed = Path(folder) / "closed"
        closed.mkdir(mode=0o700)

        found = check_reach("socket", [closed / "not" / "there"], "gpuq cannot be used by them")

        assert found.level is Level.WARN
        assert found.fix == f"chmod o+rx {closed}"
        closed.chmod(0o711)
        assert check_reach("socket", [closed / "not" / "there"], "").level is Level.OK


def test_where_only_its_own_user_is_served_nothing_need_be_open(tmp_path: Path) -> None:
    file = tmp_path / "gpuqd.toml"
    file.write_text(f'state_dir = "{tmp_path}/s"\n[listen]\nserve_others = false\n[partition.a]\nengine = "embedded"\n')
    tmp_path.chmod(0o700)

    found = list(check_access(load(file), file, needs=[], is_root=False))

    assert [one.name for one in found if one.level is not Level.OK] == []
