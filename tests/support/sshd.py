"""A real OpenSSH server on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.daemon import until

GPUQ = "import sys; from gpuq.cli import main; sys.exit(main())"
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")


class Sshd:
    """A server of the test's own: port, keys, hosts it is known by. `folder`/bin has the `ssh` that leads to it."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self.ssh = str(folder / "bin" / "ssh")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sshd:
        folder, port = self._folder, self._port
        for key in ("host", "user"):
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(make, check=True)
        python_path = os.pathsep.join(path for path in sys.path if path)
        self._program("gpuq", f"exec {sys.executable} -c '{GPUQ}' \"$@\"")
        known = f"-o UserKnownHostsFile={folder}/known -o StrictHostKeyChecking=yes -o BatchMode=yes"
        self._program("ssh", f'exec {shutil.which("ssh")} -F none -i {folder}/user {known} "$@"')
        (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        (folder / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
            "PermitRootLogin yes\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\n"
            f"SetEnv PATH={folder}/bin:/usr/bin:/bin PYTHONPATH={python_path}\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where its unprivileged part lives
        log = folder / "sshd.log"
        with log.open("wb") as output:
            argv = [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=output)
        until(lambda: "listening" in log.read_text(), timeout_s=20, what="sshd", log=log)
        return self

    def know_as(self, port: int) -> None:
        """Let the server be known on another port, too, which leads to it."""
        with (self._folder / "known").open("a") as known:
            known.write(f"[127.0.0.1]:{port} {(self._folder / 'host.pub').read_text()}")

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(20)

    def _program(self, name: str, does: str) -> None:
        path = self._folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)
