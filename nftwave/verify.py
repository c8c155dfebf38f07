"""Proving nodes without a flow: `nftwave verify`, read-only, at any time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nftwave.errors import BadInput, Unreachable
from nftwave.evidence import Expected, NodeVerdict, judge
from nftwave.look import access_to
from nftwave.node.jumps import JumpHosts
from nftwave.node.parallel import on_each
from nftwave.prove import Subject, prove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nftwave.kube.gateway import Gateway
    from nftwave.look import ClusterFacts


def verify_all(facts: ClusterFacts, gateway: Gateway, *, deadline: float) -> Iterator[NodeVerdict]:
    """The verdict on each node of a cluster, as each is ready.

    Args:
        facts: of `look_at_api`; probes are not needed.
        deadline: seconds that a node which is not verified is looked at again; 0 looks once.
    """
    cluster = facts.cluster
    expected = Expected(facts.must_serve)
    pods = {pod.node: pod for pod in facts.pods if not pod.deleting}
    subjects: dict[str, Subject] = {}
    for node in facts.targets:
        pod = pods.get(node.name)
        try:
            access = access_to(cluster, node)
        except BadInput as error:
            why = Unreachable(str(error), node=node.name)
            yield judge(node.name, why, pod, None, expected, at=time.time())
        else:
            subjects[node.name] = Subject(node.name, access, pod, expected)
    probe = cluster.policy.deadlines.probe
    with JumpHosts() as jumps:
        answers = on_each(
            lambda subject, _: prove(
                gateway, subject, deadline=deadline, probe_deadline=probe, jumps=jumps
            ),
            subjects,
            workers=cluster.policy.parallelism,
            per_host_deadline=deadline + probe,
            overall_deadline=deadline + cluster.policy.deadlines.preflight,
        )
        for name, answer in answers:
            if isinstance(answer, Unreachable):
                subject = subjects[name]
                yield judge(name, answer, subject.pod, None, expected, at=time.time())
            else:
                yield answer
