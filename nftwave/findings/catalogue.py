"""Every rule of preflight, in one place. A new one is a small function and a row beside it."""

from __future__ import annotations

from nftwave.findings import (
    access,
    behaviour,
    configuration,
    daemonset,
    kubeproxy,
    networks,
    nodes,
    owners,
    traffic,
    waiving,
)

_LOOKING = (
    *access.RULES,
    *configuration.RULES,
    *kubeproxy.RULES,
    *daemonset.RULES,
    *nodes.RULES,
    *owners.RULES,
    *networks.RULES,
    *traffic.RULES,
    *behaviour.RULES,
)

RULES = (*_LOOKING, waiving.rule(_LOOKING))

BY_CODE = {rule.code: rule for rule in RULES}
