"""The fleet file: all clusters, and what holds for all of them."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, PrivateAttr

from nftwave.errors import BadInput
from nftwave.fleet.kubeconfig import require_context
from nftwave.fleet.mistakes import M, validated
from nftwave.fleet.models import Cluster, Policy, Ssh, Strict
from nftwave.fleet.source import Source


class Fleet(Strict):
    """All clusters of a fleet file, with what holds for all of them."""

    clusters: tuple[Cluster, ...] = Field(strict=False, min_length=1, description="The clusters.")
    access: Literal["ssh", "exec"] = Field(
        default="ssh", description="How the nodes of all clusters are looked at."
    )
    ssh: Ssh = Field(default=Ssh(), description="Access to the nodes of all clusters.")
    policy: Policy = Field(default=Policy(), description="Policy of all clusters.")
    _source: Source = PrivateAttr(default_factory=Source)

    def cluster(self, name: str) -> Cluster:
        """The cluster of that name, with the fleet's ssh and policy under its own.

        Raises:
            BadInput: no such cluster, or its kubeconfig or context does not exist.
        """
        index = next((i for i, one in enumerate(self.clusters) if one.name == name), None)
        if index is None:
            raise self._unknown(name)
        found = self.clusters[index]
        if found.kubeconfig is not None and found.context is not None:
            require_context(found.kubeconfig, found.context, self._source, ("clusters", index))
        ssh, policy = _merged(self.ssh, found.ssh), _merged(self.policy, found.policy)
        access = found.access if "access" in found.model_fields_set else self.access
        return found.model_copy(update={"ssh": ssh, "policy": policy, "access": access})

    def _unknown(self, name: str) -> BadInput:
        names = [one.name for one in self.clusters]
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
        hint = f"near it: {', '.join(near)}" if near else f"it has {', '.join(names[:10])}"
        more = "" if near or len(names) <= 10 else f" and {len(names) - 10} more"
        return BadInput(f'no cluster "{name}"; {hint}{more}', file=self._source.file)


def load_fleet(path: Path) -> Fleet:
    """Read and check a fleet file; kubeconfigs are looked at when a cluster is asked for.

    Raises:
        BadInput: the file cannot be read, or holds mistakes: `mistakes` has all of them.
    """
    source, value = Source.read(path)
    fleet = validated(Fleet, value, source, {"folder": path.parent.absolute()})
    fleet._source = source  # noqa: SLF001 - pydantic's way to fill a private attribute
    return fleet


def explicit_cluster(
    kubeconfig: Path, context: str, *, ssh: Ssh | None = None, policy: Policy | None = None
) -> Cluster:
    """A cluster given by `--kubeconfig` and `--context`, without a fleet file.

    It is named after its context, made into an RFC 1123 label.

    Raises:
        BadInput: the kubeconfig cannot be read or has no such context.
    """
    path = Path(os.path.expandvars(kubeconfig)).expanduser().absolute()
    require_context(path, context, Source(), ())
    label = "".join(c if c.isascii() and c.isalnum() else "-" for c in context.lower())
    return Cluster(
        name=label[:63].strip("-") or "cluster",
        kubeconfig=path,
        context=context,
        ssh=ssh or Ssh(),
        policy=policy or Policy(),
    )


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the fleet file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Fleet.model_json_schema(),
        "title": "nftwave fleet file",
    }


def _merged(base: M, override: M) -> M:
    """`base` with the fields that `override` was given, field by field at every depth.

    Mappings too are taken together by their names; of lists the override's own holds.
    """
    given = {name: getattr(override, name) for name in override.model_fields_set}
    return base.model_copy(
        update={name: _over(getattr(base, name), value) for name, value in given.items()}
    )


def _over(base: Any, value: Any) -> Any:
    if isinstance(value, BaseModel) and base is not None:
        return _merged(base, value)
    return {**base, **value} if isinstance(value, dict) else value
