"""nftables as nft 1.0.6 prints it, as text and as JSON (libnftables-json(5))."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
METAINFO: Json = {
    "metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}
}
KEY_TYPES = {"ip": "ipv4_addr", "ip6": "ipv6_addr"}


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a set, or with a verdict of a map."""

    key: tuple[str | int, ...]
    goto: str = ""

    def text(self) -> str:
        """As nft prints it."""
        key = " . ".join(map(str, self.key))
        return f"{key} : goto {self.goto}" if self.goto else key

    def json(self) -> Any:
        """As nft -j prints it."""
        key: Any = self.key[0] if len(self.key) == 1 else {"concat": list(self.key)}
        return [key, {"goto": {"target": self.goto}}] if self.goto else key


@dataclass(frozen=True, slots=True)
class Collection:
    """A set, or a verdict map."""

    name: str
    key_type: tuple[str, ...]
    is_map: bool
    comment: str
    elements: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a base chain is hooked in; `priority` as text prints it, `number` as JSON does."""

    type: str
    hook: str
    priority: str
    number: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule in both its forms."""

    text: str
    expression: tuple[Json, ...]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; base chains have a hook."""

    name: str
    rules: tuple[Rule, ...] = ()
    hook: Hook | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of one family."""

    family: str
    name: str
    collections: tuple[Collection, ...] = ()
    chains: tuple[Chain, ...] = ()
    comment: str = ""
    handle: int = field(default=0, compare=False)

    @property
    def key(self) -> str:
        """Family and name."""
        return f"{self.family} {self.name}"

    def text(self) -> str:
        """As `nft list table` prints it."""
        head = [f'\tcomment "{self.comment}"\n'] if self.comment else []
        blocks = [_collection_text(one) for one in self.collections]
        blocks += [_chain_text(one) for one in self.chains]
        return f"table {self.key} {{\n{''.join(head)}" + "\n".join(blocks) + "}\n"

    def json(self) -> list[Json]:
        """As `nft -j list table` prints it, without the metainfo."""
        handle = 8
        entries: list[Json] = [self.json_name()]
        for one in self.collections:
            handle += 1
            entries.append(self.json_collection(one, handle))
        for chain in self.chains:
            handle += 1
            entries.append(self._json_chain(chain, handle))
        for chain in self.chains:
            for rule in chain.rules:
                handle += 1
                entries.append(self._json_rule(chain, rule, handle))
        return entries

    def json_name(self) -> Json:
        """The table's own entry."""
        return {"table": {"family": self.family, "name": self.name, "handle": self.handle}}

    def json_collection(self, one: Collection, handle: int) -> Json:
        """The entry of a set or map."""
        key_type = one.key_type[0] if len(one.key_type) == 1 else list(one.key_type)
        entry: Json = {
            "family": self.family,
            "name": one.name,
            "table": self.name,
            "type": key_type,
            "handle": handle,
            "comment": one.comment,
        }
        if one.is_map:
            entry["map"] = "verdict"
        if one.elements:
            entry["elem"] = [element.json() for element in one.elements]
        return {"map" if one.is_map else "set": entry}

    def _json_chain(self, chain: Chain, handle: int) -> Json:
        entry: Json = {
            "family": self.family,
            "table": self.name,
            "name": chain.name,
            "handle": handle,
        }
        if chain.hook:
            hook = chain.hook
            entry |= {"type": hook.type, "hook": hook.hook, "prio": hook.number, "policy": "accept"}
        return {"chain": entry}

    def _json_rule(self, chain: Chain, rule: Rule, handle: int) -> Json:
        entry: Json = {
            "family": self.family,
            "table": self.name,
            "chain": chain.name,
            "handle": handle,
        }
        if rule.comment:
            entry["comment"] = rule.comment
        return {"rule": entry | {"expr": list(rule.expression)}}


def _collection_text(one: Collection) -> str:
    kind = " . ".join(one.key_type) + (" : verdict" if one.is_map else "")
    lines = [f"\t{'map' if one.is_map else 'set'} {one.name} {{", f"\t\ttype {kind}"]
    lines.append(f'\t\tcomment "{one.comment}"')
    if one.elements:
        # nft breaks after two elements of a plain type, after each one of a concatenation.
        joint = ",\n\t\t\t     " if len(one.key_type) > 1 else ", "
        lines.append(f"\t\telements = {{ {joint.join(e.text() for e in one.elements)} }}")
    return "\n".join([*lines, "\t}", ""])


def _chain_text(chain: Chain) -> str:
    lines = [f"\tchain {chain.name} {{"]
    if chain.comment:
        lines.append(f'\t\tcomment "{chain.comment}"')
    if chain.hook:
        hook = chain.hook
        place = f"type {hook.type} hook {hook.hook} priority {hook.priority}"
        lines.append(f"\t\t{place}; policy accept;")
    for rule in chain.rules:
        comment = f' comment "{rule.comment}"' if rule.comment else ""
        lines.append(f"\t\t{rule.text}{comment}")
    return "\n".join([*lines, "\t}", ""])
