"""What is read around kube-proxy, from what API servers answer."""

from hypothesis import given
from hypothesis import strategies as st

from nftwave.kube.errors import ApiNotFound
from nftwave.kube.gateway import Listing
from nftwave.node.facts import ServicePort
from nftwave.services import OpenPort, ServiceView, node_ports, owners
from nftwave.surroundings import Agent, Calico, Surroundings, read_surroundings
from tests.facts import recorded


class Server:
    """Has what it was given; everything else is not installed."""

    def __init__(self, lists=None, objects=None):
        self.lists, self.objects = lists or {}, objects or {}
        self.requests = []

    def list(self, resource, namespace=None, *, labels=""):
        self.requests.append((resource.plural, namespace, labels))
        return Listing(tuple(self.lists.get(resource.plural, ())), "1")

    def find(self, resource, name, namespace=None):
        self.requests.append((resource.plural, namespace, name))
        return self.objects.get((resource.plural, name))


def test_nothing_installed_is_nothing_found():
    server = Server()
    assert read_surroundings(server) == Surroundings()
    assert len(server.requests) == 8


def test_the_recorded_objects_are_read():
    config = recorded("configmap-kubeadm-config")
    server = Server(
        lists={"daemonsets": [recorded("daemonset-kube-proxy")]},
        objects={
            ("configmaps", "kubeadm-config"): config,
            ("installations", "default"): recorded("installation-create"),
        },
    )
    found = read_surroundings(server)
    assert found.kubeadm["kubernetesVersion"] == "v1.36.2"
    assert found.kubeadm["certificatesDir"] == "/etc/kubernetes/pki"
    assert found.calico == Calico(
        installation=recorded("installation-create")["spec"],
    )
    agent = found.agent("kube-proxy")
    assert str(agent) == "DaemonSet kube-system/kube-proxy"
    assert "--config=/var/lib/kube-proxy/config.conf" in agent.arguments
    assert found.agent("calico-node") is None


def test_a_group_that_nobody_installed_is_a_plain_404_and_means_absent():
    from kubernetes.client import ApiClient

    from nftwave.kube.gateway import Gateway

    class Absent(Gateway):
        def _body(self, _method, path, *_, **__):
            if "/apis/crd" in path or "/apis/operator" in path or "configmaps" in path:
                raise ApiNotFound("404", status=404)
            return b'{"metadata": {"resourceVersion": "1"}, "items": null}'

    assert read_surroundings(Absent(ApiClient(), "c1")) == Surroundings()


@given(st.text())
def test_whatever_kubeadm_config_holds_is_a_mapping_or_nothing(text):
    server = Server(
        objects={("configmaps", "kubeadm-config"): {"data": {"ClusterConfiguration": text}}}
    )
    assert isinstance(read_surroundings(server).kubeadm, dict)


def made(**spec):
    status = spec.pop("status", {"loadBalancer": {}})
    return {"metadata": {"namespace": "ns", "name": "s"}, "spec": spec, "status": status}


PORT = {"port": 80, "targetPort": 8080, "nodePort": 30080, "protocol": "TCP"}


def test_a_service_answers_on_all_its_addresses():
    view = ServiceView.of(
        made(
            type="LoadBalancer",
            clusterIP="10.96.0.7",
            clusterIPs=["10.96.0.7", "fd00::7"],
            externalIPs=["198.51.100.1"],
            ports=[PORT, {"port": 53, "protocol": "UDP"}],
            status={
                "loadBalancer": {"ingress": [{"ip": "203.0.113.1"}, {"hostname": "x.example"}]}
            },
        )
    )
    assert set(owners([view])) == {
        ServicePort(address, protocol, port)
        for address in ("10.96.0.7", "fd00::7", "198.51.100.1", "203.0.113.1")
        for protocol, port in (("tcp", 80), ("udp", 53))
    }
    assert node_ports([view]) == {("tcp", 30080): view}
    assert str(view) == "ns/s"


def test_headless_and_external_name_services_answer_on_no_cluster_ip():
    headless = ServiceView.of(made(clusterIP="None", clusterIPs=["None"], ports=[PORT]))
    named = ServiceView.of(made(type="ExternalName", externalName="x.example", clusterIP=""))
    assert list(headless.served()) == list(named.served()) == []


def test_a_service_of_an_old_api_server_has_one_cluster_ip():
    view = ServiceView.of(made(clusterIP="10.96.0.7", ports=[{"port": 80}]))
    assert view.cluster_ips == ("10.96.0.7",)
    assert view.ports == (OpenPort("tcp", 80, 0),)


def test_variables_that_come_from_elsewhere_are_left_out():
    daemon_set = recorded("daemonset-kube-proxy")
    container = daemon_set["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    assert Agent.of(daemon_set).environment == {"A": "1"}
