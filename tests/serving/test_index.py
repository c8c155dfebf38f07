import pytest
from hypothesis import given
from hypothesis import strategies as st

from nftwave.node.facts import ServicePort, Unknown, VirtualServer
from nftwave.serving.index import SETTLING, Index
from nftwave.serving.virtual import by_family, without_real_servers

from .cluster import endpoint, endpoint_slice, service

WEB = ServicePort("10.96.3.4", "tcp", 80)
READY = endpoint(ready=True)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def index_of(*items, clock=None):
    index = Index(clock or Clock())
    for item in items:
        (index.put_slice if "addressType" in item else index.put_service)(item)
    index.loaded()
    return index


def compare(index, held=(), rejected=(), *, node="n1", since=1000.0):
    return index.compare(node, {"ip": frozenset(held)}, {"ip": frozenset(rejected)}, since=since)[
        "ip"
    ]


def ports(named):
    return [one.port for one in named]


def test_a_node_that_holds_what_it_must_differs_in_nothing():
    found = compare(index_of(service(), endpoint_slice(READY)), {WEB})
    assert (found.expected, found.missing, found.rejected, found.stale) == (1, (), (), ())


def test_a_missing_service_is_named():
    found = compare(index_of(service(), endpoint_slice(READY)))
    assert found.expected == 1
    assert [(one.port, one.service) for one in found.missing] == [(WEB, "default/web")]


def test_a_rejected_service_that_has_endpoints_is_named():
    assert ports(compare(index_of(service(), endpoint_slice(READY)), {WEB}, {WEB}).rejected) == [
        WEB
    ]
    assert compare(index_of(service(), endpoint_slice()), (), {WEB}).rejected == ()


def test_an_entry_of_no_service_is_stale():
    assert ports(compare(index_of(), {WEB}).stale) == [WEB]
    assert ports(compare(index_of(service(), endpoint_slice()), {WEB}).stale) == [WEB]


def test_a_policy_local_is_judged_by_the_node():
    index = index_of(service(internalTrafficPolicy="Local"), endpoint_slice(READY))
    assert compare(index, {WEB}, node="n1").missing == ()
    assert ports(compare(index, (), {WEB}, node="n1").missing) == [WEB]
    elsewhere = compare(index, (), {WEB}, node="n2")
    assert (elsewhere.expected, elsewhere.missing, elsewhere.rejected) == (0, (), ())


def test_what_changed_a_moment_ago_counts_neither_way_and_later_it_counts():
    clock = Clock()
    index = index_of(service(), endpoint_slice(READY), clock=clock)
    clock.now += 100
    index.put_slice(endpoint_slice(endpoint(ready=False)))
    for held, rejected in (({WEB}, ()), ((), {WEB})):
        soon = compare(index, held, rejected, since=clock.now + SETTLING - 1)
        assert (soon.missing, soon.rejected, soon.stale) == ((), (), ())
    assert compare(index, {WEB}, since=clock.now + 1).changing == 1
    assert ports(compare(index, {WEB}, since=clock.now + SETTLING + 1).stale) == [WEB]


def test_a_change_that_changes_nothing_here_is_none():
    clock = Clock()
    index = index_of(service(), endpoint_slice(READY), clock=clock)
    clock.now += 100
    index.put_slice(endpoint_slice(READY, READY))
    index.put_service(service())
    assert ports(compare(index, since=clock.now + 1).missing) == [WEB]


def test_a_service_that_is_gone_is_expected_no_longer():
    index = index_of(service(), endpoint_slice(READY))
    index.remove_service(("default", "web"))
    index.remove_slice(("default", "web-IPv4-http"))
    assert compare(index, since=2000.0).expected == 0


def test_maps_that_are_not_there_or_not_known_count_as_empty():
    index = index_of(service(), endpoint_slice(READY))
    for held in (None, Unknown("cut off")):
        found = index.compare("n1", {"ip": held}, {"ip": held}, since=1000.0)["ip"]
        assert ports(found.missing) == [WEB]


def test_the_api_server_and_the_dns_are_to_be_reached_if_they_have_endpoints():
    api = service("kubernetes", ("10.96.0.1",))
    dns = service("kube-dns", ("10.96.0.10",))
    dns["metadata"]["namespace"] = "kube-system"
    dns["spec"]["ports"] = [
        {"name": "http", "port": 53, "protocol": "TCP"},
        {"name": "metrics", "port": 9153, "protocol": "TCP"},
    ]
    index = index_of(api, dns, endpoint_slice(READY, service="kubernetes"))
    assert index.reach() == {
        ServicePort("10.96.0.1", "tcp", 80): "default/kubernetes (10.96.0.1:80)"
    }
    dns_slice = endpoint_slice(READY, service="kube-dns")
    dns_slice["metadata"]["namespace"] = "kube-system"
    index.put_slice(dns_slice)
    assert ServicePort("10.96.0.10", "tcp", 53) in index.reach()
    assert ServicePort("10.96.0.10", "tcp", 9153) not in index.reach()


def test_virtual_servers_of_no_service_are_foreign():
    index = index_of(service())
    ours = VirtualServer("tcp", "10.96.3.4", 80, "rr")
    theirs = VirtualServer("tcp", "192.0.2.10", 80, "rr")
    assert index.foreign((ours, theirs)) == (theirs,)
    index.remove_service(("default", "web"))
    assert index.foreign((ours, theirs)) == (ours, theirs)


def in_ipvs(index, *servers, node="n1"):
    held, bare = by_family(servers), without_real_servers(servers)
    return index.compare(node, held, bare, since=1000.0)["ip"]


BACKEND = (ServicePort("10.244.1.4", "tcp", 8080),)
SERVER = VirtualServer("tcp", "10.96.3.4", 80, "rr", BACKEND)
BARE = VirtualServer("tcp", "10.96.3.4", 80, "rr")
MARK = VirtualServer("fwm", "", 80, "rr")


def test_virtual_servers_are_compared_as_maps_are():
    index = index_of(service(), endpoint_slice(READY))
    assert in_ipvs(index, SERVER).missing == ()
    assert ports(in_ipvs(index).missing) == [WEB]
    assert ports(in_ipvs(index, MARK).missing) == [WEB]
    assert ports(in_ipvs(index, BARE).rejected) == [WEB]
    assert in_ipvs(index, SERVER).rejected == ()


def test_a_virtual_server_of_a_service_without_endpoints_needs_no_real_server():
    assert in_ipvs(index_of(service(), endpoint_slice()), BARE).rejected == ()


@pytest.mark.parametrize(
    "policy",
    [{"internalTrafficPolicy": "Local"}, {"externalTrafficPolicy": "Local"}],
    ids=["internal", "external"],
)
def test_a_policy_local_asks_for_real_servers_only_where_an_endpoint_is(policy):
    external = {"externalIPs": ["192.0.2.7"]} if "externalTrafficPolicy" in policy else {}
    index = index_of(service(**policy, **external), endpoint_slice(READY))
    bare = VirtualServer("tcp", "192.0.2.7", 80, "rr") if external else BARE
    held = (SERVER, bare) if external else (bare,)
    assert ports(in_ipvs(index, *held, node="n1").rejected) == [
        ServicePort(bare.address, "tcp", 80)
    ]
    assert in_ipvs(index, *held, node="n2").rejected == ()


def test_cluster_ips_are_those_that_kube_proxy_serves():
    other = {"service.kubernetes.io/service-proxy-name": "x"}
    index = index_of(
        service(addresses=("10.96.3.4", "fd00::4"), externalIPs=["192.0.2.7"]),
        service("headless", ("None",)),
        service("no-port", ("10.96.3.5",), ports=[]),
        service("others", ("10.96.3.6",), labels=other),
    )
    assert index.cluster_ips(since=1000.0) == {"10.96.3.4": "default/web", "fd00::4": "default/web"}
    index.remove_service(("default", "web"))
    assert index.cluster_ips(since=1000.0) == {}


def test_a_cluster_ip_that_is_new_is_not_asked_for_yet():
    clock = Clock()
    index = index_of(clock=clock)
    clock.now += 100
    index.put_service(service())
    assert index.cluster_ips(since=clock.now + 1) == {}
    assert index.cluster_ips(since=clock.now + SETTLING + 1) == {"10.96.3.4": "default/web"}


SERVERS = st.lists(
    st.builds(
        VirtualServer,
        st.sampled_from(["tcp", "udp", "sctp", "fwm"]),
        st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str),
        st.integers(1, 65535),
        st.just("rr"),
        st.sampled_from([(), BACKEND]),
    )
)


@given(SERVERS)
def test_each_virtual_server_is_held_in_its_family_and_once_only(servers):
    held, bare = by_family(servers), without_real_servers(servers)
    named = {(one.address, one.protocol, one.port) for one in servers if one.protocol != "fwm"}
    assert set(held["ip"]) | set(held["ip6"]) == named
    assert not any(":" in address for address, *_ in held["ip"])
    assert all(":" in address for address, *_ in held["ip6"])
    for family in ("ip", "ip6"):
        assert bare[family] <= held[family]
    empty = {(s.address, s.protocol, s.port) for s in servers if not s.backends}
    assert set(bare["ip"]) | set(bare["ip6"]) == named & empty


NAMES = st.sampled_from(["a", "b"])
STEPS = st.lists(
    st.one_of(
        st.builds(
            lambda n, e, local: ("put_service", service(n, (f"10.96.0.{ord(n)}",), **(e | local))),
            NAMES,
            st.sampled_from([{}, {"externalIPs": ["192.0.2.1"]}]),
            st.sampled_from([{}, {"internalTrafficPolicy": "Local"}]),
        ),
        st.builds(lambda n: ("remove_service", ("default", n)), NAMES),
        st.builds(
            lambda n, ready, node: (
                "put_slice",
                endpoint_slice(endpoint(node, ready=ready), service=n),
            ),
            NAMES,
            st.booleans(),
            st.sampled_from(["n1", "n2"]),
        ),
        st.builds(lambda n: ("remove_slice", ("default", f"{n}-IPv4-http")), NAMES),
    ),
    max_size=12,
)


@given(STEPS)
def test_an_index_kept_up_to_date_is_as_one_made_anew(steps):
    kept, last = index_of(), {}
    for step, item in steps:
        getattr(kept, step)(item)
        meta = None if isinstance(item, tuple) else item["metadata"]
        key = (step.partition("_")[2], item if meta is None else (meta["namespace"], meta["name"]))
        last[key] = (step, item)
    anew = index_of(*(item for step, item in last.values() if step.startswith("put")))
    for node in ("n1", "n2"):
        later = 1000.0 + 3 * SETTLING
        # Two Services may claim one external IP; whose it then is, is not told.
        found, fresh = (
            {p for p in ports(compare(i, node=node, since=later).missing) if "192" not in p.address}
            for i in (kept, anew)
        )
        assert found == fresh
