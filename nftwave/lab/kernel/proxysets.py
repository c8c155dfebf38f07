"""The sets and maps of kube-proxy's tables (measured, kube-proxy 1.36.2, nft 1.0.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.kernel.nftables import KEY_TYPES, Collection, Element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.kernel.services import ServicePort

PORT_KEY = ("inet_proto", "inet_service")


def collections(
    family: str, ports: Sequence[ServicePort], node_ips: tuple[str, ...] | None
) -> tuple[Collection, ...]:
    """All of them; without `node_ips`, NodePorts are looked up for any local address."""
    address = KEY_TYPES[family]
    served = [port for port in ports if port.endpoints]
    unserved = [port for port in ports if not port.endpoints]
    service_key = (address, *PORT_KEY)
    found = [
        Collection(
            "hairpin-connections",
            (address, address, *PORT_KEY),
            False,
            "service hairpin connections",
        ),
        Collection(
            "cluster-ips",
            (address,),
            False,
            "Active ClusterIPs",
            tuple(Element((ip,)) for ip in sorted({port.cluster_ip for port in ports})),
        ),
    ]
    if node_ips is not None:
        found.append(
            Collection(
                "nodeport-ips",
                (address,),
                False,
                "IPs that accept NodePort traffic",
                tuple(Element((ip,)) for ip in node_ips),
            )
        )
    reject = "reject-chain"
    found += [
        Collection(
            "no-endpoint-services",
            service_key,
            True,
            "vmap to drop or reject packets to services with no endpoints",
            tuple(
                Element((address, p.protocol, p.port), reject)
                for p in unserved
                for address in p.addresses
            ),
        ),
        Collection(
            "no-endpoint-nodeports",
            PORT_KEY,
            True,
            "vmap to drop or reject packets to service nodeports with no endpoints",
            tuple(Element((p.protocol, p.node_port), reject) for p in unserved if p.node_port),
        ),
        Collection(
            "firewall-ips",
            service_key,
            True,
            "destinations that are subject to LoadBalancerSourceRanges",
        ),
        Collection(
            "service-ips",
            service_key,
            True,
            "ClusterIP, ExternalIP and LoadBalancer IP traffic",
            tuple(
                Element((address, p.protocol, p.port), f"{kind}-{p.chain}")
                for p in served
                for address, kind in (
                    (p.cluster_ip, "service"),
                    *((one, "external") for one in p.external_ips),
                )
            ),
        ),
        Collection(
            "service-nodeports",
            PORT_KEY,
            True,
            "NodePort traffic",
            tuple(
                Element((p.protocol, p.node_port), f"external-{p.chain}")
                for p in served
                if p.node_port
            ),
        ),
    ]
    return tuple(found)
