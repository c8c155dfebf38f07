"""How connections from a node's programs are made: to itself, to Services, to pods."""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING

from nftwave.lab.kernel.flows import FIRST_PORT, LAST_PORT, Flow
from nftwave.lab.kernel.reach import DROPPED, REFUSED, Backend, reach
from nftwave.lab.proxy.pages import HEALTH_PORT
from nftwave.lab.shell.process import ConnectError
from nftwave.lab.tools.answers import Answer
from nftwave.lab.tools.sockets import Peer, Socket

if TYPE_CHECKING:
    from nftwave.lab.node.node import SimNode

# Seconds between one SYN and the next (tcp(7), tcp_syn_retries 6: about 127 seconds in all).
SYN_INTERVALS = (1, 2, 4, 8, 16, 32, 64)
LOOPBACK = frozenset({"127.0.0.1", "::1"})
TEXT = "text/plain; charset=utf-8"
HEALTH = ("/healthz", "/livez", "/readyz")


async def dial(node: SimNode, protocol: str, host: str, port: int) -> Socket:
    """A connection. Packets that nobody answers are sent again. Raises ConnectError."""
    address = _resolve(node, host)
    if protocol == "udp":
        return Socket(Peer(lambda _: None), node.pace)
    for interval in SYN_INTERVALS:
        found = _knock(node, address, port)
        if found == REFUSED:
            raise ConnectError("Connection refused")
        if isinstance(found, Socket):
            return found
        await node.pace.sleep(interval)
    raise ConnectError("Connection timed out")


def _resolve(node: SimNode, host: str) -> str:
    known = {"localhost": "127.0.0.1", node.name: node.address}
    try:
        address = str(ipaddress.ip_address(known.get(host, host)))
    except ValueError as error:
        raise ConnectError("Name or service not known") from error
    if ":" in address and address not in LOOPBACK:
        raise ConnectError("Network is unreachable")
    return address


def _knock(node: SimNode, address: str, port: int) -> Socket | str:
    """One SYN and what comes of it."""
    listening = node.answer(port, "/healthz") is not None
    if address in LOOPBACK:
        return _to_itself(node, port) if listening else REFUSED
    found = reach(node.kernel, "tcp", address, port)
    if isinstance(found, Backend):
        return _open(node, (address, port), found)
    if address == node.address and found == DROPPED:
        mine = listening and port == HEALTH_PORT
        return _to_itself(node, port) if mine else REFUSED
    return found


def _to_itself(node: SimNode, port: int) -> Socket:
    return Socket(Peer(lambda path: node.answer(port, path)), node.pace)


def _open(node: SimNode, destination: tuple[str, int], found: Backend) -> Socket:
    kernel = node.kernel
    span = LAST_PORT - FIRST_PORT
    port = FIRST_PORT + node.next_pid() % span
    # Under ipvs the ClusterIP is the node's own, and its source address too (measured).
    source = destination[0] if found.through == "ipvs" else node.address
    # With a Service in between the source port is masqueraded at random.
    seen = FIRST_PORT + port * 7919 % span if found.through else port
    flow = Flow((source, port), destination, found.endpoint, found.through, (node.address, seen))
    kernel.flows.add(flow)
    return Socket(_peer(node, found), node.pace, flow)


def _peer(node: SimNode, found: Backend) -> Peer:
    """Who listens behind an endpoint."""
    port = node.kernel.services.endpoints().get(found.endpoint)
    if port is not None and port.name == "kubernetes":
        return Peer(lambda path: _api_server(node, path), tls=True)
    if port is not None and port.port_name.startswith("dns"):
        return Peer(lambda _: None)
    return Peer(lambda _: Answer(200, TEXT, f"{found.endpoint[0]}\n"))


def _api_server(node: SimNode, path: str) -> Answer:
    """What the API server says to somebody without a name."""
    if path.startswith(HEALTH):
        return Answer(200, TEXT, "ok")
    if path == "/version":
        return Answer(200, "application/json", json.dumps({"gitVersion": node.kubelet.version}))
    message = f'forbidden: User "system:anonymous" cannot get path "{path}"'
    refusal = {"kind": "Status", "status": "Failure", "message": message, "code": 403}
    return Answer(403, "application/json", json.dumps(refusal))
