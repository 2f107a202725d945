"""Orders that a driver's pod is given by its annotations: each is heard once, whatever else changes on the pod."""

from __future__ import annotations

import pytest

from gpuq_job import pod_orders
from gpuq_job.orders import Order
from gpuq_job.pod_orders import PodOrders, annotation


def test_every_order_has_an_annotation_of_its_own_that_kubernetes_takes() -> None:
    names = [annotation(order) for order in Order]

    assert annotation(Order.TIME_LIMIT) == "gpuq.io/order-time-limit"
    assert len(set(names)) == len(names)
    assert all(name.partition("/")[2].replace("-", "").isalnum() for name in names)


def test_an_order_is_heard_once_for_each_value() -> None:
    heard: list[Order] = []
    orders = PodOrders(heard.append)
    stacks, cancelled = annotation(Order.STACKS), annotation(Order.CANCELLED)

    orders.take_in({"other": "x"})
    orders.take_in({stacks: "1"})
    orders.take_in({stacks: "1", "other": "y"})  # as when the watch begins anew
    assert heard == [Order.STACKS]

    orders.take_in({stacks: "2", cancelled: "1"})
    assert sorted(heard[1:]) == [Order.CANCELLED, Order.STACKS]


@pytest.mark.parametrize("lacking", [pod_orders.ACCOUNT, "GPUQ_POD", "KUBERNETES_SERVICE_HOST"])
def test_where_there_is_no_pod_nobody_listens(lacking: str) -> None:
    def unheard(order: Order) -> None:
        raise AssertionError(order)

    environment = {pod_orders.ACCOUNT: "/nowhere", "GPUQ_POD": "x", "KUBERNETES_SERVICE_HOST": "127.0.0.1"}
    del environment[lacking]
    threads = pod_orders.threading.active_count()
    pod_orders.listen(unheard, environment)
    assert pod_orders.threading.active_count() == threads
