"""The objects of one cluster: what etcd and the generic registry do together.

Not thread-safe: one event loop reads and writes. Objects that go in or come out are plain dicts,
shared and frozen by convention: build a changed copy (sharing what stays the same) and update it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.machinery import status
from nftwave.lab.machinery.objects import Object, key_of, ordered_metadata
from nftwave.lab.machinery.resources import RESOURCES, Resource
from nftwave.lab.store import revise
from nftwave.lab.store.history import ChangeType, Event, History, Key, Version
from nftwave.lab.store.subscription import Change, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Change", "Store", "Subscription"]

# `Store.list` hides the built-in name from annotations below it.
Objects = list[Object]
Versions = list[Version]


class Store:
    """All objects, by resource key (`pods`, `daemonsets.apps`), with a bounded history of changes.

    Attributes:
        resource_version: of the latest change, 0 for an empty store.
        resources: what can be stored, by key.
    """

    def __init__(self, resources: Iterable[Resource] = RESOURCES, *, window: int = 8192) -> None:
        self.resource_version = 0
        self.resources: dict[str, Resource] = {}
        self._window = window
        self._current: dict[str, dict[Key, Version]] = {}
        self._histories: dict[str, History] = {}
        self._subscriptions: dict[str, list[Subscription]] = {}
        for resource in resources:
            self.register(resource)

    def register(self, resource: Resource) -> None:
        """Serve one more resource, as installing a CustomResourceDefinition does."""
        self.resources[resource.key] = resource
        self._current.setdefault(resource.key, {})
        self._histories.setdefault(resource.key, History(self._window))

    def seed(self, resource: str, obj: Object) -> Object:
        """Put an object in as it is, uid and resourceVersion included; nobody is told of it.

        For objects that were there before anybody looked: watches from before it get 410.
        """
        kind = self.resources[resource]
        version = Version(kind, revise.with_kind(kind, obj))
        self._current[resource][key_of(obj)] = version
        self.resource_version = max(self.resource_version, version.number)
        self._histories[resource].forget_up_to(version.number)
        return version.obj

    def get(self, resource: str, namespace: str | None, name: str) -> Object | None:
        """The object, or None. Cluster-wide objects have no namespace: None or empty."""
        version = self._current[resource].get((namespace or "", name))
        return version.obj if version is not None else None

    def list(self, resource: str, namespace: str | None = None) -> Objects:
        """All objects of a namespace, or of all namespaces, ordered by namespace and name."""
        return [version.obj for version in self.versions(resource, namespace)]

    def versions(
        self, resource: str, namespace: str | None = None, at: int | None = None
    ) -> Versions:
        """As `list`, with serialised forms; `at` asks for a past resourceVersion.

        Raises:
            ApiStatus: 410 if that past is no longer known, 504 if it is still to come.
        """
        current = self._current[resource]
        if at is not None:
            current = self._histories[resource].rewind(current, self._known(resource, at))
        return [current[key] for key in sorted(current) if namespace is None or key[0] == namespace]

    def version(self, resource: str, namespace: str | None, name: str) -> Version:
        """The object with its serialised form; ApiStatus 404 if there is none."""
        version = self._current[resource].get((namespace or "", name))
        if version is None:
            raise status.not_found(self.resources[resource], name)
        return version

    def events_after(self, resource: str, number: int) -> Iterable[Event]:
        """Changes later than a resourceVersion; ApiStatus 410 or 504 as `versions`."""
        return self._histories[resource].after(self._known(resource, number))

    def forget_history(self) -> None:
        """Forget all changes so far, as etcd's compaction does: older watches and pages get 410."""
        for history in self._histories.values():
            history.forget_up_to(self.resource_version)

    def create(
        self, resource: str, obj: Object, *, manager: str = "lab", dry_run: bool = False
    ) -> Object:
        """Store a new object; uid, times and generateName are filled in where they are missing.

        Raises:
            ApiStatus: 409 if the name is taken, 422 if the object breaks the rules of its kind.
        """
        kind = self.resources[resource]
        new = revise.created(kind, obj, manager)
        if key_of(new) in self._current[resource]:
            raise status.already_exists(kind, new["metadata"]["name"])
        return new if dry_run else self._commit(resource, "ADDED", new).obj

    def update(
        self,
        resource: str,
        obj: Object,
        *,
        manager: str = "lab",
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Replace an object: without `subresource` all but its status, with "status" only that.

        "binding" is what a scheduler does: spec and status at once, not counted as a change of
        the spec.

        A change of the spec raises `metadata.generation` where the kind counts it. An update that
        changes nothing is answered with what is there, and nobody is told.

        Raises:
            ApiStatus: 404 if it is gone; 409 if `metadata.resourceVersion` or `metadata.uid` is
                given and is another; 422 if the object breaks the rules of its kind.
        """
        kind = self.resources[resource]
        namespace, name = key_of(obj)
        old = self.version(resource, namespace, name).obj
        new = revise.updated(kind, old, obj, manager, subresource)
        return new if dry_run or new is old else self._commit(resource, "MODIFIED", new).obj

    def terminate(
        self,
        resource: str,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        grace_seconds: int,
        dry_run: bool = False,
    ) -> Object:
        """Ask for a graceful end: the object gets a deletionTimestamp and stays.

        Whoever owns its end (the kubelet, for pods) deletes it later. ApiStatus 404 or 409 as
        `delete`. A second call can only bring the end nearer.
        """
        old = self._checked(resource, namespace, name, uid).obj
        new = revise.ending(self.resources[resource], old, grace_seconds)
        return new if dry_run or new is old else self._commit(resource, "MODIFIED", new).obj

    def delete(
        self,
        resource: str,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Remove an object at once.

        One that was ending gracefully is seen with a grace of 0 seconds first, as a kubelet's
        forced delete shows it (measured, 1.36.2).

        Raises:
            ApiStatus: 404 if it is gone, 409 if it has another uid.
        """
        version = self._checked(resource, namespace, name, uid)
        if dry_run:
            return version.obj
        if version.obj["metadata"].get("deletionGracePeriodSeconds"):
            self.terminate(resource, namespace, name, grace_seconds=0)
            version = self.version(resource, namespace, name)
        return self._commit(resource, "DELETED", version.obj).obj

    def check_uid(self, resource: str, namespace: str | None, name: str, uid: str | None) -> None:
        """Raise ApiStatus 409 if an object has another uid than that, 404 if it is gone."""
        self._checked(resource, namespace, name, uid)

    def subscribe(self, *resources: str, limit: int | None = None) -> Subscription:
        """Follow changes of these resources from now on; `limit` bounds how many may wait."""
        subscription = Subscription(self._unsubscribe, limit)
        for resource in resources:
            self._subscriptions.setdefault(self.resources[resource].key, []).append(subscription)
        return subscription

    def _unsubscribe(self, subscription: Subscription) -> None:
        for followers in self._subscriptions.values():
            if subscription in followers:
                followers.remove(subscription)

    def _known(self, resource: str, number: int) -> int:
        floor = self._histories[resource].floor
        if number < floor:
            raise status.too_old(number, floor)
        if number > self.resource_version:
            raise status.too_large(number, self.resource_version)
        return number

    def _checked(self, resource: str, namespace: str | None, name: str, uid: str | None) -> Version:
        version = self.version(resource, namespace, name)
        found = version.obj["metadata"]["uid"]
        if uid is not None and uid != found:
            raise status.precondition_failed(
                self.resources[resource],
                name,
                f"the UID in the precondition ({uid}) does not match the UID in record ({found})."
                " The object might have been deleted and then recreated",
            )
        return version

    def _commit(self, resource: str, change: ChangeType, obj: Object) -> Version:
        self.resource_version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.resource_version)}
        version = Version(self.resources[resource], {**obj, "metadata": ordered_metadata(metadata)})
        key = key_of(obj)
        previous = self._current[resource].pop(key, None)
        if change != "DELETED":
            self._current[resource][key] = version
        event = Event(change, version, previous)
        self._histories[resource].append(event)
        for subscription in list(self._subscriptions.get(resource, ())):
            subscription.push(resource, event)
        return version
