import shutil
import socket
import threading

import pytest

from nftwave.node.facts import Attempt, Health, ServicePort, Unknown
from nftwave.node.parse import parse
from nftwave.node.script import script

from .box import POD, SHELLS, TOOLS, Box, there
from .recorded import MARK

KUBERNETES = ServicePort("10.96.0.1", "tcp", 443)


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(params=SHELLS)
def shell(request):
    if not there(SHELLS[request.param][0]):
        pytest.skip(f"{SHELLS[request.param][0]} is not installed")
    return request.param


def test_a_recorded_nftables_node_is_seen_by_every_shell(box, shell):
    box.in_state("nftables")
    box.real("curl")
    seen = box.facts(shell)
    assert seen.proxy_mode == "nftables"
    assert seen.nft == "1.0.6"
    assert ("ip6", "kube-proxy") in seen.tables
    assert ServicePort("10.96.0.1", "tcp", 443) in seen.service_ips["ip"]
    assert seen.service_ips["ip6"] == frozenset()
    assert seen.virtual_servers == ()
    assert seen.ipvs_connections == {}
    assert seen.ipvs_interface is None
    assert seen.last_sync["ip6"] == 1.795315035879335e09
    assert seen.health == Health(200, {"ip": True, "ip6": True})
    assert seen.conntrack == (17, 262144)
    assert seen.os == "Debian GNU/Linux 12 (bookworm)"
    unknown = {name for name in seen.commands if isinstance(getattr(seen, name), Unknown)}
    assert unknown == {"proxy_nft"}


def test_a_recorded_ipvs_node_is_seen_by_every_shell(box, shell):
    box.in_state("ipvs")
    box.real("curl")
    seen = box.facts(shell)
    assert seen.proxy_mode == "ipvs"
    assert len(seen.virtual_servers) == 4
    assert len(seen.virtual_servers[0].backends) == 2
    rows = (box.folder / "proc/net/ip_vs_conn").read_text().splitlines()[1:]
    assert sum(seen.ipvs_connections.values()) == len(rows)
    assert seen.ipvs_interface == ("10.96.0.100", "10.96.0.1")


def test_what_is_established_is_counted_by_virtual_server_on_the_node(box, shell):
    box.in_state("ipvs")
    rows = [
        "TCP 0A600064 8C2C 0A600064 0050 0AF40104 1F90 ESTABLISHED     890",
        "TCP 0AF40101 D9F6 0A600064 0050 0AF40003 1F90 ESTABLISHED     880",
        "TCP 0A600064 C508 0A600064 0050 0AF40104 1F90 TIME_WAIT       108",
        "UDP 0A600064 C508 0A60000A 0035 0AF40104 0035 UDP              10",
    ]
    box.file("proc/net/ip_vs_conn", "\n".join(["Pro FromIP …", *rows, ""]))
    seen = box.facts(shell)
    assert seen.established == {ServicePort("10.96.0.100", "tcp", 80): 2}
    assert seen.ipvs_connections == {"ESTABLISHED": 2, "TIME_WAIT": 1, "UDP": 1}


def test_the_maps_are_cut_down_to_their_keys_on_the_node(box, shell):
    box.in_state("nftables")
    done = box.run(shell)
    assert b"service-LAZWMU44" not in done.stdout
    assert b'"reject-chain"' not in done.stdout
    seen = box.facts(shell)
    assert seen.service_ips["ip"] == {
        ServicePort("10.96.0.100", "tcp", 80),
        ServicePort("10.96.0.1", "tcp", 443),
    }
    assert seen.no_endpoints == {
        "ip": {ServicePort("10.96.7.7", "tcp", 80), ServicePort("10.96.7.8", "udp", 53)},
        "ip6": frozenset(),
    }


def test_the_pod_of_the_process_that_listens_is_found_by_its_socket(box, shell):
    box.in_state("nftables")
    assert POD in box.facts(shell).listener
    box.listener(held_by="impostor")
    assert "no process called kube-proxy" in box.facts(shell).listener.reason
    box.file("proc/net/tcp", "  sl  local_address\n")
    assert "no listener" in box.facts(shell).listener.reason


def test_chains_of_another_proxier_are_told_from_the_kubelets(box, shell):
    box.in_state("nftables")
    assert box.facts(shell).iptables_chains == frozenset()
    box.in_state("ipvs")
    chains = box.facts(shell).iptables_chains
    assert {"KUBE-SERVICES", "KUBE-MARK-MASQ"} <= chains
    assert not {"KUBE-FIREWALL", "KUBE-KUBELET-CANARY"} & chains
    (box.tools / "iptables-save").unlink()
    (box.tools / "ip6tables-save").unlink()
    assert "not on the node" in box.facts(shell).iptables_chains.reason


CONNECTORS = {
    "bash": lambda box: box.real("bash"),
    "nc": lambda box: box.real("nc"),
    "curl": lambda box: box.real("curl"),
    "python3": lambda box: box.real("python3"),
}


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_connection_is_tried_with_whatever_there_is(box, connector):
    if not there(connector):
        pytest.skip(f"{connector} is not installed")
    box.in_state("nftables")
    CONNECTORS[connector](box)
    with socket.socket() as listening, socket.socket() as closed:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        closed.bind(("127.0.0.1", 0))
        good, bad = (
            ServicePort("127.0.0.1", "tcp", one.getsockname()[1]) for one in (listening, closed)
        )
        if connector == "curl":  # it speaks TLS and waits for the answer
            threading.Thread(target=hang_up, args=(listening,), daemon=True).start()
        seen = box.facts("dash", reach=(good, bad))
    assert seen.answers[good] == Attempt(connected=True, said=f"connected ({connector})")
    assert seen.answers[bad].connected is False


def hang_up(listening):
    listening.accept()[0].close()


def test_a_connection_that_nothing_answers_ends_in_seconds(box):
    box.in_state("nftables")
    box.real("curl")
    box.tool("bash", "exec /bin/sleep 60")
    text = box.text((KUBERNETES,)).replace("timeout 2", "timeout 0.2")
    seen = parse(box.run("dash", text=text).stdout, node="n1", mark=MARK)
    assert seen.answers == {KUBERNETES: Attempt(connected=False, said="no answer within 2 s")}


def test_a_tool_that_cannot_connect_leaves_it_to_the_next_and_in_the_end_it_is_unknown(box):
    box.in_state("nftables")
    box.tool("bash", "echo 'bash: /dev/tcp/10.96.0.1/443: No such file or directory'; exit 1")
    box.tool("nc", "echo \"nc: invalid option -- 'z'\"; exit 1")
    (answer,) = box.facts("dash", reach=(KUBERNETES,)).answers.values()
    assert "none of bash, nc, curl and python3" in answer.reason
    box.tool("curl", "printf 0.001")
    (answer,) = box.facts("dash", reach=(KUBERNETES,)).answers.values()
    assert answer == Attempt(connected=True, said="connected (curl)")


def test_nothing_but_an_address_gets_into_the_script():
    with pytest.raises(ValueError, match="does not appear to be"):
        script(MARK, [ServicePort("10.0.0.1'; reboot; '", "tcp", 1)])


def test_firewalls_of_the_host_are_seen_by_every_shell(box, shell):
    box.in_state("ipvs")
    box.printing("systemctl", {"is-active firewalld nftables": ("inactive\nactive\n", 0)})
    (box.folder / "etc/ufw").mkdir()
    box.file("etc/ufw/ufw.conf", "# /etc/ufw/ufw.conf\nENABLED=yes\nLOGLEVEL=low\n")
    assert box.facts(shell).firewalls == {"nftables.service", "ufw"}
    box.printing("systemctl", {"is-active firewalld nftables": ("inactive\ninactive\n", 3)})
    box.file("etc/ufw/ufw.conf", "ENABLED=no\n")
    assert box.facts(shell).firewalls == frozenset()


CLIENTS = {
    "curl": lambda box: box.real("curl"),
    "wget": lambda box: box.real("wget"),
    "busybox wget": lambda box: box.tool("wget", f'exec {shutil.which("busybox")} wget "$@"'),
    "python3": lambda box: box.real("python3"),
    "bash": lambda box: box.real("bash"),
}


@pytest.fixture(params=CLIENTS)
def client(request, box):
    if not there(request.param.split(maxsplit=1)[0]):
        pytest.skip(f"{request.param} is not installed")
    box.in_state("nftables")
    CLIENTS[request.param](box)
    return request.param


@pytest.mark.usefixtures("client")
def test_kube_proxy_is_asked_with_whatever_client_there_is(box):
    seen = box.facts("dash")
    assert seen.proxy_mode == "nftables"
    assert seen.last_sync == {"ip": 1.7953150314514022e09, "ip6": 1.795315035879335e09}
    assert seen.process_started == 1.79531498327e09
    assert seen.health == Health(200, {"ip": True, "ip6": True})


@pytest.mark.usefixtures("client")
def test_every_client_tells_unhealthy_from_silent(box):
    box.server.answers["/healthz"] = (503, '{"status":{"IPv4":{"healthy":false}}}')
    del box.server.answers["/proxyMode"]
    seen = box.facts("dash")
    assert seen.health.status == 503
    assert "404" in seen.proxy_mode.reason


@pytest.mark.usefixtures("client")
def test_every_client_ends_when_nothing_listens(box):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        box.port = free.getsockname()[1]
        seen = box.facts("dash")
    assert "did not answer" in seen.proxy_mode.reason
    assert isinstance(seen.health, Unknown)
    assert isinstance(seen.last_sync, Unknown)


def test_a_proxy_named_in_the_environment_is_not_asked(box):
    box.in_state("nftables")
    box.real("curl")
    nowhere = "http://127.0.0.1:9"
    assert box.facts("dash", http_proxy=nowhere, ALL_PROXY=nowhere).proxy_mode == "nftables"


def test_a_node_without_any_client_says_so(box, shell):
    box.in_state("nftables")
    assert "none of curl, wget, python3 and bash" in box.facts(shell).proxy_mode.reason


@pytest.mark.parametrize("missing", [name for name in TOOLS if name != "cat"])
def test_a_missing_tool_costs_only_its_own_facts(box, missing):
    box.in_state("ipvs")
    box.real("curl")
    (box.tools / missing).unlink()
    seen = box.facts("dash")
    lost = {name for name in seen.commands if isinstance(getattr(seen, name), Unknown)}
    depend = {
        "date": {"clock"},
        "id": {"uid"},
        "uname": {"kernel"},
        "cut": {"virtual_servers"},
        "awk": {"ipvs_connections", "established"},
        "grep": {
            "last_sync",
            "last_queued",
            "sync_failures",
            "process_started",
            "listener",
            "iptables_chains",
        },
        "timeout": set(),
        "sed": set(),
        "ls": {"listener"},
    }
    # The recorded list of tables is an error text.
    assert lost - {"tables", "proxy_nft"} == depend[missing]


def test_a_node_without_nft_or_ip_vs_is_not_an_unknown_node(box, shell):
    box.in_state("ipvs")
    for path in ("net/ip_vs", "net/ip_vs_conn"):
        (box.folder / "proc" / path).unlink()
    (box.tools / "nft").unlink()
    seen = box.facts(shell)
    assert seen.nft is None
    assert isinstance(seen.tables, Unknown)
    assert seen.virtual_servers == ()
    assert seen.ipvs_connections == {}


def test_a_tool_that_hangs_is_stopped_on_the_node(box):
    box.in_state("nftables")
    box.tool("nft", "exec /bin/sleep 60")
    text = box.text().replace("timeout 10", "timeout 0.2").replace("begin nft;", "begin nft; : ")
    done = box.run("dash", text=text)
    assert b"end tables 124" in done.stdout
    assert b"end conntrack 0" in done.stdout


def test_the_probe_writes_nothing_and_asks_no_tool_to(box):
    box.in_state("nftables")
    box.real("curl")
    before = sorted(path for path in box.folder.rglob("*"))
    box.facts("dash")
    assert sorted(path for path in box.folder.rglob("*")) == before
