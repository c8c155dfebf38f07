"""`nftwave status`: how far a migration is, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.text import Text

from flows import terminal
from nftwave.outcome import counted
from nftwave.tenants import named

if TYPE_CHECKING:
    from nftwave.status import Status

TITLES = 21
"""Characters of the column of titles."""
EACH = 50
"""Up to so many nodes in hand or not verified have a row of their own."""


def show(found: Status) -> None:
    """What there is to say, a line a thought; what to type comes last."""
    for title, told in lines(found):
        # Not wrapped: a command that is copied must be in one piece.
        terminal.OUT.print(Text.assemble((f"{title:<{TITLES}}", "bold"), told), soft_wrap=True)


def lines(found: Status) -> Iterator[tuple[str, str]]:
    """(title, words) of each thing that is known."""
    yield "Cluster", found.cluster
    yield "Migration", found.words
    yield "Lock", found.lock.words()
    for one in found.takeovers:
        yield "", f"taken over from {one}"
    if found.plan:
        yield "Plan", f"{found.plan['hash'][:12]}, strategy {found.plan['strategy']}"
    for a in found.approvals:
        told = f"{a['decision']} by {a['approver']} ({a['by']}), {a['at']}: {a['reason']}"
        other = "" if a["plan_hash"] == found.plan["hash"] else " (of another plan)"
        yield "Approval", f"{a['gate']}{other}: {told}"
    yield from _nodes(found)
    yield "Mode in config.conf", _now_and_before(found.config_mode)
    yield "Update strategy", _now_and_before(found.update_strategy)
    yield from _commands(found)


def _nodes(found: Status) -> Iterator[tuple[str, str]]:
    nodes = found.nodes
    for title, names in (("proven", nodes.proven), ("not yet", nodes.not_yet)):
        if names:
            yield f"Nodes {title}", f"{len(names)}: {named(names, 10)}"
    rows = nodes.rows()
    for name, where, why in rows[:EACH]:
        yield f"Node {where}", f"{name}: {why}" if why else name
    if len(rows) > EACH:
        yield "", f"and {counted(len(rows) - EACH, 'node')} more; `-o json` has them all"


def _commands(found: Status) -> Iterator[tuple[str, str]]:
    if found.lock.holder and not found.lock.expired:
        yield "Next", _while_it_works(found)
        return
    if found.go_on:
        yield ("To go on" if found.is_open else "To begin"), found.go_on
    if found.go_back:
        yield "To go back", found.go_back


def _while_it_works(found: Status) -> str:
    if found.phase == "asking" and found.lock.run:
        return f"answer it in the Prefect UI, or by `nftwave approve {found.lock.run}`"
    return "wait until the run that works on it ends; this command tells how far it is"


def _now_and_before(modes: Mapping[str, str | None]) -> str:
    now = modes["now"] or "not to be read"
    before = modes["original"]
    return f"{now}, {before} before the migration" if before and before != now else now
