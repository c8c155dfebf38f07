"""Proving nodes without a flow: `nftwave verify`, read-only, at any time."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from nftwave.errors import BadInput, Unreachable
from nftwave.evidence import Expected, Look, NodeVerdict, judge
from nftwave.node.facts import NodeFacts, ServicePort, Unknown
from nftwave.node.jumps import JumpHosts
from nftwave.node.parallel import on_each
from nftwave.prove import Subject, prove
from nftwave.reaching import opener
from nftwave.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nftwave.clusterfacts import ClusterFacts
    from nftwave.evidence import Mode
    from nftwave.kube.gateway import Gateway


def verify_all(
    facts: ClusterFacts, gateway: Gateway, *, deadline: float, mode: Mode = "nftables"
) -> Iterator[NodeVerdict]:
    """The verdict on each node of a cluster, as each is ready.

    Args:
        facts: of `look_at_api`; probes are not needed.
        deadline: seconds that a node which is not verified is looked at again; 0 looks once.
        mode: that each node is to prove.
    """
    cluster = facts.cluster
    expected = Expected(facts.must_serve, deadline=deadline or None, mode=mode)
    probe = cluster.policy.deadlines.probe
    with JumpHosts() as jumps, Witness(gateway) as witness:
        subjects: dict[str, Subject] = {}
        for node in facts.targets:
            try:
                pod = partial(witness.pod, node.name)
                way = opener(cluster, node, gateway=gateway, pod=pod, jumps=jumps)
            except BadInput as error:
                yield unreachable(witness, node.name, Unreachable(str(error)), expected)
            else:
                subjects[node.name] = Subject(node.name, way, expected)
        answers = on_each(
            lambda subject, _: prove(witness, subject, deadline=deadline, probe_deadline=probe),
            subjects,
            workers=cluster.policy.parallelism,
            per_host_deadline=deadline + probe,
            overall_deadline=deadline + cluster.policy.deadlines.preflight,
        )
        for name, answer in answers:
            if isinstance(answer, Unreachable):
                yield unreachable(witness, name, answer, expected)
            else:
                yield answer


def unreachable(witness: Witness, node: str, why: Unreachable, expected: Expected) -> NodeVerdict:
    """The verdict on a node that could not be asked."""
    return judge(node, Look(why, witness.pod(node), None), expected, at=time.time())


def silent(before: NodeFacts | Unreachable | None) -> frozenset[ServicePort]:
    """Service ports that were tried from a node before the change and did not answer."""
    if not isinstance(before, NodeFacts):
        return frozenset()
    tried = before.answers.items()
    return frozenset(port for port, a in tried if not isinstance(a, Unknown) and not a.connected)
