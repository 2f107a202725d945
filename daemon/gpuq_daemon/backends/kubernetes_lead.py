"""Leads an attempt on Kubernetes, as `python -m gpuq_daemon.backends.kubernetes_lead FILE`, below the attempt's shim.

It submits the application, follows the driver's pod to its end while it copies the pod's log to its own output, and
ends with the pod's exit code. It holds no more than a small Python where a waiting spark-submit would hold a JVM. It
removes nothing: when it is ended, the engine takes back the pods.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import msgspec

from gpuq_daemon.kubernetes import access
from gpuq_daemon.kubernetes.api import NOT_FOUND, Api, ApiError
from gpuq_daemon.kubernetes.fate import end_of, is_stuck, waits_for
from gpuq_daemon.kubernetes.labels import TOKEN
from gpuq_daemon.kubernetes.objects import Pod, one_pod

_LOOK_S = 1.0
_SILENCE_S = 300.0
_LAST_WORDS_S = 10.0
_GONE = 137


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be led: the words and the environment of spark-submit, and the pod that it will make."""

    argv: tuple[str, ...]
    env: dict[str, str]
    namespace: str
    driver: str
    token: str
    start_limit_s: float
    kubeconfig: str | None = None
    context: str | None = None


def lead(wanted: Lead) -> int:
    """Submit, follow, and return the exit code of the driver's pod."""
    code = subprocess.run(wanted.argv, env=wanted.env, stdin=subprocess.DEVNULL, check=False).returncode
    if code != 0:
        _say(f"spark-submit ended with {code}: the driver's pod was not made")
        return code if code > 0 else 128 - code
    kubeconfig = None if wanted.kubeconfig is None else Path(wanted.kubeconfig)
    return _Follower(Api(access.find(kubeconfig, wanted.context, os.environ)), wanted).follow()


class _Follower:
    """Follows the one driver pod of an attempt, which it knows by its uid once it has seen it."""

    def __init__(self, api: Api, wanted: Lead) -> None:
        self._api = api
        self._wanted = wanted
        self._uid: str | None = None
        self._said: str | None = None
        self._log: threading.Thread | None = None
        self._ended = threading.Event()

    def follow(self) -> int:
        """Return the pod's exit code, once it has ended or is gone."""
        began = time.monotonic()
        while True:
            pod, is_known = self._look()
            if pod is None and is_known:
                _say("the driver's pod is gone")
                return self._end(_GONE)
            if pod is not None:
                self._tell(pod)
                end = end_of(pod)
                if end is not None:
                    code = self._end(end.exit_code)
                    if end.is_failure:
                        _say(f"the driver's pod {pod.metadata.name} {end.text}")
                    return code
                waited_s = time.monotonic() - began
                if pod.status.phase == "Pending" and waited_s >= self._wanted.start_limit_s:
                    _say(f"the driver's pod did not start within {self._wanted.start_limit_s:g} s: {waits_for(pod)}")
                    return 1
            time.sleep(_LOOK_S)

    def _look(self) -> tuple[Pod | None, bool]:
        """Return the driver's pod, and whether the API was there to be asked. Another of its name is not it."""
        wanted = self._wanted
        try:
            pod = one_pod(self._api, wanted.namespace, wanted.driver)
        except ApiError as error:
            self._say_once(str(error))
            return None, False
        if pod is None or pod.metadata.label(TOKEN) != wanted.token or self._uid not in (None, pod.metadata.uid):
            return None, True
        self._uid = pod.metadata.uid
        return pod, True

    def _tell(self, pod: Pod) -> None:
        """Say why the pod waits, as that changes; copy its log from when it runs."""
        words = waits_for(pod)
        if words is not None:
            self._say_once(f"the driver's pod {pod.metadata.name} waits: {words}")
        if self._log is None and pod.status.phase in ("Running", "Succeeded", "Failed") and not is_stuck(pod):
            self._log = threading.Thread(target=self._copy_log, args=(pod,), daemon=True)
            self._log.start()

    def _say_once(self, words: str) -> None:
        if words != self._said:
            self._said = words
            _say(words)

    def _end(self, code: int) -> int:
        self._ended.set()
        if self._log is not None:
            self._log.join(_LAST_WORDS_S)
        return code

    def _copy_log(self, pod: Pod) -> None:
        """Copy the log, each line once, from connection to connection, by the times that its lines have."""
        path = f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}/log"
        last, shown = "", (0.0, "")
        while True:
            is_last = self._ended.is_set()
            wanted = {"follow": "false" if is_last else "true", "timestamps": "true"}
            wanted |= {"sinceTime": last} if last else {}
            try:
                with self._api.answer("GET", path, query=wanted, timeout_s=_SILENCE_S) as answer:
                    while line := answer.readline(1024 * 1024):
                        at, _, text = line.decode(errors="replace").partition(" ")
                        if (now := _order(at)) > shown:
                            last, shown = at, now
                            sys.stdout.write(text)
                            sys.stdout.flush()
            except (ApiError, OSError, http.client.HTTPException) as error:
                if isinstance(error, ApiError) and error.status == NOT_FOUND:
                    return
            if is_last:
                return
            self._ended.wait(_LOOK_S)


def _order(at: str) -> tuple[float, str]:
    """Return what orders the times of a log's lines, which have up to nine decimals and any time zone.

    Source: RFC 3339; containerd leaves out zeros at the end.
    """
    fraction = at.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0]
    try:
        whole = datetime.fromisoformat(at.replace(f".{fraction}", "")).timestamp()
    except ValueError:
        return 0.0, ""
    return whole, fraction.ljust(9, "0")


def _say(words: str) -> None:
    print(f"gpuq: {words}", flush=True)


if __name__ == "__main__":
    sys.exit(lead(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Lead)))
