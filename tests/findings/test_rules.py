from dataclasses import replace

import pytest

from nftwave.errors import Blocked, Unreachable
from nftwave.findings import RULES, Severity, judge, refuse_blockers
from nftwave.fleet import Cluster, Policy
from nftwave.ledger import Ledger
from nftwave.node.facts import ServicePort, Unknown, VirtualServer
from nftwave.permissions import Permission
from nftwave.proxyconfig import Unreadable, read
from nftwave.surroundings import Agent, Calico, ControlPlanePod
from tests.facts import (
    KUBERNETES,
    cluster_facts,
    daemon_set,
    in_ipvs,
    migrated,
    node,
    pod,
    recorded,
    service,
    with_config,
    with_surroundings,
)

IPVS = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\n"
WITHOUT_KEY = recorded("configmap-kube-proxy") | {"data": {"other": "x"}}
ALIASED = IPVS.replace("mode: ipvs", "mode: &m ipvs") + "clusterCIDR: *m\n"

HELD = {
    "daemon_set": daemon_set(strategy="OnDelete"),
    "ledger": Ledger("restarted", "a-hash", {}, {}, {"type": "RollingUpdate"}),
}
IN_HAND = {**HELD, "ledger": replace(HELD["ledger"], phase="canary", flipping={"node1": "old"})}
FAILED_BEFORE = {**HELD, "ledger": replace(HELD["ledger"], nodes={"node1": "failed: no rules"})}
ILL = {"daemon_set": daemon_set(strategy="OnDelete", available=0), "pods": (pod(ready=False),)}
HELD_AND_PROVEN = {**HELD, "ledger": replace(HELD["ledger"], phase="verified")}


def image(tag):
    return daemon_set(image=f"registry.k8s.io/kube-proxy:{tag}")


def unreadable():
    try:
        read("mode: [")
    except Unreadable as error:
        return error
    raise AssertionError("read accepted it")


def on_node(**differences):
    return {"probes": {"node1": in_ipvs(**differences)}}


BY_EXEC = {"cluster": Cluster(name="c1", in_cluster=True, access="exec")}
BY_EXEC_ROLLING = {
    "cluster": Cluster(name="c1", in_cluster=True, access="exec", policy=Policy(strategy="rolling"))
}
UNSEEN = Unknown("an exec cannot see it")


def policy(**fields):
    cluster = {"name": "c1", "in_cluster": True, "policy": fields}
    return {"cluster": Cluster.model_validate(cluster)}


def agent(name, *, images=(), arguments=(), environment=None, namespace="kube-system"):
    return Agent(namespace, name, images, arguments, environment or {})


def agents(*found, **around):
    return with_surroundings(agents=found, **around)


def calico(version="", *, felix=None, installation=None):
    information = {"calicoVersion": version} if version else {}
    return with_surroundings(calico=Calico(information, felix or {}, installation or {}))


def api_server(node_name, tag, component="kube-apiserver"):
    return ControlPlanePod(component, node_name, f"registry.k8s.io/{component}:{tag}")


def control_plane_node(name, kubelet):
    labels = {"node-role.kubernetes.io/control-plane": ""}
    return node(name, kubelet=kubelet, labels=labels)


def labelled(subject="configmap-kube-proxy", **metadata):
    found = recorded(subject)
    return {**found, "metadata": {**found["metadata"], **metadata}}


def foreign(*servers):
    return on_node(virtual_servers=(VirtualServer("tcp", "10.96.0.1", 443, "rr"), *servers))


KEEPALIVED = VirtualServer("tcp", "192.0.2.10", 80, "rr", (ServicePort("192.0.2.21", "tcp", 8080),))
ECHO = service("echo", "10.96.0.100", port=80, node_port=30080)
BUSY = ServicePort("10.96.0.100", "tcp", 80)
MANY = tuple(
    VirtualServer("tcp", f"10.97.{n // 250}.{n % 250}", 80, "rr", (KUBERNETES,) * 2)
    for n in range(12_000)
)

TRIGGERED = [
    (
        "permission-missing",
        {"missing": (Permission("list", "nodes"), Permission("patch", "daemonsets"))},
        "list nodes; patch daemonsets",
    ),
    ("no-targets", {"pods": ()}, "none on 1 Linux nodes; 0 pods"),
    ("no-targets", {"nodes": (node(operating_system="windows"),)}, "none on 0 Linux nodes"),
    ("config-missing", {"config_map": None, "config": None}, "does not exist"),
    ("config-missing", {"config_map": WITHOUT_KEY, "config": None}, "keys: other"),
    ("config-unreadable", {"config": unreadable()}, "config.conf"),
    ("config-not-editable", with_config(ALIASED), "config.conf"),
    (
        "config-overridden",
        {"daemon_set": daemon_set(command=("kube-proxy", "--proxy-mode=ipvs"))},
        "--config is missing",
    ),
    ("mode-iptables", with_config(IPVS.replace("ipvs", "iptables")), "mode: iptables"),
    ("mode-iptables", with_config(IPVS.replace("mode: ipvs\n", "")), "no mode is set"),
    ("mode-unknown", with_config(IPVS.replace("ipvs", "ipvss")), "ipvss"),
    ("mode-unknown", with_config(IPVS.replace("ipvs", "userspace")), "userspace"),
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
    ("image-nft-unknown", {"daemon_set": image("v1.36.2-eksbuild.1")}, "eksbuild"),
    (
        "image-nft-unknown",
        {"daemon_set": daemon_set(image="registry.example/hardened-kubernetes:v1.36.2")},
        "hardened",
    ),
    ("image-nft-unfit", on_node(proxy_nft=None), "no nft"),
    ("image-nft-unfit", on_node(proxy_nft="0.9.8"), "nft 0.9.8"),
    ("exec-sees-less", BY_EXEC, "1 node access exec; not seen: ipvs"),
    ("exec-in-batches", BY_EXEC, "access exec with strategy batches"),
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
    ("daemonset-unhealthy", {**IN_HAND, **ILL, "pods": (pod(node="node2", ready=False),)}, "node2"),
    (
        "daemonset-unhealthy",
        {**IN_HAND, **ILL, "daemon_set": daemon_set(strategy="OnDelete", desired=2, available=0)},
        "0 of 2",
    ),
    ("daemonset-unhealthy", {**HELD_AND_PROVEN, **ILL}, "node1: starting"),
    ("facts-unknown", {**IN_HAND, **on_node(virtual_servers=Unknown("cut off"))}, "virtual"),
    ("held-by-earlier-run", HELD, "phase restarted"),
    ("held-by-earlier-run", IN_HAND, "phase canary; begun and not proven: node1"),
    ("ipvs-ends", {}, "from 1.37 on"),
    ("ipvs-ends", {}, "from 1.38 on ipvs mode is removed (migration guides"),
    ("ipvs-ends", {"server_version": "v1.40.1"}, "from 1.43 on ipvs mode is removed (KEP-5495"),
    ("node-unreachable", {"probes": {"node1": Unreachable("refused")}}, "refused"),
    ("node-not-ready", {"nodes": (node(ready=False),)}, "not True"),
    ("kernel-too-old", on_node(kernel="5.10.0-28-amd64"), "5.10.0-28"),
    (
        "kernel-too-old",
        {"nodes": (node(kernel="4.18.0-553.el8"),), "probes": {"node1": Unreachable("refused")}},
        "4.18.0",
    ),
    (
        "kernel-below-policy",
        policy(thresholds={"kernel": "6.6"}),
        "kernel 6.1.0-50-amd64, policy.thresholds.kernel 6.6",
    ),
    ("nft-missing", on_node(nft=None), "no nft"),
    ("nft-too-old", on_node(nft="0.9.9"), "0.9.9"),
    ("nft-too-old", policy(thresholds={"nft": "1.0.9"}), "nft 1.0.6, needed 1.0.9"),
    ("nft-unusable", on_node(nft="0.9.8"), "0.9.8"),
    (
        "nft-newer-sets",
        {**on_node(nft="1.1.3"), "daemon_set": image("v1.34.6")},
        "nft 1.1.3 on the host, kube-proxy 1.34.6",
    ),
    ("nft-newer-sets", {**on_node(nft="1.1.2"), "daemon_set": image("v1.32.13")}, "1.32.13"),
    ("firewall-active", on_node(firewalls=frozenset({"ufw", "firewalld"})), "firewalld, ufw"),
    ("probe-not-root", on_node(uid=1000), "uid 1000"),
    ("facts-unknown", on_node(proxy_mode=Unknown("timeout")), "timeout"),
    ("facts-unknown", on_node(virtual_servers=Unknown("cut off")), "virtual_servers unknown"),
    ("foreign-ipvs", foreign(KEEPALIVED), "node node1 tcp 192.0.2.10:80 rr"),
    ("foreign-ipvs", foreign(VirtualServer("fwm", "", 7, "wlc")), "firewall mark 7 wlc"),
    ("foreign-ipvs", foreign(VirtualServer("udp", "10.96.0.1", 443, "rr")), "udp 10.96.0.1:443"),
    ("foreign-ipvs", foreign(VirtualServer("tcp", "2001:db8::9", 80, "rr")), "[2001:db8::9]:80"),
    (
        "foreign-ipvs",
        {
            **foreign(VirtualServer("tcp", "10.96.0.100", 80, "rr")),
            **with_surroundings(services=(replace(ECHO, other_proxy=True),)),
        },
        "tcp 10.96.0.100:80",
    ),
    ("connections-cut", {}, "3 established"),
    (
        "connections-cut",
        {
            **on_node(established={KUBERNETES: 1, BUSY: 2}),
            **with_surroundings(services=(ECHO,)),
        },
        "most through default/echo 2, default/kubernetes 1",
    ),
    (
        "connections-cut",
        on_node(ipvs_connections=Unknown("no awk"), established=Unknown("no awk")),
        "unknown on 1 node, such as node1",
    ),
    (
        "slow-first-sync",
        {**on_node(virtual_servers=MANY), **with_surroundings(services=())},
        "12000 virtual servers with 24000 backends",
    ),
    (
        "owner-reverts",
        {"config_map": labelled(labels={"argocd.argoproj.io/instance": "p"})},
        "Argo",
    ),
    (
        "owner-reverts",
        {"config_map": labelled(annotations={"argocd.argoproj.io/tracking-id": "p:/ConfigMap"})},
        "annotation argocd.argoproj.io/tracking-id",
    ),
    (
        "owner-reverts",
        {"config_map": labelled(labels={"kustomize.toolkit.fluxcd.io/name": "infra"})},
        "Flux: label kustomize.toolkit.fluxcd.io/name: infra",
    ),
    (
        "owner-reverts",
        {
            "daemon_set": replace(
                daemon_set(),
                object=labelled(
                    "daemonset-kube-proxy", annotations={"meta.helm.sh/release-name": "kube-proxy"}
                ),
            )
        },
        "DaemonSet kube-system/kube-proxy Helm: annotation meta.helm.sh/release-name",
    ),
    (
        "owner-reverts",
        {"config_map": labelled(labels={"app.kubernetes.io/managed-by": "Helm"})},
        "Helm: label app.kubernetes.io/managed-by",
    ),
    (
        "owner-reverts",
        {"config_map": labelled(managedFields=[{"manager": "argocd-controller"}])},
        "wrote fields of it (argocd-controller)",
    ),
    (
        "kubeadm-upgrade",
        with_surroundings(
            control_plane=(api_server("cp-1", "v1.36.2"), api_server("cp-2", "v1.35.7"))
        ),
        "1.35.7: kube-apiserver on cp-2; 1.36.2: kube-apiserver on cp-1",
    ),
    (
        "kubeadm-upgrade",
        with_surroundings(kubeadm={"kubernetesVersion": "v1.36.3"}),
        "1.36.3: ConfigMap kubeadm-config",
    ),
    (
        "kubeadm-upgrade",
        {
            "nodes": (node(), control_plane_node("cp-1", "v1.35.7")),
            **with_surroundings(control_plane=(api_server("cp-1", "v1.36.2"),)),
        },
        "1.35.7: kubelet on cp-1; 1.36.2: kube-apiserver on cp-1",
    ),
    (
        "kubespray-traces",
        with_surroundings(kubeadm={"certificatesDir": "/etc/kubernetes/ssl"}),
        "/etc/kubernetes/ssl",
    ),
    ("kubespray-traces", agents(agent("nodelocaldns")), "nodelocaldns"),
    ("calico-too-old", calico("v3.28.2"), "v3.28.2, needed 3.29"),
    (
        "calico-too-old",
        agents(agent("calico-node", images=("docker.io/calico/node:v3.27.0",))),
        "v3.27.0",
    ),
    ("calico-unknown", calico("master"), "master"),
    ("calico-unknown", agents(agent("calico-node", images=("mirror/calico/node@sha256:1",))), "@"),
    ("calico-ebpf", calico("v3.31.0", felix={"bpfEnabled": True}), "bpfEnabled: true"),
    (
        "calico-ebpf",
        calico("v3.31.0", installation={"calicoNetwork": {"linuxDataplane": "BPF"}}),
        "linuxDataplane: BPF",
    ),
    (
        "calico-ebpf",
        agents(agent("calico-node", environment={"FELIX_BPFENABLED": "true"})),
        "FELIX_BPFENABLED",
    ),
    ("calico-moves-too", calico("v3.31.0"), "nftablesMode: Enabled; set it after the last node"),
    (
        "calico-moves-too",
        calico("v3.32.1", installation={"calicoNetwork": {"linuxDataplane": "Iptables"}}),
        "linuxDataplane: Nftables; set it before kube-proxy changes",
    ),
    ("calico-moves-too", calico("v3.31.0", felix={"nftablesMode": "Disabled"}), "Enabled; set it"),
    ("calico-moves-too", calico("v3.31.0", felix={"nftablesMode": "Auto"}), "Enabled; set it"),
    # What the environment says outweighs FelixConfiguration.
    (
        "calico-moves-too",
        with_surroundings(
            calico=Calico({"calicoVersion": "v3.31.0"}, {"nftablesMode": "Enabled"}, {}),
            agents=(agent("calico-node", environment={"FELIX_NFTABLESMODE": "Disabled"}),),
        ),
        "FELIX_NFTABLESMODE on calico-node",
    ),
    (
        "waiver-unused",
        policy(waivers=[{"code": "foreign-ipvs", "subject": "edge-*", "reason": "gone"}]),
        "waiver foreign-ipvs edge-* is for nothing here",
    ),
    (
        "waiver-unused",
        {
            **policy(waivers=[{"code": "nft-missing", "subject": "nod-*", "reason": "typo"}]),
            **on_node(nft=None),
        },
        "nft-missing is found of node node1",
    ),
    (
        "cni-replaces-kube-proxy",
        agents(agent("cilium"), cilium={"kube-proxy-replacement": "true"}),
        "Cilium: kube-proxy-replacement: true",
    ),
    ("cni-replaces-kube-proxy", agents(agent("kube-router")), "is true unless set"),
    ("cni-replaces-kube-proxy", agents(agent("ovnkube-node", namespace="ovn")), "OVN-Kubernetes"),
    ("node-local-dns", agents(agent("node-local-dns")), "kube-system/node-local-dns"),
    (
        "nodeport-reach",
        {**policy(node_port_addresses="primary"), **with_surroundings(services=(ECHO,))},
        "1 NodePorts, of default/echo",
    ),
    (
        "masquerade-carried",
        with_config(IPVS + "iptables: {masqueradeAll: true}\n"),
        "nftables.masqueradeAll: not set becomes true",
    ),
    (
        "masquerade-carried",
        with_config(IPVS + "iptables: {masqueradeBit: 15}\nnftables: {masqueradeBit: 16}\n"),
        "nftables.masqueradeBit stays 16",
    ),
    ("scheduler-lost", with_config(IPVS + "ipvs: {scheduler: lc}\n"), "scheduler: lc"),
    (
        "ipvs-timeouts",
        with_config(IPVS + "ipvs: {tcpTimeout: 2h0m0s, udpTimeout: 0s}\n"),
        "ipvs.tcpTimeout: 2h0m0s",
    ),
    (
        "exclude-cidrs",
        with_config(IPVS + "ipvs: {excludeCIDRs: [192.0.2.0/24]}\n"),
        "192.0.2.0/24",
    ),
    ("conntrack-resets", on_node(kernel="5.15.0-127-generic"), "5.15.0-127"),
    ("strict-arp", with_config(IPVS + "ipvs: {strictARP: true}\n"), "strictARP: true"),
    (
        "strict-arp",
        {
            **with_config(IPVS + "ipvs: {strictARP: true}\n"),
            **agents(agent("speaker", images=("quay.io/metallb/speaker:v0.15.2",), namespace="m")),
        },
        "for DaemonSet m/speaker",
    ),
    ("localhost-nodeports", with_surroundings(services=(ECHO,)), "1 in the cluster"),
    ("clusterip-ping", {}, "answer ping now"),
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
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    assert set(codes) == {code for code, _, _ in TRIGGERED}
    assert set(codes) == {code for code, _ in WELL}


def test_a_healthy_ipvs_cluster_is_not_blocked():
    found = judge(cluster_facts())
    # The recorded configuration says strictARP.
    notes = {"ipvs-ends", "clusterip-ping", "strict-arp"}
    assert {f.code for f in found} == {"connections-cut", *notes}
    refuse_blockers("c1", found)


WELL = [
    ("permission-missing", {}),
    ("no-targets", {}),
    ("config-missing", {}),
    ("config-unreadable", {}),
    ("config-not-editable", {}),
    # An unreadable text is told once.
    ("config-not-editable", {"config": unreadable()}),
    ("config-overridden", {}),
    ("mode-iptables", {}),
    ("mode-iptables", with_config(IPVS.replace("ipvs", "nftables"))),
    ("mode-unknown", with_config(IPVS.replace("ipvs", "nftables"))),
    ("mode-unknown", with_config(IPVS.replace("mode: ipvs\n", ""))),
    ("mode-differs", on_node(proxy_mode=Unknown("refused"))),
    ("version-unsupported", {"server_version": "v1.29.0", "daemon_set": image("v1.29.0")}),
    ("gate-missing", {"daemon_set": image("v1.31.0")}),
    (
        "gate-missing",
        {
            "daemon_set": image("v1.29.3"),
            **with_config(IPVS + "featureGates: {NFTablesProxyMode: true}\n"),
        },
    ),
    ("version-not-ga", {"daemon_set": image("v1.33.0")}),
    ("version-unknown", {"daemon_set": image("v1.36.2-eksbuild.1")}),
    ("image-nft-unknown", {}),
    (
        "image-nft-unknown",
        {"daemon_set": image("v1.36.2-eksbuild.1"), **on_node(proxy_nft="1.0.6")},
    ),
    ("image-nft-unfit", {}),
    ("image-nft-unfit", on_node(proxy_nft="1.0.6")),
    ("exec-sees-less", {}),
    ("exec-in-batches", {}),
    ("exec-in-batches", BY_EXEC_ROLLING),
    (
        "facts-unknown",
        {**BY_EXEC, **on_node(proxy_mode=UNSEEN, virtual_servers=UNSEEN, nft=UNSEEN)},
    ),
    (
        "image-nft-unknown",
        {
            "daemon_set": daemon_set(
                image="mirror.example:5000/k8s/kube-proxy:v1.36.0-rc.1@sha256:1"
            )
        },
    ),
    ("version-skew", {"daemon_set": image("v1.33.0")}),
    ("daemonset-missing", {}),
    ("daemonset-in-rollout", {"daemon_set": daemon_set(strategy="OnDelete", updated=0)}),
    ("daemonset-unhealthy", {}),
    # What a run that was killed has in hand must not keep the next one from mending it.
    ("daemonset-unhealthy", {**IN_HAND, **ILL}),
    ("daemonset-unhealthy", {**IN_HAND, **ILL, "pods": ()}),
    ("daemonset-unhealthy", {**FAILED_BEFORE, **ILL}),
    ("facts-unknown", {**IN_HAND, **on_node(proxy_mode=Unknown("it did not answer"))}),
    ("no-targets", {**IN_HAND, "pods": ()}),
    ("daemonset-ondelete", HELD),
    ("held-by-earlier-run", HELD_AND_PROVEN),
    ("ipvs-ends", {"server_version": "v1.43.0"}),
    ("ipvs-ends", with_config(IPVS.replace("ipvs", "nftables"))),
    ("node-unreachable", {}),
    ("node-not-ready", {}),
    # Exactly at the threshold, and what looks smaller as text (5.9 < 5.13).
    ("kernel-too-old", on_node(kernel="5.13.0-rc1")),
    ("kernel-too-old", on_node(kernel="6.1.0")),
    # Below kube-proxy's own limit the firm rule speaks alone.
    ("kernel-below-policy", {**policy(thresholds={"kernel": "6.6"}), **on_node(kernel="5.4.0")}),
    ("kernel-below-policy", {**policy(thresholds={"kernel": "6.1"})}),
    ("nft-missing", on_node(nft=Unknown("timeout"))),
    ("nft-too-old", on_node(nft="1.0.1")),
    ("nft-unusable", on_node(nft="0.9.9")),
    ("nft-newer-sets", {**on_node(nft="1.1.1"), "daemon_set": image("v1.34.6")}),
    ("nft-newer-sets", {**on_node(nft="1.1.3"), "daemon_set": image("v1.34.7")}),
    ("nft-newer-sets", {**on_node(nft="1.1.3"), "daemon_set": image("v1.36.0")}),
    ("nft-newer-sets", {**on_node(nft="1.1.3"), "daemon_set": image("latest")}),
    ("firewall-active", on_node(firewalls=Unknown("no systemd"))),
    ("firewall-active", {}),
    ("probe-not-root", on_node(uid=Unknown("no id"))),
    # Without nft the tables are unknown for that reason; one finding is enough.
    ("facts-unknown", on_node(nft=None, tables=Unknown("no nft"))),
    ("foreign-ipvs", {}),
    (
        "foreign-ipvs",
        {
            **foreign(VirtualServer("tcp", "192.0.2.7", 30080, "rr")),
            **with_surroundings(services=(ECHO,)),
        },
    ),
    (
        "foreign-ipvs",
        {
            **foreign(VirtualServer("tcp", "10.96.0.100", 80, "rr")),
            **with_surroundings(services=(ECHO,)),
        },
    ),
    (
        "foreign-ipvs",
        {
            **foreign(VirtualServer("tcp", "203.0.113.9", 80, "rr")),
            **with_surroundings(services=(replace(ECHO, external_ips=("203.0.113.9",)),)),
        },
    ),
    # A node in nftables mode has been flushed already: what is there now came later.
    ("foreign-ipvs", {"probes": {"node1": migrated(virtual_servers=(KEEPALIVED,))}}),
    ("connections-cut", on_node(ipvs_connections={"TIME_WAIT": 9}, established={})),
    ("slow-first-sync", {}),
    # The same NodePort on many addresses is no more work for nftables.
    (
        "slow-first-sync",
        {
            **on_node(virtual_servers=tuple(replace(one, port=30080) for one in MANY)),
            **with_surroundings(services=(ECHO,)),
        },
    ),
    ("owner-reverts", {}),
    (
        "owner-reverts",
        {
            "config_map": labelled(
                labels={"app": "kube-proxy"},
                annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"},
            )
        },
    ),
    ("owner-reverts", {"config_map": labelled(labels={"app.kubernetes.io/managed-by": "hand"})}),
    ("kubeadm-upgrade", {}),
    (
        "kubeadm-upgrade",
        with_surroundings(
            control_plane=(
                api_server("cp-1", "v1.36.2"),
                api_server("cp-1", "3.6.5-0", component="etcd"),
            ),
            kubeadm={"kubernetesVersion": "v1.36.2"},
        ),
    ),
    # kubelets may be a patch release apart, and workers' kubelets a minor release.
    (
        "kubeadm-upgrade",
        {
            "nodes": (node(kubelet="v1.35.0", labels={}), control_plane_node("cp-1", "v1.36.1")),
            **with_surroundings(control_plane=(api_server("cp-1", "v1.36.2"),)),
        },
    ),
    ("kubespray-traces", with_surroundings(kubeadm={"certificatesDir": "/etc/kubernetes/pki"})),
    ("calico-too-old", {}),
    ("calico-too-old", calico("v3.29.0")),
    ("calico-unknown", {}),
    ("calico-unknown", calico("v3.31.1")),
    ("calico-ebpf", calico("v3.31.0", felix={"bpfEnabled": False})),
    ("calico-ebpf", agents(agent("calico-node", environment={"FELIX_BPFENABLED": "false"}))),
    ("calico-moves-too", {}),
    ("calico-moves-too", calico("v3.28.0")),
    ("calico-moves-too", calico("v3.31.0", felix={"nftablesMode": "Enabled"})),
    ("calico-moves-too", calico("v3.32.0", felix={"nftablesMode": "Auto"})),
    (
        "calico-moves-too",
        with_surroundings(
            calico=Calico({"calicoVersion": "v3.31.0"}, {}, {}),
            agents=(agent("calico-node", environment={"FELIX_NFTABLESMODE": "Enabled"}),),
        ),
    ),
    ("waiver-unused", {}),
    (
        "waiver-unused",
        {
            **policy(waivers=[{"code": "nft-missing", "subject": "node*", "reason": "known"}]),
            **on_node(nft=None),
        },
    ),
    # One that is switched off beside is needed all the same.
    (
        "waiver-unused",
        {
            **policy(
                findings={"nft-missing": "off"},
                waivers=[{"code": "nft-missing", "reason": "known"}],
            ),
            **on_node(nft=None),
        },
    ),
    (
        "cni-replaces-kube-proxy",
        agents(agent("cilium"), cilium={"kube-proxy-replacement": "false"}),
    ),
    ("cni-replaces-kube-proxy", agents(cilium={"kube-proxy-replacement": "true"})),
    (
        "cni-replaces-kube-proxy",
        agents(agent("kube-router", arguments=("--run-service-proxy=false",))),
    ),
    ("cni-replaces-kube-proxy", agents(agent("kindnet"))),
    ("node-local-dns", {}),
    ("nodeport-reach", with_surroundings(services=(ECHO,))),
    ("nodeport-reach", policy(node_port_addresses="primary")),
    ("masquerade-carried", {}),
    ("masquerade-carried", with_config(IPVS + "iptables: {masqueradeBit: 14}\n")),
    ("scheduler-lost", with_config(IPVS + "ipvs: {scheduler: rr}\n")),
    ("ipvs-timeouts", with_config(IPVS + "ipvs: {tcpTimeout: 0s}\n")),
    ("exclude-cidrs", with_config(IPVS + "ipvs: {excludeCIDRs: []}\n")),
    ("conntrack-resets", {}),
    (
        "conntrack-resets",
        {**on_node(kernel="5.15.0"), **with_config(IPVS + "conntrack: {tcpBeLiberal: true}\n")},
    ),
    ("strict-arp", with_config(IPVS)),
    ("localhost-nodeports", {}),
    ("clusterip-ping", with_config(IPVS.replace("ipvs", "nftables"))),
    ("node-left-alone", {}),
]


@pytest.mark.parametrize(("code", "facts"), WELL)
def test_a_rule_leaves_alone_what_is_well(code, facts):
    assert code not in {f.code for f in judge(cluster_facts(**facts))}


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
    assert "nft-missing: node n0, node n1, node n2 and 2 more: no nft" in str(error.value)
