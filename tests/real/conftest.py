"""Nodes of their own network namespaces, for the tests of this folder."""

import os

import pytest

from .namespaces import Node, recorded_ruleset, run


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    file = tmp_path_factory.mktemp("client") / "id_ed25519"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
    return file


@pytest.fixture(scope="session")
def net():
    """Three octets of a network for testing (RFC 2544), another one for each process."""
    return f"198.18.{os.getpid() % 250}"


@pytest.fixture(scope="session")
def made(tmp_path_factory, key):
    """Makes nodes, and removes them in the end."""
    nodes = []

    def make(name):
        name = f"nw{os.getpid()}-{name}"
        nodes.append(Node(name, tmp_path_factory.mktemp("node") / name, key))
        return nodes[-1]

    yield make
    for node in nodes:
        node.remove()


@pytest.fixture(scope="session")
def node(made, net):
    """A node as it is after the change to nftables, one cable away."""
    node = made("near")
    run(
        "ip",
        "link",
        "add",
        f"nw{os.getpid()}",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        node.name,
    )
    run("ip", "addr", "add", f"{net}.1/30", "dev", f"nw{os.getpid()}")
    run("ip", "link", "set", f"nw{os.getpid()}", "up")
    run("ip", "-n", node.name, "addr", "add", f"{net}.2/30", "dev", "eth0")
    run("ip", "-n", node.name, "link", "set", "eth0", "up")
    node.loads(recorded_ruleset())
    node.serves_ssh(f"{net}.2")
    node.answers_as_kube_proxy("nftables")
    return node


@pytest.fixture(scope="session")
def inner(made, net, node):
    """A node that only `node` has a cable to, with an interface called kube-ipvs0."""
    inner = made("far")
    run(
        "ip",
        "-n",
        node.name,
        "link",
        "add",
        "eth1",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        inner.name,
    )
    for name, device, address in ((node.name, "eth1", 5), (inner.name, "eth0", 6)):
        run("ip", "-n", name, "addr", "add", f"{net}.{address}/30", "dev", device)
        run("ip", "-n", name, "link", "set", device, "up")
    run(
        "ip", "-n", inner.name, "link", "add", "kube-ipvs0", "type", "veth", "peer", "name", "other"
    )
    for address in ("10.96.0.1/32", "fd00::1/128"):
        run("ip", "-n", inner.name, "addr", "add", address, "dev", "kube-ipvs0")
    inner.serves_ssh(f"{net}.6")
    return inner


@pytest.fixture
def known(tmp_path):
    """A known_hosts file with the keys of the given nodes."""

    def written(*nodes):
        file = tmp_path / "known_hosts"
        file.write_text("".join(f"{node.address} {node.public_key()}\n" for node in nodes))
        run("ssh-keygen", "-Hf", file)
        return (file,)

    return written


@pytest.fixture
def near(node, known, key):
    return node.access(known_hosts=known(node), identity_files=(key,))
