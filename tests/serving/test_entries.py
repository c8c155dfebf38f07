import pytest
from hypothesis import given
from hypothesis import strategies as st

from nftwave.node.facts import ServicePort
from nftwave.services import ServiceView
from nftwave.serving.endpoints import SliceView
from nftwave.serving.entries import entries

from .cluster import balancer, endpoint, endpoint_slice, service

READY = endpoint(ready=True)
LOCAL = "Local"


def on(node, item, *slices):
    """What service-ips and no-endpoint-services must hold on a node."""
    found = list(entries(ServiceView.of(item), [SliceView.of(one) for one in slices]))
    return (
        {e.port.address for e in found if e.served(node)},
        {e.port.address for e in found if e.rejected(node)},
    )


CLUSTER_IP, EXTERNAL, BALANCER = "10.96.3.4", "192.0.2.7", "192.0.2.9"
BOTH = {CLUSTER_IP, EXTERNAL}

CASES = [
    ("endpoints", service(), [READY], {CLUSTER_IP}, set()),
    ("no endpoints", service(), [], set(), {CLUSTER_IP}),
    ("unready", service(), [endpoint(ready=False)], set(), {CLUSTER_IP}),
    ("what is not told is ready", service(), [endpoint()], {CLUSTER_IP}, set()),
    (
        "draining where none is ready",
        service(),
        [endpoint(ready=False, serving=True, terminating=True)],
        {CLUSTER_IP},
        set(),
    ),
    (
        "dying",
        service(),
        [endpoint(ready=False, serving=False, terminating=True)],
        set(),
        {CLUSTER_IP},
    ),
    ("external IP", service(externalIPs=[EXTERNAL]), [READY], BOTH, set()),
    ("external IP, nobody there", service(externalIPs=[EXTERNAL]), [], set(), BOTH),
    ("balancer", service(status=balancer(BALANCER)), [READY], {CLUSTER_IP, BALANCER}, set()),
    (
        "balancer that answers itself",
        service(status=balancer(BALANCER, mode="Proxy")),
        [READY],
        {CLUSTER_IP},
        set(),
    ),
    ("internal Local, here", service(internalTrafficPolicy=LOCAL), [READY], {CLUSTER_IP}, set()),
    (
        "internal Local, elsewhere",
        service(internalTrafficPolicy=LOCAL),
        [endpoint("n2", ready=True)],
        set(),
        {CLUSTER_IP},
    ),
    (
        "external Local, elsewhere: in both maps",
        service(externalIPs=[EXTERNAL], externalTrafficPolicy=LOCAL),
        [endpoint("n2", ready=True)],
        BOTH,
        {EXTERNAL},
    ),
    (
        "external Local, here",
        service(externalIPs=[EXTERNAL], externalTrafficPolicy=LOCAL),
        [READY],
        BOTH,
        set(),
    ),
    ("headless", service(addresses=("None",)), [READY], set(), set()),
    ("a name only", service(addresses=("",), type="ExternalName"), [READY], set(), set()),
    (
        "another proxy's",
        service(labels={"service.kubernetes.io/service-proxy-name": "x"}),
        [READY],
        set(),
        set(),
    ),
    ("an endpoint without a node", service(), [endpoint(None, ready=True)], {CLUSTER_IP}, set()),
]


@pytest.mark.parametrize(
    ("item", "endpoints", "served", "rejected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_what_the_maps_must_hold(item, endpoints, served, rejected):
    assert on("n1", item, endpoint_slice(*endpoints)) == (served, rejected)


def test_a_port_counts_the_slices_that_have_it_by_name():
    assert on("n1", service(), endpoint_slice(READY, port="admin")) == (set(), {CLUSTER_IP})


def test_each_family_has_its_own_endpoints():
    item = service(addresses=("10.96.3.4", "fd00::4"))
    assert on("n1", item, endpoint_slice(READY)) == ({"10.96.3.4"}, {"fd00::4"})
    found = on("n1", item, endpoint_slice(READY), endpoint_slice(READY, family="IPv6"))
    assert found == ({"10.96.3.4", "fd00::4"}, set())


def test_slices_of_names_are_left_alone():
    assert on("n1", service(), endpoint_slice(READY, family="FQDN")) == (set(), {CLUSTER_IP})


def test_ports_are_told_with_their_protocol():
    item = service()
    item["spec"]["ports"] = [{"protocol": "UDP", "port": 53}, {"port": 53}]
    found = {e.port for e in entries(ServiceView.of(item), [])}
    assert found == {
        ServicePort(CLUSTER_IP, "udp", 53),
        ServicePort(CLUSTER_IP, "tcp", 53),
    }


ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(max_size=3)),
    lambda inner: st.dictionaries(st.sampled_from(["ready", "serving", "terminating"]), inner),
)


@given(st.lists(st.builds(lambda c, n: {"conditions": c, "nodeName": n}, ODD, st.none())))
def test_an_endpoint_counts_as_one_thing_at_most(endpoints):
    told = [e for e in endpoints if e["conditions"] is None or isinstance(e["conditions"], dict)]
    seen = SliceView.of(endpoint_slice(*told))
    assert seen.ready | seen.draining <= {""}
