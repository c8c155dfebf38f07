"""Rows and columns for `kubectl get`: the Table form of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.printers.columns import COLUMNS, DEFAULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource


def table(
    resource: Resource, objects: Sequence[Object], include: str | None, *, columns: bool = True
) -> Object:
    """A Table of these objects.

    Args:
        resource: what they are.
        objects: one a row.
        include: how much of an object goes with its row: Metadata (the default), Object, None.
        columns: whether to define the columns; a watch does so in its first event only.
    """
    wanted = COLUMNS.get(resource.key, DEFAULT_COLUMNS)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": [column.definition() for column in wanted] if columns else None,
        "rows": [
            {"cells": [column.cell(obj) for column in wanted], "object": _part(obj, include)}
            for obj in objects
        ],
    }


def _part(obj: Object, include: str | None) -> Object | None:
    if include == "Object":
        return obj
    if include == "None":
        return None
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
