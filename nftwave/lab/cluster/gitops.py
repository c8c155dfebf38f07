"""A GitOps controller that owns the ConfigMap kube-proxy, and puts it back as Argo CD does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.pace import Pace
    from nftwave.lab.store.store import Store

PLACE = ("configmaps", "kube-system", "kube-proxy")
MANAGER = "argocd-controller"
# How Argo CD marks what it owns, and how long it waits before it heals (its defaults).
LABELS = {"app.kubernetes.io/instance": "cluster-addons"}
ANNOTATIONS = {"argocd.argoproj.io/tracking-id": "cluster-addons:/ConfigMap:kube-system/kube-proxy"}
SELF_HEAL = 5.0  # seconds of a real cluster


class GitOps:
    """Keeps the data of the ConfigMap as they were when it started."""

    def __init__(self, store: Store, pace: Pace) -> None:
        self._store = store
        self._pace = pace
        self._wanted = (store.get(*PLACE) or {}).get("data")
        self._mark(LABELS, ANNOTATIONS)
        self._task = asyncio.get_running_loop().create_task(self._heal())

    def stop(self) -> None:
        """Let go of the ConfigMap: what it says stays."""
        self._task.cancel()
        self._mark({}, {})

    async def _heal(self) -> None:
        with contextlib.closing(self._store.subscribe("configmaps")) as changes:
            while True:
                await changes.wait()
                found = self._store.get(*PLACE)
                if found is None or found.get("data") == self._wanted:
                    continue
                await self._pace.sleep(SELF_HEAL)
                found = self._store.get(*PLACE)
                if found is not None and found.get("data") != self._wanted:
                    self._store.update(PLACE[0], {**found, "data": self._wanted}, manager=MANAGER)

    def _mark(self, labels: Object, annotations: Object) -> None:
        """Put its own labels and annotations on the ConfigMap, or with empty ones take them off."""
        found = self._store.get(*PLACE)
        if found is None:
            return
        metadata = dict(found["metadata"])
        for field, mine, wanted in (
            ("labels", LABELS, labels),
            ("annotations", ANNOTATIONS, annotations),
        ):
            others = {key: text for key, text in metadata.get(field, {}).items() if key not in mine}
            metadata[field] = others | wanted
            if not metadata[field]:
                del metadata[field]
        self._store.update(PLACE[0], {**found, "metadata": metadata}, manager=MANAGER)
