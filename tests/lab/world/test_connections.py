"""What programs on a node reach through ClusterIPs, by what the node's kernel holds."""

from __future__ import annotations

import contextlib
import re
import subprocess

import pytest

from nftwave.lab.launch import running_lab
from tests.lab.world.conftest import Clients

NODE = "lab-1-node-1"
API, DNS, ECHO, MAIL = "10.96.0.1", "10.96.0.10", "10.96.0.100", "10.96.0.130"
UNKNOWN = "10.96.77.77"


def hold(clients, fault, node=NODE):
    """Change the node to nftables and stop where the fault stops it: ipvs gone."""
    clients.lab.fault("lab-1", node, fault)
    clients.switch_to("nftables")
    clients.delete_proxy_of(node)
    clients.until(lambda: clients.node(node)["virtualServers"] == [], "the wipe")


@pytest.fixture(scope="module")
def changed(start):
    """A lab whose node has changed to nftables."""
    clients = start(nodes=3)
    clients.switch_to("nftables")
    clients.delete_proxy_of(NODE)
    clients.until(lambda: "ip6 kube-proxy" in clients.node(NODE)["tables"], "both tables")
    return clients


@pytest.fixture(params=["ipvs", "nftables"])
def served(request, shared, changed):
    """A node that serves Services in either way."""
    return shared if request.param == "ipvs" else changed


@pytest.fixture(scope="module")
def wiped(start):
    """A lab whose node has lost ipvs and has no tables yet."""
    clients = start(nodes=3)
    hold(clients, "never-syncs")
    return clients


CONNECTS = (
    f"curl -sk -o /dev/null --connect-timeout 5 https://{API}:443/",
    f"bash -c 'exec 3<>/dev/tcp/{API}/443'",
    f"timeout 5 bash -c '</dev/tcp/{DNS}/53'",
    f"nc -z -w 5 {API} 443",
    f"nc -z -w 5 {DNS} 53",
    f"(exec 3<>/dev/tcp/{ECHO}/80) 2>/dev/null",
    "nc -z -w 5 192.0.2.80 80",
    f"nc -z -u {DNS} 53",
)


@pytest.mark.parametrize("command", CONNECTS)
def test_every_tool_connects_through_a_service(served, command):
    assert served.ssh(NODE, command).returncode == 0


@pytest.mark.parametrize("command", [one for one in CONNECTS if " -u " not in one])
def test_after_the_wipe_no_tool_connects_until_the_tables_are_there(wiped, command):
    assert wiped.ssh(NODE, command).returncode != 0


def test_the_api_server_answers_through_its_service_as_to_a_stranger(served):
    done = served.ssh(NODE, f"curl -sk https://{API}/readyz")
    assert (done.stdout, done.returncode) == ("ok", 0)
    done = served.ssh(NODE, f"curl -sk -o /dev/null -w '%{{http_code}}' https://{API}/api")
    assert (done.stdout, done.returncode) == ("403", 0)
    done = served.ssh(NODE, f"curl -sS https://{API}/readyz")
    assert done.returncode == 60
    assert "SSL certificate problem" in done.stderr
    done = served.ssh(NODE, f"curl -s http://{API}:443/readyz")
    assert "HTTP request to an HTTPS server" in done.stdout
    assert served.ssh(NODE, f"curl -s http://{DNS}:53/").returncode == 52
    assert served.ssh(NODE, f"curl -sk https://{ECHO}:80/").returncode == 35


def test_what_no_service_listens_on_is_refused_at_once(served):
    done = served.ssh(NODE, f"curl -sS --connect-timeout 5 http://{ECHO}:81/")
    assert done.returncode == 7
    assert f"Failed to connect to {ECHO} port 81" in done.stderr
    done = served.ssh(NODE, f"curl -s http://{MAIL}:25/")
    assert done.returncode == 7
    done = served.ssh(NODE, f"bash -c '</dev/tcp/{MAIL}/25'")
    said = f"bash: connect: Connection refused\nbash: /dev/tcp/{MAIL}/25: Connection refused\n"
    assert (done.returncode, done.stderr) == (1, said)
    done = served.ssh(NODE, f"nc -zv {MAIL} 25")
    assert done.stderr == f"nc: connect to {MAIL} port 25 (tcp) failed: Connection refused\n"


def test_packets_to_nobody_are_never_answered(served):
    done = served.ssh(NODE, f"curl -sS --connect-timeout 2 http://{UNKNOWN}/")
    assert done.returncode == 28
    assert "Connection timed out after" in done.stderr
    assert served.ssh(NODE, f"nc -z -w 1 {UNKNOWN} 80").returncode == 1
    done = served.ssh(NODE, f"timeout 0.2 bash -c '</dev/tcp/{UNKNOWN}/80'")
    assert done.returncode == 124


def test_without_a_limit_the_kernel_gives_up_by_itself(wiped):
    done = wiped.ssh(NODE, f"bash -c '</dev/tcp/{API}/443'")
    assert done.returncode == 1
    assert "connect: Connection timed out" in done.stderr


@contextlib.contextmanager
def started(clients, script):
    """A script on the node that has printed its first line and goes on."""
    command = ["ssh", "-F", clients.lab.ssh_config, NODE, script]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        yield process


def test_a_connection_that_waits_for_an_answer_gets_through_when_the_tables_come(tmp_path):
    with running_lab(tmp_path, nodes=3, speed=20) as lab:
        clients = Clients(lab)
        hold(clients, "never-syncs")
        with started(clients, f"echo begun; bash -c '</dev/tcp/{API}/443'") as process:
            clients.lab.clear("lab-1", NODE)
            assert process.communicate(timeout=20)[1] == ""
        assert process.returncode == 0


def test_tables_without_the_service_do_not_serve_it(start):
    clients = start(nodes=3, faults=[(NODE, "map-keys-missing"), (NODE, "no-endpoint-lie")])
    clients.switch_to("nftables")
    clients.delete_proxy_of(NODE)
    clients.until(lambda: "ip6 kube-proxy" in clients.node(NODE)["tables"], "both tables")
    assert clients.ssh(NODE, f"nc -z -w 1 {API} 443").returncode == 1
    assert clients.ssh(NODE, f"nc -z -w 1 {DNS} 53").returncode == 0
    assert clients.ssh(NODE, f"curl -s http://{ECHO}/").returncode == 7


def test_the_node_itself_answers_where_kube_proxy_listens(shared):
    address = shared.node(NODE)["address"]
    assert shared.ssh(NODE, "nc -z 127.0.0.1 10249").returncode == 0
    assert shared.ssh(NODE, f"nc -z {address} 10256").returncode == 0
    assert shared.ssh(NODE, f"nc -z {address} 10249").returncode == 1
    assert shared.ssh(NODE, f"curl -s http://{address}:30080/").returncode == 0
    assert shared.ssh(NODE, "curl -sS http://no.such.host/").returncode == 6
    ask = (
        "exec 3<>/dev/tcp/127.0.0.1/10249; "
        "printf 'GET /proxyMode HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    )
    assert shared.ssh(NODE, f'bash -c "{ask}"').stdout.endswith("\n\nipvs")


def test_an_open_connection_is_in_ipvs_conntrack_and_ss_until_the_flip_cuts_it(fresh):
    assert fresh.node(NODE)["connections"] == 3
    shown = fresh.ssh(
        NODE,
        f"bash -c 'exec 3<>/dev/tcp/{API}/443; cat /proc/net/ip_vs; "
        f"sudo cat /proc/net/ip_vs_conn; sudo conntrack -L -p tcp -d {API} --state ESTABLISHED; "
        f"ss -tnH dst {API}'",
    ).stdout
    assert "TCP 0A600001" in shown
    assert f"src={API} dst={API} " in shown
    assert f"{API}:443" in shown.splitlines()[-1]
    fresh.until(lambda: fresh.node(NODE)["connections"] == 3, "closed with its process")


def test_a_flip_cuts_what_ipvs_carries_and_says_nothing_to_the_program(fresh):
    script = (
        f"exec 3<>/dev/tcp/{API}/443; echo begun; "
        "while grep -q 0A600001:01BB /proc/net/ip_vs; do sleep 0.05; done; "
        "printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; timeout 0.5 cat <&3; echo $?; "
        f"ss -tnH dst {API} | wc -l; sudo conntrack -L -d {API} 2>/dev/null | wc -l"
    )
    with started(fresh, script) as process:
        assert fresh.node(NODE)["connections"] == 4
        fresh.switch_to("nftables")
        fresh.delete_proxy_of(NODE)
        out, _ = process.communicate(timeout=20)
    assert out.split() == ["124", "1", "0"]
    assert fresh.node(NODE)["connections"] == 0


def test_a_connection_through_nftables_is_in_conntrack_under_the_node_address(changed):
    address = changed.node(NODE)["address"]
    shown = changed.ssh(
        NODE, f"bash -c 'exec 3<>/dev/tcp/{ECHO}/80; sudo conntrack -L -d {ECHO}'"
    ).stdout
    assert shown.startswith("tcp      6 86399 ESTABLISHED ")
    assert f"src={address} dst={ECHO} " in shown
    assert "sport=8080" in shown


def test_new_connections_fail_from_the_wipe_until_the_tables_are_there(fresh):
    script = (
        "echo begun; until sudo nft list tables | grep -q 'ip kube-proxy'; do "
        f"nc -z -w 0.5 {API} 443; echo $?; done; nc -z {API} 443; echo $?"
    )
    with started(fresh, script) as process:
        fresh.switch_to("nftables")
        fresh.delete_proxy_of(NODE)
        out, _ = process.communicate(timeout=30)
    answers = "".join(out.split())
    assert re.fullmatch("0+1+0+", answers)
