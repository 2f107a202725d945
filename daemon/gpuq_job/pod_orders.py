"""Orders to a driver in a pod: annotations of its own pod, which it watches as the service account that it has.

No signal reaches into a pod, and a gpuqd outside of the cluster reaches no pod's address; both of them can ask the
API. Each order has an annotation of its own, with a value that is new each time: none is missed while the API is away.

Source: Kubernetes, "Accessing the API from a Pod", "API Concepts": a watch without a version begins with what is there.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gpuq_job import orders
from gpuq_job.orders import Order

ACCOUNT = "GPUQ_SERVICE_ACCOUNT"  # the folder that the service account is mounted at
_IS_ORDER = "gpuq.io/order-"
_WATCH_S = 300
_PAUSE_S = 1.0
_LONGEST = 4 * 1024 * 1024


def annotation(order: Order) -> str:
    """Return the annotation of the driver's pod that gives an order."""
    return _IS_ORDER + order.name.lower().replace("_", "-")


class PodOrders:
    """The orders that a pod's annotations give, each once."""

    def __init__(self, heard: Callable[[Order], object]) -> None:
        self._heard = heard
        self._known: dict[Order, str] = {}

    def take_in(self, annotations: Mapping[str, str]) -> None:
        """Pass on what is new in the pod's annotations."""
        for order in Order:
            value = annotations.get(annotation(order))
            if value is not None and value != self._known.get(order):
                self._known[order] = value
                self._heard(order)


def listen(heard: Callable[[Order], object], environment: Mapping[str, str] = os.environ) -> None:
    """Call `heard` with every order from now on, in a thread of its own; do nothing where this is no driver's pod."""
    if ACCOUNT not in environment or "GPUQ_POD" not in environment or "KUBERNETES_SERVICE_HOST" not in environment:
        return
    ordered = PodOrders(heard)

    def watch() -> None:
        said = ""
        while True:
            try:
                _follow(ordered, environment)
            except (OSError, http.client.HTTPException, ValueError, KeyError, AttributeError) as error:
                if str(error) != said:
                    said = str(error)
                    print(f"gpuq: no orders reach this pod now: {said}", flush=True)
            time.sleep(_PAUSE_S)

    threading.Thread(target=watch, name="orders", daemon=True).start()


def listening() -> queue.SimpleQueue[Order]:
    """Return where every order from now on arrives, whichever way; to be called before any thread is started."""
    heard: queue.SimpleQueue[Order] = queue.SimpleQueue()
    orders.listen(heard.put)
    listen(heard.put)
    return heard


def _follow(ordered: PodOrders, environment: Mapping[str, str]) -> None:
    """Take in the pod's annotations as they change, until the API ends the answer."""
    account = Path(environment[ACCOUNT])
    connection = http.client.HTTPSConnection(
        environment["KUBERNETES_SERVICE_HOST"],
        int(environment.get("KUBERNETES_SERVICE_PORT", "443")),
        context=ssl.create_default_context(cafile=str(account / "ca.crt")),
        timeout=2 * _WATCH_S,
    )
    which = {"watch": 1, "fieldSelector": f"metadata.name={environment['GPUQ_POD']}", "timeoutSeconds": _WATCH_S}
    namespace = (account / "namespace").read_text().strip()
    token = (account / "token").read_text().strip()  # given anew from time to time
    with closing(connection):
        connection.request(
            "GET",
            f"/api/v1/namespaces/{namespace}/pods?{urlencode(which)}",
            headers={"Accept": "application/json", "Authorization": f"Bearer {token}"},
        )
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise ConnectionError(f"the API answers {answer.status} {answer.reason}")
        while line := answer.readline(_LONGEST):
            found: Any = json.loads(line)
            ordered.take_in(found["object"].get("metadata", {}).get("annotations") or {})
