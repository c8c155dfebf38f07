"""Findings, plans and verdicts as Markdown and as rows: for artifacts, forms and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.evidence import Standing
from nftwave.outcome import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nftwave.evidence import NodeVerdict
    from nftwave.findings import Finding
    from nftwave.outcome import Outcome
    from nftwave.plan import Plan

SHOWN = 200
"""Rows that an artifact shows; the rest is counted."""


def findings_markdown(cluster: str, findings: Sequence[Finding]) -> str:
    """What preflight found, most severe first."""
    if not findings:
        return f"## Preflight of {cluster}\n\nNothing was found."
    from nftwave.findings import fold

    rows = [
        f"| {one.severity} | `{one.code}` | {_cell(one.seen())}{_waived(one.waived)} |"
        f" {_cell(one.why)} | {_cell(one.remedy)} |"
        for one in fold(findings)
    ]
    head = "| severity | code | seen | why it matters | remedy |\n|---|---|---|---|---|"
    return f"## Preflight of {cluster}\n\n{_counts(findings)}\n\n{head}\n" + _rows(rows)


def plan_markdown(plan: Plan) -> str:
    """The plan: what changes in config.conf, on which nodes, and what is at stake."""
    changes = [
        f"| `{c.path}` | {_code(c.before)} | {_code(c.after)} | {_cell(c.why)} |"
        for c in plan.changes
    ]
    table = "| field | before | after | why |\n|---|---|---|---|\n" + _rows(changes)
    diff = (
        f"```diff\n{plan.diff}\n```" if plan.edits_config else "config.conf is as wanted already."
    )
    return (
        f"## Plan `{plan.short_hash}` for {plan.cluster}\n\n{plan_summary(plan)}\n\n"
        f"{diff}\n\n{table if changes else ''}"
        + "".join(f"\n\n{note}" for note in plan.notes)
        + "".join(f"\n\nWaived: `{what}`: {reason}" for what, reason in plan.waivers)
    )


def plan_summary(plan: Plan) -> str:
    """The plan in two sentences."""
    kept = f" ({len(plan.kept)} were restarted by an earlier run)" if plan.kept else ""
    nodes = counted(len(plan.nodes), "node")
    minutes = max(1, round(plan.expected_seconds / 60))
    edit = (
        "ConfigMap kube-system/kube-proxy is replaced and kube-proxy restarted"
        if plan.edits_config
        else "kube-proxy is restarted"
    )
    return (
        f"{edit} on {nodes}{kept}, strategy {plan.strategy};"
        f" a rough guess is {minutes} min. At stake: {stakes(plan)}, which do not survive."
    )


def stakes(plan: Plan) -> str:
    """How many connections are at stake, and of how many nodes that is not known."""
    unknown = counted(plan.unknown_stakes, "node")
    known = f"{plan.established} connections established through ipvs"
    if plan.nodes and plan.unknown_stakes == len(plan.nodes):
        return f"connections established through ipvs, their number unknown on {unknown}"
    return known + (f" (unknown on {unknown})" if plan.unknown_stakes else "")


def approval_markdown(plan: Plan, findings: Sequence[Finding]) -> str:
    """The description of the approval form: cluster, plan hash, findings, diff."""
    return (
        f"# Migrate {plan.cluster} from ipvs to nftables?\n\n"
        "Nothing has been changed so far. Rejecting, or not answering in time, changes nothing.\n\n"
        f"{plan_markdown(plan)}\n\n{findings_markdown(plan.cluster, findings)}"
    )


def verdict_rows(verdicts: Iterable[NodeVerdict]) -> list[dict[str, str]]:
    """A row a node, those that are not verified first."""
    order = [Standing.FAILED, Standing.UNKNOWN, Standing.VERIFIED]
    ordered = sorted(verdicts, key=lambda v: (order.index(v.standing), v.node))
    rows = [{"node": v.node, "verdict": v.standing.value, "why": v.why()} for v in ordered]
    if any(v.interruption for v in ordered):
        for row, v in zip(rows, ordered, strict=True):
            row["interruption"] = v.interruption.words() if v.interruption else ""
    return rows


def evidence_markdown(verdict: NodeVerdict) -> str:
    """All evidence on one node, with the commands that show it."""
    rows = [
        f"| {e.standing} | {e.name} | {_cell(e.seen)} | {_code(e.command)} |"
        for e in verdict.evidence
    ]
    return (
        f"## {verdict.node}: {verdict.standing}\n\n"
        "| | evidence | seen | look again with |\n|---|---|---|---|\n" + "\n".join(rows)
    )


def outcome_markdown(outcome: Outcome) -> str:
    """How the run ended, in words, and the nodes."""
    words = "\n\n".join(outcome.words())
    listed = verdict_rows(outcome.verdicts)
    if not listed:
        return f"## {outcome.cluster}: {outcome.status}\n\n{words}"
    head = f"| {' | '.join(listed[0])} |\n|{'---|' * len(listed[0])}\n"
    rows = [f"| {' | '.join(_cell(cell) for cell in row.values())} |" for row in listed]
    table = f"\n\n{head}{_rows(rows)}"
    return f"## {outcome.cluster}: {outcome.status}\n\n{words}{table}"


def _waived(reason: str) -> str:
    return f"<br>**waived:** {_cell(reason)}" if reason else ""


def _counts(findings: Sequence[Finding]) -> str:
    from nftwave.findings import Severity

    counts = {s: sum(f.severity is s for f in findings) for s in Severity}
    return ", ".join(counted(n, str(s)) for s, n in counts.items())


def _rows(rows: Sequence[str]) -> str:
    more = [f"\n… and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    return "\n".join([*rows[:SHOWN], *more])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""
