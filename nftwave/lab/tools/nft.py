"""`nft list …` (measured, nft 1.0.6)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nftwave.lab.kernel.nftables import METAINFO, Table

if TYPE_CHECKING:
    from nftwave.lab.kernel.kernel import Kernel
    from nftwave.lab.shell.process import Call

VERSION = "nftables v1.0.6 (Lester Gooch #5)\n"
ACCESS_DENIED = "Operation not permitted (you must be root)"


async def nft(call: Call, kernel: Kernel) -> int:
    """`nft list tables|table|map|set|chain|ruleset`, with -j, -a, -n."""
    flags = {word for word in call.args if word.startswith("-")}
    words = [word for word in call.args if not word.startswith("-")]
    if flags & {"-v", "--version"}:
        await call.out(VERSION)
        return 0
    if not call.root:
        await call.stderr.write(f"{ACCESS_DENIED}\nError: {ACCESS_DENIED}\n")
        return 1
    as_json = bool(
        flags & {"-j", "--json"}
        or any(word[1] != "-" and "j" in word for word in flags if len(word) > 1)
    )
    shown = _listing(kernel, words, as_json=as_json)
    if shown is None:
        await call.stderr.write(_no_such(kernel, words))
        return 1
    await call.out(shown)
    return 0


def _listing(kernel: Kernel, words: list[str], *, as_json: bool) -> str | None:
    """What `nft list …` prints; None if there is no such object."""
    tables = [replace(one, handle=handle) for handle, one in enumerate(kernel.tables(), 1)]
    match words:
        case ["list", "tables", *family]:
            chosen = [one for one in tables if not family or one.family == family[0]]
            entries = [one.json_name() for one in chosen]
            text = "".join(f"table {one.key}\n" for one in chosen)
        case ["list", "ruleset", *family]:
            chosen = [one for one in tables if not family or one.family == family[0]]
            entries = [entry for one in chosen for entry in one.json()]
            text = "".join(one.text() for one in chosen)
        case ["list", "table", family, name]:
            found = [one for one in tables if one.key == f"{family} {name}"]
            if not found:
                return None
            entries, text = found[0].json(), found[0].text()
        case ["list", "map" | "set" | "chain" as kind, family, name, inner]:
            found = [one for one in tables if one.key == f"{family} {name}"]
            return _part(found[0], kind, inner, as_json=as_json) if found else None
        case _:
            return None
    return _json(entries) if as_json else text


def _part(table: Table, kind: str, name: str, *, as_json: bool) -> str | None:
    """A table with only one set, map or chain."""
    kinds = {"map": True, "set": False}
    collections = tuple(
        one for one in table.collections if one.name == name and kinds.get(kind) == one.is_map
    )
    chains = tuple(one for one in table.chains if kind == "chain" and one.name == name)
    if not collections and not chains:
        return None
    part = Table(table.family, table.name, collections, chains, handle=table.handle)
    return _json(part.json()[1:]) if as_json else part.text()


def _json(entries: list[dict[str, Any]]) -> str:
    return json.dumps({"nftables": [METAINFO, *entries]}) + "\n"


def _no_such(kernel: Kernel, words: list[str]) -> str:
    """Nft's message: the command, and a mark under the name that is not there (measured, 1.0.6)."""
    line = " ".join(words)
    if words[:1] != ["list"] or len(words) not in {4, 5}:
        return f"Error: syntax error, unexpected string\n{line}\n^\n"
    has_table = f"{words[2]} {words[3]}" in kernel.table_names()
    named = words[4] if has_table else words[3]
    return (
        f"Error: No such file or directory\n{line}\n"
        f"{' ' * line.find(f' {named}')} {'^' * len(named)}\n"
    )
