"""Findings, plans and verdicts as Markdown and as rows: for artifacts, forms and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.evidence import Standing
from nftwave.outcome import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nftwave.evidence import NodeVerdict
    from nftwave.findings import Finding
    from nftwave.outcome import Outcome
    from nftwave.plan import Plan

SHOWN = 200
"""Rows that an artifact shows; the rest is counted."""
SHOWN_NAMES = 20


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
        f"{diff}\n\n{table if changes else ''}{batches_markdown(plan)}"
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
    how = f"strategy {plan.strategy}"
    if plan.batches:
        rest = len(plan.batches) - 1
        how = (
            f"canary first ({listed(plan.batches[0])}), then {counted(rest, 'batch', 'batches')},"
            " each proven before the next"
        )
    drained = f" {counted(len(plan.drained), 'node')} drained first." if plan.drained else ""
    return (
        f"{edit} on {nodes}{kept}, {how}; a rough guess is {minutes} min.{drained}"
        f" At stake: {stakes(plan)}, which do not survive."
    )


def batches_markdown(plan: Plan) -> str:
    """Which nodes have their turn when."""
    if not plan.batches:
        return ""
    titles = ["canary", *(f"batch {i} of {len(plan.batches) - 1}" for i in _from_one(plan))]
    rows = [
        f"| {title} | {len(batch)} | {_cell(listed(batch, SHOWN_NAMES))} |"
        for title, batch in zip(titles, plan.batches, strict=True)
    ]
    return "\n\n| turn | nodes | which |\n|---|---|---|\n" + _rows(rows)


def _from_one(plan: Plan) -> range:
    return range(1, len(plan.batches))


def canary_markdown(plan: Plan, verdicts: Sequence[NodeVerdict]) -> str:
    """The description of the second form: the canary's evidence."""
    rest = sum(len(batch) for batch in plan.batches[1:])
    evidence = "\n\n".join(evidence_list(v) for v in verdicts[:SHOWN_NAMES])
    found = [(v.node, v.interruption) for v in verdicts if v.interruption]
    measured = "".join(f"\n\nInterruption on {node}: {one.words()}" for node, one in found)
    return (
        f"# Go on in {plan.cluster} with the other {counted(rest, 'node')}?\n\n"
        f"The canary runs nftables and has proven itself; all other nodes run ipvs as before, and"
        f" kube-proxy is held. Plan `{plan.short_hash}`.{measured}{batches_markdown(plan)}\n\n"
        f"{evidence}"
    )


def failure_markdown(plan: Plan, what: str, verdicts: Sequence[NodeVerdict]) -> str:
    """The description of the form after a failure: what failed, and the nodes so far."""
    order = [Standing.FAILED, Standing.UNKNOWN, Standing.VERIFIED]
    worst = sorted(verdicts, key=lambda v: (order.index(v.standing), v.node))
    evidence = "\n\n".join(evidence_list(v) for v in worst[:SHOWN_NAMES])
    return (
        f"# Roll {plan.cluster} back?\n\n{_cell(what)}\n\nNo further node is changed, and"
        f" kube-proxy is held. Plan `{plan.short_hash}`.\n\n{evidence}"
    )


def stakes(plan: Plan) -> str:
    """How many connections are at stake, and of how many nodes that is not known."""
    unknown = counted(plan.unknown_stakes, "node")
    known = f"{plan.established} connections established through ipvs"
    if plan.nodes and plan.unknown_stakes == len(plan.nodes):
        return f"connections established through ipvs, their number unknown on {unknown}"
    return known + (f" (unknown on {unknown})" if plan.unknown_stakes else "")


def approval_markdown(plan: Plan, findings: Sequence[Finding], unchanged: str) -> str:
    """The description of the approval form: cluster, plan hash, findings, diff.

    Args:
        unchanged: what was left as it is so far, in a few words.
    """
    so_far = f"{unchanged[0].upper()}{unchanged[1:]}"
    return (
        f"# Migrate {plan.cluster} from ipvs to nftables?\n\n"
        f"{so_far}. Rejecting, or not answering in time, changes nothing.\n\n"
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


def evidence_list(verdict: NodeVerdict) -> str:
    """The same for a form, which is narrow: what speaks against the node first."""
    against = verdict.against()
    ordered = [*against, *(e for e in verdict.evidence if e not in against)]
    lines = [f"- {e.standing}: **{e.name}**: {_cell(e.seen)}" for e in ordered]
    return f"## {verdict.node}: {verdict.standing}\n\n" + "\n".join(lines)


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
