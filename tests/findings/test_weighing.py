"""What the policy makes of a finding, and what of it can be seen later."""

import pytest

from nftwave import report
from nftwave.errors import Blocked
from nftwave.findings import RULES, Severity, judge, refuse_blockers, waivers
from nftwave.fleet import Cluster, Policy
from nftwave.plan import make_plan
from tests.facts import cluster_facts, in_ipvs, migrated, node, pod, with_config

WHY = "keepalived has moved, CHG-1"


def facts(policy, *names, **differences):
    cluster = Cluster.model_validate({"name": "c1", "in_cluster": True, "policy": policy})
    names = names or ("node1",)
    return cluster_facts(
        cluster=cluster,
        nodes=tuple(node(name) for name in names),
        pods=tuple(pod(node=name) for name in names),
        probes={name: in_ipvs(nft=None) for name in names},
        **differences,
    )


def severities(found, code="nft-missing"):
    return {f.subject: f.severity for f in found if f.code == code}


@pytest.mark.parametrize("told", ["blocker", "warning", "note"])
def test_the_policy_sets_the_severity_of_a_code(told):
    assert severities(judge(facts({"findings": {"nft-missing": told}}))) == {"node node1": told}


def test_a_code_that_is_off_is_not_told():
    assert severities(judge(facts({"findings": {"nft-missing": "off"}}))) == {}


def test_a_note_can_be_made_a_blocker():
    found = judge(cluster_facts(cluster=facts({"findings": {"strict-arp": "blocker"}}).cluster))
    with pytest.raises(Blocked, match="strict-arp"):
        refuse_blockers("c1", found)


def test_a_waived_blocker_is_a_warning_that_shows_the_reason():
    found = judge(facts({"waivers": [{"code": "nft-missing", "reason": WHY}]}))
    assert severities(found) == {"node node1": Severity.WARNING}
    refuse_blockers("c1", found)
    assert WHY in report.findings_markdown("c1", found)
    assert waivers(found) == (("nft-missing *", WHY),)


def test_a_waived_warning_is_a_note():
    waiver = {"code": "connections-cut", "reason": WHY}
    found = judge(facts({"waivers": [waiver]}))
    assert severities(found, "connections-cut") == {"1 node": Severity.NOTE}


@pytest.mark.parametrize("pattern", ["edge-*", "node edge-*", "edge-?"])
def test_a_waiver_is_for_the_subjects_that_match_its_pattern(pattern):
    waiver = {"code": "nft-missing", "subject": pattern, "reason": WHY}
    found = judge(facts({"waivers": [waiver]}, "edge-1", "core-1"))
    assert severities(found) == {"node edge-1": "warning", "node core-1": "blocker"}


def test_a_waiver_of_another_code_does_nothing():
    found = judge(facts({"waivers": [{"code": "nft-too-old", "reason": WHY}]}))
    assert severities(found) == {"node node1": "blocker"}
    assert waivers(found) == ()


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.firm], ids=lambda rule: rule.code)
def test_firm_findings_ignore_a_policy_that_was_not_read_from_a_file(rule):
    from nftwave.findings.model import Sighting
    from nftwave.findings.weighing import weigh

    policy = Policy.model_validate(
        {"findings": {rule.code: "off"}, "waivers": [{"code": rule.code, "reason": WHY}]}
    )
    assert weigh(rule, Sighting("x", "y"), policy).severity is rule.severity


def test_the_plan_shows_its_waivers_and_its_hash_covers_them():
    plain = make_plan(cluster_facts())
    waived = make_plan(facts({"waivers": [{"code": "nft-missing", "reason": WHY}]}))
    other = make_plan(facts({"waivers": [{"code": "nft-missing", "reason": WHY + "2"}]}))
    unused = make_plan(facts({"waivers": [{"code": "foreign-ipvs", "reason": WHY}]}))
    assert waived.waivers == (("nft-missing *", WHY),)
    assert len({plain.hash, waived.hash, other.hash}) == 3
    assert unused.hash == plain.hash
    assert f"Waived: `nft-missing *`: {WHY}" in report.plan_markdown(waived)
    assert waived.as_dict()["waivers"] == (("nft-missing *", WHY),)


def test_a_migrated_cluster_is_judged_only_by_what_stands_in_the_way_of_proof():
    kind = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
    text = f"{kind}mode: nftables\n"
    done = cluster_facts(
        probes={"node1": migrated(kernel="5.4.0", nft="0.9.8")},
        server_version="v1.28.0",
        **with_config(text),
    )
    assert judge(done) == ()
    unproven = cluster_facts(probes={"node1": migrated(nft=None)}, **with_config(text))
    assert [f.code for f in judge(unproven)] == ["nft-missing"]
