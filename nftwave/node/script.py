"""The probe's script, and the mark that frames its answer."""

from __future__ import annotations

import ipaddress
import secrets
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.node.facts import ServicePort

# Not to be guessed by whatever a node prints; one a process, so that the script is the same text.
MARK = f"@@{secrets.token_hex(4)}"


def script(mark: str, reach: Iterable[ServicePort] = ()) -> str:
    """The probe's text, which frames its answer with `mark`.

    Args:
        reach: TCP ports of Services to which a connection is tried.
    """
    # Parsed before it goes into a script: nothing but an address and a number can.
    targets = " ".join(f"{ipaddress.ip_address(p.address)}/{p.port:d}" for p in reach)
    text = f"mark='{mark}'\n{_text('probe.sh')}"
    return f"{text}\nreach='{targets}'\n{_text('reach.sh')}" if targets else text


def interruption(mark: str, target: ServicePort, *, limit: float) -> str:
    """A script that connects to a TCP port ten times a second until its input ends.

    Args:
        limit: seconds after which it ends all the same.
    """
    return (
        f"mark='{mark}' address='{ipaddress.ip_address(target.address)}'"
        f" port={target.port:d} limit={limit:.0f}\n{_text('interruption.sh')}"
    )


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


PROBE = script(MARK)
