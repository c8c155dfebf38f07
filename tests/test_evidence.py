import pytest

from nftwave.errors import Unreachable
from nftwave.evidence import Expected, ProxyLog, Standing, judge
from nftwave.node.facts import ServicePort, Unknown, VirtualServer
from tests.facts import KUBERNETES, STARTED, in_ipvs, migrated, pod

LOG = ProxyLog("nftables", frozenset({"ip", "ip6"}))
EXPECTED = Expected((KUBERNETES,), replaced_uid="old")


def verdict(facts=None, the_pod="default", log=LOG, expected=EXPECTED):
    chosen = pod() if the_pod == "default" else the_pod
    return judge("node1", facts or migrated(), chosen, log, expected, at=STARTED + 60)


def test_a_node_with_all_evidence_is_verified():
    assert verdict().standing is Standing.VERIFIED
    assert verdict().against() == ()


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("/proxyMode", migrated(proxy_mode="ipvs")),
        ("/proxyMode", migrated(proxy_mode="iptables")),
        ("first sync ip", migrated(last_sync={"ip6": STARTED + 9})),
        ("first sync ip", migrated(last_sync={"ip": 0.0, "ip6": STARTED + 9})),
        ("first sync ip6", migrated(last_sync={"ip": STARTED + 5})),
        # A table synced before this container started is a dead kube-proxy's.
        ("first sync ip", migrated(last_sync={"ip": STARTED - 500, "ip6": STARTED + 9})),
        ("table ip kube-proxy", migrated(tables=frozenset({("ip6", "kube-proxy")}))),
        ("table ip6 kube-proxy", migrated(tables=frozenset({("ip", "kube-proxy")}))),
        ("map service-ips ip", migrated(service_ips={"ip": None, "ip6": frozenset()})),
        ("map service-ips ip", migrated(service_ips={"ip": frozenset(), "ip6": frozenset()})),
        (
            "map service-ips ip",
            migrated(service_ips={"ip": frozenset({ServicePort("10.96.0.1", "udp", 443)})}),
        ),
        ("sync failures", migrated(sync_failures={"ip": 2.0})),
        ("no ipvs rules", migrated(virtual_servers=(VirtualServer("tcp", "1.2.3.4", 80, "rr"),))),
        ("kube-ipvs0 gone", migrated(ipvs_interface=())),
        ("kube-ipvs0 gone", migrated(ipvs_interface=("10.96.0.1",))),
        ("answering process", migrated(process_started=STARTED - 4000)),
    ],
)
def test_one_thing_wrong_is_enough_to_fail_a_node(name, facts):
    found = verdict(facts)
    assert found.standing is Standing.FAILED
    assert [e.name for e in found.against()] == [name]
    assert name in found.why()


@pytest.mark.parametrize(
    "field",
    [
        "tables",
        "virtual_servers",
        "ipvs_interface",
        "proxy_mode",
        "last_sync",
        "sync_failures",
        "process_started",
    ],
)
def test_what_could_not_be_seen_makes_a_node_unknown_with_the_reason(field):
    found = verdict(migrated(**{field: Unknown("not permitted")}))
    assert found.standing is Standing.UNKNOWN
    assert "not permitted" in found.why()


def test_unreadable_service_ips_make_a_node_unknown():
    found = verdict(migrated(service_ips={"ip": Unknown("no JSON"), "ip6": frozenset()}))
    assert found.standing is Standing.UNKNOWN


def test_something_wrong_outweighs_something_unknown():
    found = verdict(migrated(tables=Unknown("no nft"), proxy_mode="ipvs"))
    assert found.standing is Standing.FAILED
    assert found.against()[0].name == "/proxyMode"


def test_an_unreachable_node_is_unknown_whatever_its_pod_says():
    found = verdict(Unreachable("refused", node="node1"))
    assert found.standing is Standing.UNKNOWN
    assert "refused" in found.why()


@pytest.mark.parametrize(
    ("the_pod", "seen"),
    [
        (None, "no kube-proxy pod"),
        (pod(uid="old"), "was not replaced"),
        (pod(waiting="CrashLoopBackOff", restarts=4), "CrashLoopBackOff, 4 restarts"),
        (pod(ready=False), "starting"),
        (pod(deleting=True), "terminating"),
    ],
)
def test_a_pod_that_is_not_a_ready_successor_fails_the_node(the_pod, seen):
    found = verdict(the_pod=the_pod)
    assert found.standing is Standing.FAILED
    assert seen in found.why()


def test_a_log_that_names_another_proxier_fails_the_node():
    assert verdict(log=ProxyLog("ipvs", None)).standing is Standing.FAILED


def test_an_unreadable_log_makes_the_node_unknown():
    assert verdict(log=None).standing is Standing.UNKNOWN


def test_a_rotated_log_leaves_the_verdict_to_the_rest():
    rotated = ProxyLog(None, None)
    assert verdict(log=rotated).standing is Standing.VERIFIED
    assert verdict(migrated(proxy_mode="ipvs"), log=rotated).standing is Standing.FAILED


def test_the_log_line_alone_never_verifies_a_node():
    dying = in_ipvs(
        virtual_servers=(),
        ipvs_interface=None,
        proxy_mode=Unknown("refused"),
        last_sync=Unknown("refused"),
        process_started=Unknown("refused"),
    )
    assert verdict(dying).standing is Standing.FAILED


def test_a_single_stack_kube_proxy_needs_one_family_only():
    facts = migrated(
        tables=frozenset({("ip", "kube-proxy")}),
        last_sync={"ip": STARTED + 5},
        service_ips={"ip": frozenset({KUBERNETES})},
    )
    log = ProxyLog("nftables", frozenset({"ip"}))
    assert verdict(facts, log=log).standing is Standing.VERIFIED


def test_without_the_log_the_families_come_from_metrics_and_services():
    facts = migrated(tables=frozenset({("ip", "kube-proxy")}))
    found = verdict(facts, log=ProxyLog(None, None))
    assert [e.name for e in found.against() if e.counts] == ["table ip6 kube-proxy"]


@pytest.mark.parametrize(
    ("state", "proxier"),
    [("ipvs", "ipvs"), ("nftables", "nftables"), ("nftables-no-nft", "nftables")],
)
def test_recorded_logs_name_proxier_and_families(recordings, state, proxier):
    text = (recordings / "node" / state / "kube-proxy.log.txt").read_text()
    assert ProxyLog.read(text) == ProxyLog(proxier, frozenset({"ip", "ip6"}))


def test_a_single_stack_log_names_its_family():
    line = 'I1 server.go:1] "kube-proxy running in single-stack mode" ipFamily="IPv6"'
    assert ProxyLog.read(line).families == frozenset({"ip6"})
