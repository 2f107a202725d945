"""The Java that Spark runs on: found, old enough or not, and the words that start a class of Spark with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gpuq_daemon.backends.base import EngineError

OLDEST = 17
_TIMEOUT_S = 30.0
_OPENED = (
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)


def find(environment: Mapping[str, str]) -> Path:
    """Return the `java` to use: that of JAVA_HOME, else the first on PATH.

    Raises:
        EngineError: there is none, or it is older than Java 17.
    """
    home = environment.get("JAVA_HOME")
    found = shutil.which("java", path=os.path.join(home, "bin") if home else environment.get("PATH"))
    if found is None:
        where = f"in JAVA_HOME ({home})" if home else "on PATH"
        raise EngineError(
            f"There is no java {where}: install Java {OLDEST} or newer (Debian: openjdk-17-jre-headless) "
            "or set JAVA_HOME."
        )
    java = Path(found).resolve()
    version = _version(java)
    if version is None:
        raise EngineError(f"{java} does not tell its version: install Java {OLDEST} or newer.")
    if version < OLDEST:
        raise EngineError(f"{java} is Java {version}, but Spark needs {OLDEST} or newer: install it or set JAVA_HOME.")
    return java


def version_in(text: str) -> int | None:
    """Return the feature release that `java -version` names ("1.8.0_392" is 8), or None."""
    named = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if named is None:
        return None
    first, second = int(named[1]), named[2]
    return int(second) if first == 1 and second is not None else first


def words(java: Path, jars: Path, heap_mib: int, *options: str, before: tuple[Path, ...] = ()) -> tuple[str, ...]:
    """Return the start of a command for a class of Spark: what follows is the class and its words.

    Folders `before` Spark's jars may have settings for them.

    Short-lived JVMs that do little: the quick compiler only, one thread for the garbage, no files in /tmp.

    Source: Spark's JavaModuleOptions, as its launcher prints them.
    """
    return (
        str(java),
        "-cp",
        ":".join([*map(str, before), f"{jars}/*"]),
        f"-Xmx{heap_mib}m",
        *small_jvm(),
        "-XX:+IgnoreUnrecognizedVMOptions",
        "--add-modules=jdk.incubator.vector",
        *(f"--add-opens={module}=ALL-UNNAMED" for module in _OPENED),
        "-Dio.netty.tryReflectionSetAccessible=true",
        "--enable-native-access=ALL-UNNAMED",
        *options,
    )


def small_jvm() -> tuple[str, ...]:
    """Return the options that keep a JVM's start cheap and its traces out of /tmp."""
    return "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:-UsePerfData"


def _version(java: Path) -> int | None:
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return version_in(told.stderr + told.stdout)
