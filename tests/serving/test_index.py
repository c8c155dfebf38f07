from hypothesis import given
from hypothesis import strategies as st

from nftwave.node.facts import ServicePort, Unknown, VirtualServer
from nftwave.serving.index import SETTLING, Index

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
