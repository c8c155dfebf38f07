from dataclasses import replace

import pytest

from nftwave.errors import Blocked, Unreachable
from nftwave.findings import RULES, Severity, judge, refuse_blockers
from nftwave.fleet import Cluster
from nftwave.ledger import Ledger
from nftwave.node.facts import Unknown
from nftwave.proxyconfig import Unreadable, read
from tests.facts import (
    cluster_facts,
    daemon_set,
    in_ipvs,
    migrated,
    node,
    pod,
    recorded,
    with_config,
)

IPVS = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\n"
WITHOUT_KEY = recorded("configmap-kube-proxy") | {"data": {"other": "x"}}


HELD = {
    "daemon_set": daemon_set(strategy="OnDelete"),
    "ledger": Ledger("restarted", "a-hash", {}, {}, {"type": "RollingUpdate"}),
}
HELD_AND_PROVEN = {**HELD, "ledger": replace(HELD["ledger"], phase="verified")}


def image(tag):
    return daemon_set(image=f"registry.k8s.io/kube-proxy:{tag}")


def unreadable():
    try:
        read("mode: [")
    except Unreadable as error:
        return error
    raise AssertionError("read accepted it")


TRIGGERED = [
    ("config-missing", {"config_map": None, "config": None}, "does not exist"),
    ("config-missing", {"config_map": WITHOUT_KEY, "config": None}, "keys: other"),
    ("config-unreadable", {"config": unreadable()}, "config.conf"),
    (
        "config-overridden",
        {"daemon_set": daemon_set(command=("kube-proxy", "--proxy-mode=ipvs"))},
        "--config is missing",
    ),
    ("mode-not-ipvs", with_config(IPVS.replace("ipvs", "iptables")), "iptables"),
    ("mode-not-ipvs", with_config(IPVS.replace("mode: ipvs\n", "")), "iptables"),
    ("mode-differs", {"probes": {"node1": migrated()}}, "runs nftables, config.conf says ipvs"),
    ("version-unsupported", {"server_version": "v1.28.9"}, "v1.28.9"),
    ("version-unsupported", {"daemon_set": image("v1.27.1")}, "v1.27.1"),
    ("gate-missing", {"daemon_set": image("v1.30.2"), "server_version": "v1.30.2"}, "1.30.2"),
    ("version-not-ga", {"daemon_set": image("v1.32.0")}, "beta"),
    ("version-unknown", {"daemon_set": image("latest")}, "latest"),
    (
        "version-unknown",
        {"daemon_set": daemon_set(image="registry.example:5000/kube-proxy@sha256:12ab")},
        "sha256",
    ),
    ("version-skew", {"daemon_set": image("v1.37.0")}, "1.37"),
    ("version-skew", {"daemon_set": image("v1.32.9")}, "1.32.9"),
    ("daemonset-missing", {"daemon_set": None}, "does not exist"),
    ("daemonset-in-rollout", {"daemon_set": daemon_set(generation=9)}, "generation 9"),
    ("daemonset-in-rollout", {"daemon_set": daemon_set(updated=0)}, "0 of 1"),
    (
        "daemonset-unhealthy",
        {"daemon_set": daemon_set(available=0), "pods": (pod(ready=False),)},
        "node1: starting",
    ),
    ("daemonset-ondelete", {"daemon_set": daemon_set(strategy="OnDelete")}, "OnDelete"),
    ("daemonset-ondelete", HELD_AND_PROVEN, "OnDelete"),
    ("held-by-earlier-run", HELD, "phase restarted"),
    ("ipvs-ends", {}, "from 1.37 on"),
    ("node-unreachable", {"probes": {"node1": Unreachable("refused")}}, "refused"),
    ("node-not-ready", {"nodes": (node(ready=False),)}, "not True"),
    ("kernel-too-old", {"probes": {"node1": in_ipvs(kernel="5.10.0-28-amd64")}}, "5.10.0-28"),
    (
        "kernel-too-old",
        {"nodes": (node(kernel="4.18.0-553.el8"),), "probes": {"node1": Unreachable("refused")}},
        "4.18.0",
    ),
    ("nft-missing", {"probes": {"node1": in_ipvs(nft=None)}}, "no nft"),
    ("nft-too-old", {"probes": {"node1": in_ipvs(nft="0.9.8")}}, "0.9.8"),
    ("probe-not-root", {"probes": {"node1": in_ipvs(uid=1000)}}, "uid 1000"),
    ("facts-unknown", {"probes": {"node1": in_ipvs(proxy_mode=Unknown("timeout"))}}, "timeout"),
    ("connections-cut", {}, "3 established"),
    ("node-left-alone", {"nodes": (node(), node("win1", operating_system="windows"))}, "windows"),
    ("node-left-alone", {"nodes": (node(), node("node2"))}, "does not run here"),
]


@pytest.mark.parametrize(("code", "facts", "evidence"), TRIGGERED)
def test_a_rule_sees_what_it_looks_for_and_quotes_it(code, facts, evidence):
    found = [f for f in judge(cluster_facts(**facts)) if f.code == code]
    assert found, f"{code} was not found"
    assert evidence in f"{found[0].subject} {found[0].evidence}"
    assert found[0].remedy
    assert found[0].source


def test_every_rule_has_a_case_here():
    assert {rule.code for rule in RULES} == {code for code, _, _ in TRIGGERED}


def test_a_healthy_ipvs_cluster_is_not_blocked():
    found = judge(cluster_facts())
    assert {f.code for f in found} == {"connections-cut", "ipvs-ends"}
    refuse_blockers("c1", found)


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        # Exactly at the threshold, and what looks smaller as text (5.9 < 5.13).
        ("kernel-too-old", {"probes": {"node1": in_ipvs(kernel="5.13.0-rc1")}}),
        ("kernel-too-old", {"probes": {"node1": in_ipvs(kernel="6.1.0")}}),
        ("nft-too-old", {"probes": {"node1": in_ipvs(nft="1.0.1")}}),
        ("gate-missing", {"daemon_set": image("v1.31.0")}),
        ("version-skew", {"daemon_set": image("v1.33.0")}),
        ("version-not-ga", {"daemon_set": image("v1.33.0")}),
        ("daemonset-in-rollout", {"daemon_set": daemon_set(strategy="OnDelete", updated=0)}),
        ("mode-not-ipvs", with_config(IPVS.replace("ipvs", "nftables"))),
        ("daemonset-ondelete", HELD),
        ("mode-differs", {"probes": {"node1": in_ipvs(proxy_mode=Unknown("refused"))}}),
        ("nft-missing", {"probes": {"node1": in_ipvs(nft=Unknown("timeout"))}}),
        ("connections-cut", {"probes": {"node1": in_ipvs(ipvs_connections={"TIME_WAIT": 9})}}),
        # Without nft the tables are unknown for that reason; one finding is enough.
        ("facts-unknown", {"probes": {"node1": in_ipvs(nft=None, tables=Unknown("no nft"))}}),
    ],
)
def test_a_rule_leaves_alone_what_is_well(code, facts):
    assert code not in {f.code for f in judge(cluster_facts(**facts))}


def test_the_gate_lets_an_alpha_release_through():
    text = IPVS + "featureGates:\n  NFTablesProxyMode: true\n"
    facts = cluster_facts(
        daemon_set=image("v1.29.3"), server_version="v1.29.3", **with_config(text)
    )
    assert "gate-missing" not in {f.code for f in judge(facts)}


def test_a_policy_may_ask_for_more_than_kube_proxy_does():
    strict = Cluster.model_validate(
        {"name": "c1", "in_cluster": True, "policy": {"thresholds": {"kernel": "6.6"}}}
    )
    found = judge(cluster_facts(cluster=strict))
    assert [f.evidence for f in found if f.code == "kernel-too-old"] == [
        "kernel 6.1.0-50-amd64, needed 6.6"
    ]


def test_blockers_come_first_and_end_a_run_with_their_remedy():
    facts = cluster_facts(probes={"node1": in_ipvs(nft=None)})
    found = judge(facts)
    assert found[0].severity is Severity.BLOCKER
    with pytest.raises(Blocked) as error:
        refuse_blockers("c1", found)
    assert error.value.exit_status == 3
    assert "nft-missing: node node1" in str(error.value)
    assert "install the package nftables" in str(error.value.next_step)


def test_many_blockers_are_counted_not_listed():
    names = [f"n{i}" for i in range(5)]
    facts = cluster_facts(
        nodes=tuple(node(n) for n in names),
        pods=tuple(replace(pod(), node=n) for n in names),
        probes={n: in_ipvs(nft=None) for n in names},
    )
    with pytest.raises(Blocked, match="5 blockers") as error:
        refuse_blockers("c1", judge(facts))
    assert "and 2 more" in str(error.value)
