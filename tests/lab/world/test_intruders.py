"""Faults by somebody else's hand: keepalived, Argo CD, a kubeadm upgrade, a killed kube-proxy."""

from __future__ import annotations

import json

import pytest

from nftwave.lab.control import LabError

NODE = "lab-1-node-1"
FOREIGN = {
    "protocol": "tcp",
    "address": "192.0.2.10:80",
    "scheduler": "rr",
    "realServers": ["192.0.2.21:8080"],
}


def config_map(clients, name="kube-proxy"):
    text = clients.kubectl("get", "-n", "kube-system", "configmap", name, "-o", "json")
    return json.loads(text)


def mode(clients):
    text = config_map(clients)["data"]["config.conf"]
    return next(line for line in text.splitlines() if line.startswith("mode:"))


def test_a_virtual_server_of_keepalived_goes_with_the_change_and_may_come_back(fresh):
    fresh.lab.fault("lab-1", NODE, "foreign-ipvs")
    assert FOREIGN in fresh.node(NODE)["virtualServers"]
    assert FOREIGN not in fresh.node("lab-1-node-2")["virtualServers"]
    shown = fresh.ssh(NODE, "cat /proc/net/ip_vs").stdout
    assert "TCP  C000020A:0050 rr" in shown
    assert "  -> C0000215:1F90 " in shown
    fresh.switch_to("nftables")
    fresh.delete_proxy_of(NODE)
    fresh.until(lambda: "ip kube-proxy" in fresh.node(NODE)["tables"], "nftables")
    assert fresh.node(NODE)["virtualServers"] == []
    fresh.lab.fault("lab-1", NODE, "foreign-ipvs")
    assert fresh.node(NODE)["virtualServers"] == [FOREIGN]
    fresh.lab.clear("lab-1", NODE)
    assert fresh.node(NODE)["virtualServers"] == []


def control_plane_pods(clients):
    words = ("get", "-n", "kube-system", "pods", "-l", "tier=control-plane", "-o", "json")
    return {pod["metadata"]["name"]: pod for pod in json.loads(clients.kubectl(*words))["items"]}


def versions(clients):
    """The version of each static pod but etcd's."""
    return {
        name: pod["spec"]["containers"][0]["image"].rpartition(":")[2]
        for name, pod in control_plane_pods(clients).items()
        if not name.startswith("etcd")
    }


def test_a_control_plane_has_its_static_pods(start):
    clients = start(nodes=10)
    pods = control_plane_pods(clients)
    assert len(pods) == 12
    pod = pods["kube-apiserver-lab-1-cp-2"]
    assert pod["metadata"]["labels"]["component"] == "kube-apiserver"
    assert pod["metadata"]["annotations"]["kubernetes.io/config.source"] == "file"
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "Node"
    assert pod["status"]["phase"] == "Running"
    assert set(versions(clients).values()) == {"v1.36.2"}


@pytest.mark.parametrize("target", ["-", "lab-1-cp-2"])
def test_an_upgrade_stands_half_way_and_is_undone(start, target):
    clients = start(nodes=10)
    ahead = "lab-1-cp-1" if target == "-" else target
    clients.lab.fault("lab-1", target, "kubeadm-upgrade-midway")
    newer = {name for name, version in versions(clients).items() if version == "v1.36.3"}
    assert newer == {
        f"{component}-{ahead}"
        for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    }
    jsonpath = "jsonpath={.items[?(@.status.nodeInfo.kubeletVersion=='v1.36.3')].metadata.name}"
    assert clients.kubectl("get", "nodes", "-o", jsonpath) == ahead
    words = ("get", "-n", "kube-system", "ds", "kube-proxy", "-o", "yaml")
    assert "kube-proxy:v1.36.2" in clients.kubectl(*words)
    configuration = config_map(clients, "kubeadm-config")["data"]["ClusterConfiguration"]
    assert "kubernetesVersion: v1.36.3" in configuration
    version = json.loads(clients.kubectl("get", "--raw", "/version"))["gitVersion"]
    assert version == ("v1.36.3" if ahead == "lab-1-cp-1" else "v1.36.2")
    clients.lab.clear("lab-1")
    assert set(versions(clients).values()) == {"v1.36.2"}
    assert "kubeletVersion: v1.36.3" not in clients.kubectl("get", "nodes", "-o", "yaml")
    configuration = config_map(clients, "kubeadm-config")["data"]["ClusterConfiguration"]
    assert "kubernetesVersion: v1.36.2" in configuration


def test_some_faults_are_not_those_of_an_ordinary_node(shared):
    with pytest.raises(LabError, match="is a fault of a control plane"):
        shared.lab.fault("lab-1", NODE, "kubeadm-upgrade-midway")
    with pytest.raises(LabError, match="whole cluster: its node is -"):
        shared.lab.fault("lab-1", NODE, "gitops-revert")


def test_argo_cd_marks_the_config_map_and_takes_changes_back(fresh):
    fresh.lab.fault("lab-1", "-", "gitops-revert")
    assert "gitops-revert" in fresh.lab.state()["clusters"]["lab-1"]["api"]["faults"]
    metadata = config_map(fresh)["metadata"]
    assert metadata["labels"]["app.kubernetes.io/instance"] == "cluster-addons"
    assert "argocd.argoproj.io/tracking-id" in metadata["annotations"]
    for _ in range(2):
        fresh.switch_to("nftables")
        fresh.until(lambda: mode(fresh) == "mode: ipvs", "taken back")
    words = ("get", "-n", "kube-system", "configmap", "kube-proxy", "-o", "yaml")
    assert "manager: argocd-controller" in fresh.kubectl(*words, "--show-managed-fields")
    fresh.lab.clear("lab-1", "-", "gitops-revert")
    metadata = config_map(fresh)["metadata"]
    assert metadata["labels"] == {"app": "kube-proxy"}
    assert "annotations" not in metadata


def test_a_node_flips_early_in_the_same_pod(fresh):
    fresh.lab.fault("lab-1", NODE, "early-flip")
    before = fresh.node(NODE)["kubeProxy"]
    fresh.switch_to("nftables")
    node = fresh.until(
        lambda: "ip kube-proxy" in fresh.node(NODE)["tables"] and fresh.node(NODE), "flipped"
    )
    assert node["mode"] == "nftables"
    assert (node["kubeProxy"]["uid"], node["kubeProxy"]["restarts"]) == (before["uid"], 1)
    assert fresh.node("lab-1-node-2")["mode"] == "ipvs"
    words = ("get", "-n", "kube-system", "pod", before["pod"], "-o", "json")
    [container] = json.loads(fresh.kubectl(*words))["status"]["containerStatuses"]
    assert (container["restartCount"], container["ready"]) == (1, True)
    assert container["lastState"]["terminated"]["exitCode"] == 137
    reasons = fresh.kubectl(
        "get",
        "-n",
        "kube-system",
        "events",
        "--field-selector",
        f"involvedObject.uid={before['uid']}",
        "-o",
        "jsonpath={.items[*].reason}",
    ).split()
    assert reasons == ["Pulled", "Created", "Started"]
    previous = fresh.kubectl("logs", "-n", "kube-system", before["pod"], "--previous")
    assert '"Using ipvs Proxier"' in previous


def test_only_a_config_map_that_says_nftables_makes_a_node_flip_early(fresh):
    fresh.lab.fault("lab-1", NODE, "early-flip")
    fresh.kubectl("label", "-n", "kube-system", "configmap", "kube-proxy", "touched=yes")
    fresh.switch_to("nftables")
    fresh.until(lambda: fresh.node(NODE)["mode"] == "nftables", "flipped")
    fresh.switch_to("ipvs")
    fresh.lab.fault("lab-1", "lab-1-node-2", "early-flip")
    fresh.switch_to("nftables")
    fresh.until(lambda: fresh.node("lab-1-node-2")["mode"] == "nftables", "the other one")
    assert fresh.node(NODE)["kubeProxy"]["restarts"] == 1
