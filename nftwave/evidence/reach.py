"""Whether Services answer from the node, and whether connections can be tracked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.evidence.look import family_of
from nftwave.evidence.model import Evidence, Standing
from nftwave.node.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.evidence.look import Seen

NEARLY_FULL = 0.9
"""Part of the conntrack table from which on a node is close to refusing new connections."""


def connections(seen: Seen) -> Iterable[Evidence]:
    """New TCP connections from the node to the API server's Service and to the cluster DNS.

    What did not answer before the change either (a network policy may forbid it) proves nothing.
    """
    for port, service in seen.look.reach.items():
        name = f"connection to {service}"
        command = f"timeout 2 bash -c ': </dev/tcp/{port.address}/{port.port}' && echo connected"
        answer = seen.facts.answers.get(port, Unknown("it was not tried"))
        counts = port not in seen.expected.silent_before
        if isinstance(answer, Unknown):
            yield Evidence(name, Standing.UNKNOWN, answer.reason, command)
        elif answer.connected:
            yield Evidence(name, Standing.VERIFIED, answer.said, command)
        elif not counts:
            told = f"{answer.said}; nor did it answer before the change"
            yield Evidence(name, Standing.UNKNOWN, told, command, counts=False)
        elif seen.still_syncing(family_of(port.address)):
            yield Evidence(name, Standing.UNKNOWN, answer.said, command)
        else:
            yield Evidence(name, Standing.FAILED, answer.said, command)


def conntrack(seen: Seen) -> Iterable[Evidence]:
    """Whether the conntrack table has room: a full one breaks Services, whoever filled it."""
    name, command = "conntrack table", seen.facts.commands.get("conntrack", "")
    told = seen.facts.conntrack
    if isinstance(told, Unknown):
        yield Evidence(name, Standing.UNKNOWN, told.reason, command, counts=False)
        return
    entries, limit = told
    part = entries / limit if limit else 0.0
    words = f"{entries:,} of {limit:,} entries ({part:.0%})"
    yield Evidence(name, Standing.of(part < NEARLY_FULL), words, command, counts=False)
