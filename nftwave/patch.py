"""The change of config.conf: written down, rehearsed by the API server, made under its version."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nftwave.errors import Conflict
from nftwave.kube.converge import Converged, converge
from nftwave.kube.errors import ApiConflict
from nftwave.kube.objects import KUBE_PROXY, KUBE_SYSTEM
from nftwave.kube.resources import CONFIG_MAPS, Object
from nftwave.ledger import ABSENT, Ledger
from nftwave.look import CONFIG_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.kube.gateway import Gateway
    from nftwave.ledger import Approval
    from nftwave.plan import Plan

ATTEMPTS = 3


def opened(
    before: Ledger | None, plan: Plan, config_data: Mapping[str, str], approval: Approval
) -> Ledger:
    """The ledger's entry that is written before the first change.

    Where an earlier run has edited config.conf already, its original is kept: what the cluster
    holds now is then no longer the original.

    Args:
        before: the entry of an earlier run, as preflight read it.
        config_data: data of the kube-proxy ConfigMap as it is now, which the plan was made for.
    """
    entry = Ledger(
        phase="approved",
        plan_hash=plan.hash,
        plan=plan.as_record(),
        original=config_data,
        original_strategy=plan.strategy_restored,
        approvals=(approval,),
        version=before.version if before else ABSENT,
    )
    if before is None or (plan.edits_config and not before.is_open):
        return entry
    entry = replace(entry, approvals=(*before.approvals, approval))
    if before.is_open:
        # Gone on with: its nodes stay known, and from where they came.
        entry = replace(
            entry,
            proven=before.proven,
            nodes=before.nodes,
            flipping=before.flipping,
            takeovers=before.takeovers,
            original_restarted_at=before.original_restarted_at,
        )
    if plan.edits_config:
        return entry
    return replace(
        entry,
        original=before.original,
        original_strategy=before.original_strategy,
        restarted_at=before.restarted_at,
    )


def rehearse(gateway: Gateway, plan: Plan) -> Mapping[str, str]:
    """Let the API server check the change without making it (dryRun=All).

    Returns:
        The ConfigMap's data as it is before the change: what the ledger keeps.

    Raises:
        Conflict: the ConfigMap is no longer what the plan was made for.
        ApiInvalid: the server would not accept the change.
    """
    now = _read(gateway)
    if _text(now) != plan.config_after:
        changed = _changed(now, plan.config_before, plan.config_after, plan)
        gateway.replace(CONFIG_MAPS, changed, dry_run=True)
    return dict(now["data"])


def apply(gateway: Gateway, plan: Plan) -> Converged:
    """Replace config.conf, and see that it is there.

    A new resourceVersion with the same text (somebody labelled the ConfigMap) is taken in; another
    text never is.

    Raises:
        Conflict: the ConfigMap is no longer what the plan was made for; it was not overwritten.
    """
    return _replace(gateway, plan.config_before, plan.config_after, plan)


def put_back(gateway: Gateway, plan: Plan, original: str) -> Converged:
    """Replace config.conf by what it was, and see that it is there.

    Raises:
        Conflict: it is neither what the plan made of it nor the original; it was not overwritten.
    """
    return _replace(gateway, plan.config_after, original, plan)


def _replace(gateway: Gateway, before: str, after: str, plan: Plan) -> Converged:
    for attempt in range(ATTEMPTS):
        try:
            return converge(
                lambda: _read(gateway),
                lambda now: _text(now) == after,
                lambda now: gateway.replace(CONFIG_MAPS, _changed(now, before, after, plan)),
            )
        except ApiConflict:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")  # the last attempt returns or raises


def _read(gateway: Gateway) -> Object:
    return gateway.get(CONFIG_MAPS, KUBE_PROXY, KUBE_SYSTEM)


def _text(config_map: Object) -> str:
    return str((config_map.get("data") or {}).get(CONFIG_KEY, ""))


def _changed(now: Object, before: str, after: str, plan: Plan) -> Object:
    if _text(now) != before:
        managers = [m.get("manager") for m in now["metadata"].get("managedFields") or ()]
        raise Conflict(
            "ConfigMap kube-system/kube-proxy was changed since it was read"
            f" (resourceVersion {plan.resource_version}, now {now['metadata']['resourceVersion']},"
            f" written by {', '.join(map(str, managers)) or 'unknown'})",
            cluster=plan.cluster,
            unchanged="config.conf was not overwritten",
            next_step="run it again: it plans anew from what is there now",
        )
    return {**now, "data": {**now["data"], CONFIG_KEY: after}}
