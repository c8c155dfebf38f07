"""Which address of a Node SSH connects to."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING, Any

from nftwave.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("InternalIP", "ExternalIP", "Hostname")
"""The kinds of `status.addresses` (Kubernetes API, NodeAddressType) that can be asked for."""


def address_of(node: Mapping[str, Any], choice: str) -> str:
    """The address of a Node object by kind, or by a template such as `{name}.example.org`.

    Raises:
        BadInput: the Node has no address of that kind, or the template names an unknown field.
    """
    name = str(node["metadata"]["name"])
    if choice not in KINDS:
        return _from_template(choice, name)
    addresses = (node.get("status") or {}).get("addresses") or []
    for entry in addresses:
        if entry.get("type") == choice and entry.get("address"):
            return str(entry["address"])
    has = ", ".join(sorted({str(entry.get("type")) for entry in addresses})) or "none at all"
    raise BadInput(
        f"node {name} has no address of kind {choice} (it has: {has})",
        field="ssh.address",
        next_step='choose another kind, or a template such as "{name}.example.org"',
    )


def _from_template(template: str, name: str) -> str:
    try:
        fields = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
    except ValueError:
        fields = {""}
    if fields != {"name"}:
        raise BadInput(
            f"found {template!r}, allowed: {', '.join(KINDS)}, or a template with {{name}}",
            field="ssh.address",
        )
    return template.replace("{name}", name)
