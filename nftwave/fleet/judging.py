"""Mistakes in what a fleet file says of findings: codes that do not exist, and firm ones.

Some findings no policy may lower, waive or switch off: what they tell is not a risk to be taken,
but a run that cannot work. The catalogue says which, and why.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nftwave.findings.catalogue import BY_CODE

if TYPE_CHECKING:
    from nftwave.yamlnodes import Place


def policy_mistakes(value: object) -> Iterator[tuple[Place, str]]:
    """Mistakes in `policy` of the fleet and of each cluster."""
    whole = value if isinstance(value, Mapping) else {}
    yield from _mistakes(whole.get("policy"), ("policy",))
    clusters = whole.get("clusters")
    for index, one in enumerate(clusters if isinstance(clusters, list) else ()):
        own = one.get("policy") if isinstance(one, Mapping) else None
        yield from _mistakes(own, ("clusters", index, "policy"))


def _mistakes(policy: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if not isinstance(policy, Mapping):
        return
    severities = policy.get("findings")
    for code, severity in (severities if isinstance(severities, Mapping) else {}).items():
        here = (*place, "findings", code)
        if code not in BY_CODE:
            yield here, _unknown(code)
        elif BY_CODE[code].firm and severity != BY_CODE[code].severity:
            yield here, f"found {severity}, allowed: {_only(code)}"
    waivers = policy.get("waivers")
    for index, waiver in enumerate(waivers if isinstance(waivers, list) else ()):
        code = waiver.get("code") if isinstance(waiver, Mapping) else None
        here = (*place, "waivers", index, "code")
        if isinstance(code, str) and code and code not in BY_CODE:
            yield here, _unknown(code)
        elif isinstance(code, str) and code and BY_CODE[code].firm:
            yield here, f"found {code}, allowed: another code; {BY_CODE[code].firm}"


def _only(code: str) -> str:
    rule = BY_CODE[code]
    return f"{rule.severity}; {rule.firm}"


def _unknown(code: str) -> str:
    near = difflib.get_close_matches(code, BY_CODE, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f'found "{code}", allowed: a code of docs/findings.md{hint}'
