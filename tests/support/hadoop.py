"""A real Hadoop of a test's own: NameNodes and a DataNode in one JVM on loopback.

Its jars come from Maven Central once and are kept, with the compiled `tests/hadoop`, in ~/.cache/gpuq-tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import xml.etree.ElementTree as Xml
from collections.abc import Generator
from pathlib import Path

import pytest

_SOURCE = Path(__file__).resolve().parents[1] / "hadoop"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpuq-tests"
_READY_S = 240.0
_ANSWER_S = 120.0
_LOG4J = """log4j.rootLogger=INFO,out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.target=System.err
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %-5p %c{1}: %m%n
"""


class Hadoop:
    """A running Hadoop; `folder` holds all that is its, `conf` what clients need to know."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.conf = folder / "conf"
        self._process = process
        self._answers: list[str] = []
        self._heard = threading.Condition()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def await_ready(self) -> None:
        """Return when it serves."""
        self._next_answer(_READY_S)

    @property
    def settings(self) -> dict[str, str]:
        """What clients need to know, by name."""
        return _settings(self.conf / "core-site.xml")

    @property
    def uri(self) -> str:
        """What its files' addresses begin with."""
        return self.settings["fs.defaultFS"]

    @property
    def ticket_environment(self) -> dict[str, str]:
        """What a process needs in its environment to be the principal `gpuq`, where tickets are wanted."""
        return {
            "KRB5_CONFIG": str(self.folder / "krb5.conf"),
            "KRB5_CLIENT_KTNAME": str(self.folder / "gpuq.keytab"),
            "KRB5CCNAME": f"FILE:{self.folder}/tickets",
        }

    def do(self, command: str) -> None:
        """Carry out a command of `tests/hadoop/src/Hadoop.java`: restart-datanode, enter-safe-mode, ..."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._next_answer(_ANSWER_S)
        assert answer == "done", f"{command}: {answer}\n{self._said()}"

    @contextlib.contextmanager
    def standing_still(self) -> Generator[None]:
        """Let nothing of it answer within the block, while every connection stays open."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()
        self._listener.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._heard:
                self._answers.append(line.strip())
                self._heard.notify_all()
        with self._heard:
            self._answers.append("it ended")
            self._heard.notify_all()

    def _next_answer(self, timeout_s: float) -> str:
        with self._heard:
            assert self._heard.wait_for(lambda: self._answers, timeout_s), f"Hadoop says nothing\n{self._said()}"
            answer = self._answers.pop(0)
        assert answer != "it ended", self._said()
        return answer

    def _said(self) -> str:
        return (self.folder / "hadoop.log").read_text(errors="replace")[-4000:]


@contextlib.contextmanager
def running_hdfs(*, name_nodes: int = 1, wants_tickets: bool = False) -> Generator[Hadoop]:
    """Give an HDFS with so many NameNodes: with two, the first is active and the other stands by.

    One that wants tickets has a KDC beside it: `Hadoop.ticket_environment` is how one gets them.
    """
    folder = Path(tempfile.mkdtemp(prefix="gh", dir="/tmp"))
    classes = class_path()
    with (folder / "hadoop.log").open("w") as log:
        process = subprocess.Popen(
            [
                "java",
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-cp",
                classes,
                "Hadoop",
                str(folder),
                str(name_nodes),
                *(["kerberos"] if wants_tickets else []),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("HADOOP_")},
        )
    try:
        with process:
            hadoop = Hadoop(folder, process)
            try:
                hadoop.await_ready()
                yield hadoop
            finally:
                hadoop.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def class_path() -> str:
    """Return where Java finds Hadoop and `tests/hadoop`, made now if they were never made.

    Where Maven or a JDK is missing the test is skipped, but not in CI.
    """
    if not os.environ.get("CI") and not all(map(shutil.which, ("mvn", "javac"))):
        pytest.skip("no real Hadoop is started here: that needs Maven and a JDK")
    sources = sorted(_SOURCE.rglob("*.*"))
    made_of = b"".join(path.read_bytes() for path in sources)
    pom = _SOURCE / "pom.xml"
    jars = _CACHE / f"jars-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}"
    classes = _CACHE / f"classes-{hashlib.sha256(made_of).hexdigest()[:16]}"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.exists():
            draft = _emptied(jars)
            copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={draft}"]
            _run("mvn", "--quiet", "--batch-mode", "--no-transfer-progress", "--file", str(pom), *copy)
            draft.rename(jars)
        if not classes.exists():
            draft = _emptied(classes)
            java = [str(path) for path in sources if path.suffix == ".java"]
            _run("javac", "-d", str(draft), "-cp", f"{jars}/*", *java)
            for web in ("hdfs", "datanode", "static"):  # the servers want them, and the jars have them not
                (draft / "webapps" / web / "WEB-INF").mkdir(parents=True)
            (draft / "log4j.properties").write_text(_LOG4J)
            draft.rename(classes)
    return f"{classes}:{jars}/*"


def _emptied(folder: Path) -> Path:
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    return draft


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}\n{done.stderr}"


def _settings(file: Path) -> dict[str, str]:
    found = Xml.parse(file).getroot().iter("property")
    return {each.findtext("name", ""): each.findtext("value", "") for each in found}
