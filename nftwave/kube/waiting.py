"""Waiting by watch: a collection as it is now, and again after each change.

A watch goes on from the last resourceVersion seen when its connection breaks, and begins with a
new list when that resourceVersion has expired: no change is missed, and nothing is polled.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nftwave.kube.errors import ApiExpired, ApiUnavailable
from nftwave.kube.gateway import LONGEST_WAIT, Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nftwave.kube.resources import Object, Resource

TICK = 30.0
"""Seconds without any change after which the caller is woken all the same, to look at its clock."""


def follow(
    gateway: Gateway,
    resource: Resource,
    namespace: str | None,
    *,
    labels: str = "",
    until: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Mapping[str, Object]]:
    """Objects under a selector by name: at once, then after each change, until `until`.

    Args:
        until: when to end, by `clock`, in seconds.
    """
    lost = 0
    listing = gateway.list(resource, namespace, labels=labels)
    objects = {item["metadata"]["name"]: item for item in listing.items}
    version = listing.resource_version
    yield objects
    while (left := until - clock()) > 0:
        try:
            for kind, item in gateway.watch_once(
                resource,
                namespace,
                labels=labels,
                resource_version=version,
                seconds=min(left, TICK),
            ):
                lost = 0
                version = item["metadata"]["resourceVersion"]
                if kind == "BOOKMARK":
                    continue
                if kind == "DELETED":
                    objects.pop(item["metadata"]["name"], None)
                else:
                    objects[item["metadata"]["name"]] = item
                yield objects
        except ApiExpired:
            listing = gateway.list(resource, namespace, labels=labels)
            objects = {item["metadata"]["name"]: item for item in listing.items}
            version = listing.resource_version
        except ApiUnavailable as error:
            lost += 1
            time.sleep(min(error.retry_after or 0.1 * 2**lost, LONGEST_WAIT, max(left, 0)))
        yield objects
