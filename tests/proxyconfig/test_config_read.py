"""What a KubeProxyConfiguration is read as, and what is not one."""

import json
from pathlib import Path

import pytest

from nftwave.proxyconfig import Masquerade, Unreadable, read

RECORDING = Path(__file__).parents[1] / "recordings/api/05-configmap-kube-proxy.json"
HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"


def test_the_recorded_configuration_is_read_as_written():
    body = json.loads(RECORDING.read_text())["response"]["body"]
    config = read(body["data"]["config.conf"])
    assert config.mode == "ipvs"
    assert (config.ipvs.scheduler, config.ipvs.strict_arp) == ("rr", True)
    assert config.ipvs.exclude_cidrs == ()
    assert config.ipvs.tcp_timeout == "0s"
    assert config.iptables == Masquerade(all=False, bit=None)
    assert config.nftables == Masquerade(all=False, bit=None)
    assert config.cluster_cidr == "10.244.0.0/16"
    assert config.bind_address == "0.0.0.0"  # noqa: S104 - what kubeadm wrote, not a socket
    assert config.tcp_be_liberal is False
    assert config.node_port_addresses == ()


def test_a_configuration_of_four_keys_leaves_the_rest_unset():
    config = read(HEAD + "mode: ipvs  # the old one\nclusterCIDR: 10.0.0.0/8,fd00::/48\n")
    assert config.mode == "ipvs"
    assert config.ipvs.scheduler == ""
    assert config.iptables == Masquerade(all=None, bit=None)
    assert dict(config.feature_gates) == {}


def test_all_that_findings_need_is_read():
    config = read(
        HEAD
        + "ipvs:\n  excludeCIDRs:\n  - 192.0.2.0/24\n  tcpFinTimeout: 30s\n  udpTimeout: 5m\n"
        + "featureGates: {NFTablesProxyMode: true}\nconntrack: {tcpBeLiberal: true}\n"
        + "iptables: {masqueradeAll: true, masqueradeBit: 3}\nnodePortAddresses: [primary]\n"
        + "detectLocalMode: NodeCIDR\nmetricsBindAddress: 0.0.0.0:10249\n"
        + "healthzBindAddress: '[::]:10256'\n"
    )
    assert config.ipvs.exclude_cidrs == ("192.0.2.0/24",)
    assert (config.ipvs.tcp_fin_timeout, config.ipvs.udp_timeout) == ("30s", "5m")
    assert config.feature_gates["NFTablesProxyMode"] is True
    assert config.tcp_be_liberal is True
    assert config.iptables == Masquerade(all=True, bit=3)
    assert config.node_port_addresses == ("primary",)
    assert config.detect_local_mode == "NodeCIDR"
    assert config.metrics_bind_address == "0.0.0.0:10249"
    assert config.healthz_bind_address == "[::]:10256"


@pytest.mark.parametrize("word", ["yes", "on", "True", "true"])
def test_flags_are_read_in_the_words_of_yaml_1_1_as_kube_proxy_does(word):
    assert read(HEAD + f"iptables: {{masqueradeAll: {word}}}\n").iptables.all is True


def test_null_is_the_same_as_not_set():
    config = read(HEAD + "mode:\nipvs: null\niptables: ~\nnodePortAddresses:\nfeatureGates:\n")
    assert config == read(HEAD)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "config.conf:1: nothing in it"),
        ("- a\n", "config.conf:1: not a mapping of fields"),
        ("ipvs\n", "config.conf:1: not a mapping of fields"),
        (HEAD + "ipvs: [\n", "config.conf:4: not YAML: expected the node content"),
        (HEAD + "ipvs:\n\tscheduler: rr\n", "config.conf:4: a tab stands where YAML wants spaces"),
        (HEAD + "mode: ipvs\nmode: iptables\n", "config.conf:4: key 'mode' is there twice"),
        (HEAD + "---\n" + HEAD, "config.conf:3: a second document starts here"),
        (HEAD + "<<: {mode: ipvs}\n", "config.conf:3: merge key `<<` is not read"),
        (HEAD + "1: a\n", "config.conf:3: a key is not a string"),
        (HEAD + "on: a\n", "config.conf:3: a key is not a string"),
        (HEAD + "mode: !x ipvs\n", "config.conf:3: tag !x is not read"),
        ("mode: ipvs\n", 'config.conf:1: found "" of ""; only KubeProxyConfiguration of '),
        (
            HEAD.replace("v1alpha1", "v1"),
            'config.conf:1: found "KubeProxyConfiguration" of "kubeproxy.config.k8s.io/v1"',
        ),
        (HEAD.replace("KubeProxyC", "KubeletC"), 'config.conf:1: found "KubeletConfiguration" of'),
        (HEAD + "mode: [ipvs]\n", "config.conf:3: mode: is not a string"),
        (HEAD + "mode: 4\n", "config.conf:3: mode: is not a string"),
        (HEAD + "ipvs: rr\n", "config.conf:3: ipvs: is not a mapping"),
        (HEAD + "ipvs:\n  strictARP: 1\n", "config.conf:4: ipvs.strictARP: is not true or false"),
        (
            HEAD + "iptables:\n  masqueradeBit: '14'\n",
            "config.conf:4: iptables.masqueradeBit: is not a whole number",
        ),
        (
            HEAD + "nftables: {masqueradeBit: true}\n",
            "config.conf:3: nftables.masqueradeBit: is not a whole number",
        ),
        (
            HEAD + "nodePortAddresses: 0.0.0.0/0\n",
            "config.conf:3: nodePortAddresses: is not a list of strings",
        ),
        (
            HEAD + "nodePortAddresses: [1]\n",
            "config.conf:3: nodePortAddresses: is not a list of strings",
        ),
        (
            HEAD + "featureGates: {a: b}\n",
            "config.conf:3: featureGates: is not a mapping of names to true or false",
        ),
        (HEAD + "featureGates: []\n", "config.conf:3: featureGates: is not a mapping of names"),
    ],
    ids=repr,
)
def test_what_is_no_configuration_is_told_with_its_line(text, told):
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert str(caught.value).startswith(told)
    assert caught.value.unchanged
    assert "kubectl" in caught.value.next_step
