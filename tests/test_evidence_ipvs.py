"""The way back: a node is verified in ipvs mode by what its kernel holds, and by no less."""

from dataclasses import replace

import pytest

from nftwave.errors import Unreachable
from nftwave.evidence import Expected, Look, ProxyLog, Standing, judge
from nftwave.node.facts import Attempt, Health, ServicePort, Unknown, VirtualServer
from nftwave.node.parse import COMMANDS, parse
from nftwave.serving.compare import Comparison, Named
from nftwave.serving.index import Index
from nftwave.serving.virtual import by_family, without_real_servers
from tests.facts import KUBERNETES, NEW_UID, STARTED, in_ipvs, migrated, pod
from tests.node.recorded import MARK, answer
from tests.serving.cluster import endpoint, endpoint_slice, service

LOG = ProxyLog("ipvs", frozenset({"ip", "ip6"}))
EXPECTED = Expected((KUBERNETES,), replaced_uid="old", mode="ipvs")
SERVICES = {"ip": Comparison(expected=1), "ip6": Comparison(expected=0)}
WEB = Named(ServicePort("10.96.3.4", "tcp", 80), "default/web")
CLUSTER_IPS = {"10.96.0.1": "default/kubernetes"}
NO_ANSWER = {KUBERNETES: Attempt(connected=False, said="no answer within 2 s")}
LATER = STARTED + 100


def look(facts=None, the_pod="default", log=LOG, **differences):
    chosen = pod() if the_pod == "default" else the_pod
    told = {
        "services": SERVICES,
        "foreign": (),
        "reach": {KUBERNETES: "default/kubernetes"},
        "cluster_ips": CLUSTER_IPS,
    }
    return Look(facts or in_ipvs(), chosen, log, **{**told, **differences})


def verdict(facts=None, the_pod="default", log=LOG, expected=EXPECTED, first=None, **differences):
    now = look(facts, the_pod, log, **differences)
    return judge("node1", now, expected, at=STARTED + 60, first=first)


def names(found):
    return [e.name for e in found.against()]


def seen(found, name):
    (text,) = [e.seen for e in found.evidence if e.name == name]
    return text


def test_a_node_that_is_back_in_ipvs_is_verified_and_says_which_mode_it_proved():
    found = verdict()
    assert found.standing is Standing.VERIFIED, found.why()
    assert found.warnings() == ()
    assert found.mode == found.as_dict()["mode"] == "ipvs"
    assert "evidence for ipvs mode hold" in found.why()


def test_what_one_mode_proves_the_other_does_not():
    assert verdict(migrated()).standing is Standing.FAILED
    nftables = replace(EXPECTED, mode="nftables")
    found = verdict(expected=nftables)
    assert (found.standing, found.mode) == (Standing.FAILED, "nftables")


def test_nothing_is_asked_of_maps_failed_nftables_syncs_and_iptables_chains():
    bare = in_ipvs(
        service_ips={},
        no_endpoints={},
        sync_failures=Unknown("not told"),
        iptables_chains=frozenset({"KUBE-SERVICES"}),
    )
    found = verdict(bare)
    assert found.standing is Standing.VERIFIED, found.why()
    assert found.warnings() == ()


LIES = [
    ("/proxyMode", in_ipvs(proxy_mode="nftables")),
    ("/proxyMode", in_ipvs(proxy_mode="iptables")),
    ("first sync ip", in_ipvs(last_sync={"ip6": STARTED + 9}, clock=LATER)),
    ("first sync ip6", in_ipvs(last_sync={"ip": STARTED + 5}, clock=LATER)),
    # Virtual servers that were there all the time are those of an earlier kube-proxy.
    ("first sync ip", in_ipvs(last_sync={"ip": STARTED - 9, "ip6": STARTED + 9}, clock=LATER)),
    ("virtual servers ip", in_ipvs(virtual_servers=())),
    (
        "virtual servers ip",
        in_ipvs(virtual_servers=(VirtualServer("udp", "10.96.0.1", 443, "rr"),)),
    ),
    ("kube-ipvs0", in_ipvs(ipvs_interface=None)),
    ("kube-ipvs0", in_ipvs(ipvs_interface=())),
    ("kube-ipvs0", in_ipvs(ipvs_interface=("10.96.0.10",))),
    ("nftables tables gone", in_ipvs(tables=frozenset({("ip", "kube-proxy")}))),
    ("nftables tables gone", in_ipvs(tables=frozenset({("ip6", "kube-proxy")}))),
    ("connection to default/kubernetes", in_ipvs(answers=NO_ANSWER)),
]


@pytest.mark.parametrize(("name", "facts"), LIES)
def test_one_thing_wrong_is_enough_to_fail_a_node(name, facts):
    found = verdict(facts)
    assert found.standing is Standing.FAILED
    assert names(found) == [name]


@pytest.mark.parametrize(
    "field",
    ["proxy_mode", "last_sync", "virtual_servers", "ipvs_interface", "tables"],
)
def test_what_could_not_be_seen_makes_a_node_unknown_with_the_reason(field):
    found = verdict(in_ipvs(**{field: Unknown("not permitted")}))
    assert found.standing is Standing.UNKNOWN
    assert "not permitted" in found.why()


def test_a_log_of_the_other_proxier_fails_the_node_and_names_the_mode_that_was_wanted():
    found = verdict(log=ProxyLog("nftables", None))
    assert names(found) == ["log line"]
    assert "Using nftables Proxier, not ipvs" in found.why()
    assert "nftables, not ipvs" in verdict(in_ipvs(proxy_mode="nftables")).why()


@pytest.mark.parametrize(
    ("the_pod", "told"),
    [
        (None, "no kube-proxy pod"),
        (pod(uid="old"), "was not replaced"),
        (pod(waiting="CrashLoopBackOff", restarts=4), "CrashLoopBackOff"),
    ],
)
def test_the_pod_has_to_be_a_ready_successor_on_the_way_back_too(the_pod, told):
    found = verdict(the_pod=the_pod)
    assert found.standing is Standing.FAILED
    assert told in found.why()


def test_a_container_that_just_started_is_looked_at_twice():
    young = in_ipvs(clock=STARTED + 20)
    assert names(verdict(young)) == ["container stays up"]
    assert verdict(young, first=look(young)).standing is Standing.VERIFIED


def test_a_node_that_does_not_answer_is_unknown_in_that_mode():
    found = verdict(Unreachable("refused", node="node1"))
    assert (found.standing, found.mode) == (Standing.UNKNOWN, "ipvs")


# Virtual servers and the API's Services


def test_missing_virtual_servers_are_named_with_their_number():
    found = verdict(services={**SERVICES, "ip": Comparison(expected=3, missing=(WEB,))})
    assert names(found) == ["Services ip"]
    assert "2 of 3 Service ports among the virtual servers" in found.why()
    assert "default/web (10.96.3.4 . tcp . 80)" in found.why()


def test_virtual_servers_without_real_servers_fail_the_node():
    found = verdict(services={**SERVICES, "ip": Comparison(expected=3, rejected=(WEB,))})
    assert names(found) == ["real servers ip"]
    assert "default/web" in found.why()


def test_what_ipvs_holds_beyond_the_services_means_nothing():
    found = verdict(services={**SERVICES, "ip": Comparison(expected=1, stale=(WEB,))})
    assert found.standing is Standing.VERIFIED
    assert found.warnings() == ()


@pytest.mark.parametrize("field", ["services", "cluster_ips"])
def test_without_the_apis_services_a_node_is_unknown(field):
    found = verdict(**{field: Unknown("403")})
    assert found.standing is Standing.UNKNOWN
    assert "403" in found.why()


# The interface


def test_cluster_ips_that_the_interface_lacks_are_named_and_the_rest_is_counted():
    many = CLUSTER_IPS | {f"10.96.9.{n}": f"default/s{n}" for n in range(5)}
    told = seen(verdict(cluster_ips=many), "kube-ipvs0")
    assert "1 of 6 ClusterIPs" in told
    assert "default/s0 (10.96.9.0)" in told
    assert told.endswith("and 2 more")


def test_cluster_ips_of_a_family_that_is_not_served_are_not_asked_for():
    both = CLUSTER_IPS | {"fd00::1": "default/six"}
    assert names(verdict(cluster_ips=both)) == ["kube-ipvs0"]
    single = in_ipvs(last_sync={"ip": STARTED + 5}, last_queued={"ip": STARTED + 2})
    log = ProxyLog("ipvs", frozenset({"ip"}))
    assert verdict(single, log=log, cluster_ips=both).standing is Standing.VERIFIED


# Not yet


def test_a_first_sync_that_is_under_way_is_unknown():
    syncing = in_ipvs(
        clock=STARTED + 45,
        last_sync={},
        virtual_servers=(),
        ipvs_interface=None,
        answers=NO_ANSWER,
    )
    missing = {"ip": Comparison(expected=1, missing=(WEB,)), "ip6": Comparison(expected=0)}
    found = verdict(syncing, first=look(syncing), services=missing)
    assert found.standing is Standing.UNKNOWN, found.why()
    assert "still syncing" in found.why()
    late = replace(syncing, clock=LATER)
    assert verdict(late, services=missing).standing is Standing.FAILED


def test_before_kube_proxy_answers_nothing_is_held_against_a_young_node():
    silent = Unknown("refused")
    starting = in_ipvs(
        clock=STARTED + 5,
        proxy_mode=silent,
        last_sync=silent,
        last_queued=silent,
        health=silent,
        virtual_servers=(),
        ipvs_interface=None,
        answers={},
    )
    missing = {"ip": Comparison(expected=1, missing=(WEB,)), "ip6": Comparison(expected=0)}
    assert verdict(starting, services=missing).standing is Standing.UNKNOWN
    late = replace(starting, clock=LATER)
    assert verdict(late, services=missing).standing is Standing.FAILED


# A real node


def recorded_services():
    """Those of the cluster on which the recordings were made."""
    index = Index()
    api, echo = service("kubernetes", ("10.96.0.1",)), service("echo", ("10.96.0.100",))
    api["spec"]["ports"] = [{"name": "http", "protocol": "TCP", "port": 443}]
    echo["spec"]["ports"][0]["nodePort"] = 30080
    for item in (api, echo):
        index.put_service(item)
        index.put_slice(endpoint_slice(endpoint(ready=True), service=item["metadata"]["name"]))
    index.loaded()
    return index


def recorded_verdict(recordings, tables):
    found = parse(answer("ipvs", tables=tables), node="node1", mark=MARK)
    facts = replace(
        found,
        clock=found.process_started + 400,
        listener=f"0::/kubepods-pod{NEW_UID}.slice/x",
        answers={KUBERNETES: Attempt(connected=True, said="connected (bash)")},
        conntrack=(100, 131072),
    )
    log = ProxyLog.read((recordings / "node" / "ipvs" / "kube-proxy.log.txt").read_text())
    index = recorded_services()
    held, bare = by_family(facts.virtual_servers), without_real_servers(facts.virtual_servers)
    return verdict(
        facts,
        pod(started=found.process_started),
        log,
        services=index.compare("n1", held, bare, since=1e12),
        foreign=index.foreign(facts.virtual_servers),
        cluster_ips=index.cluster_ips(since=1e12),
    )


def test_a_recorded_ipvs_node_is_verified(recordings):
    # nft had timed out when that node was recorded, so what it would have listed stands in.
    found = recorded_verdict(recordings, ("table ip nat\ntable ip6 nat\n", 0))
    assert found.standing is Standing.VERIFIED, found.why()
    assert "2 of 2 ClusterIPs" in seen(found, "kube-ipvs0")
    assert "2 of 2 Service ports" in seen(found, "Services ip")


def test_tables_beside_a_recorded_ipvs_node_fail_it(recordings):
    found = recorded_verdict(recordings, ("table ip nat\ntable ip kube-proxy\n", 0))
    assert names(found) == ["nftables tables gone"]
    assert "there: ip kube-proxy" in found.why()


def test_every_piece_of_evidence_names_a_command():
    facts = in_ipvs(commands=COMMANDS)
    for differences in ({}, {"services": Unknown("403"), "cluster_ips": Unknown("403")}):
        found = verdict(facts, **differences)
        assert [e.name for e in found.evidence if not e.command] == []


def test_health_of_an_older_kube_proxy_asks_for_no_more_families():
    old = in_ipvs(
        last_sync={"any": STARTED + 5},
        last_queued={"any": STARTED + 2},
        health=Health(200, {}),
    )
    found = verdict(old, log=ProxyLog(None, None))
    assert found.standing is Standing.VERIFIED, found.why()
    assert "virtual servers ip6" not in {e.name for e in found.evidence}
