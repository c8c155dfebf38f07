"""What a person sees in a terminal: progress as it happens, then tables, the diff and the words.

Data goes to stdout; progress and messages go to stderr. Nothing here decides anything.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from nftwave.errors import NftwaveError
    from nftwave.evidence import NodeVerdict
    from nftwave.findings import Finding
    from nftwave.outcome import Outcome
    from nftwave.plan import Plan
    from nftwave.progress import Event

OUT = Console(highlight=False, soft_wrap=False)
ERR = Console(stderr=True, highlight=False)

SEVERITY = {"blocker": "bold red", "warning": "yellow", "note": "cyan"}
STANDING = {"verified": "green", "failed": "bold red", "unknown": "magenta"}
STATUS = {"done": "bold green", "already-done": "bold green"}


class LiveProgress:
    """Progress on a terminal: finished steps stay, what is waited for moves below them."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        with self._lock:
            if event.kind == "began":
                self._status = self._status or ERR.status("", spinner="dots")
                self._status.update(_line(event.step, event.text))
                self._status.start()
            elif event.kind == "now" and self._status:
                self._status.update(_line(event.step, event.text))
            elif event.kind == "line":
                ERR.print(_line("", event.text, dim=True), soft_wrap=True)
            elif event.kind in ("ended", "broke"):
                self._stop()
                mark = "[green]✓[/]" if event.kind == "ended" else "[bold red]✗[/]"
                took = f" [dim]{event.seconds:.1f} s[/]"
                ERR.print(f"{mark} {_line(event.step, event.text)}{took}", soft_wrap=True)

    def _stop(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def close(self) -> None:
        """Leave the terminal as it was."""
        with self._lock:
            self._stop()


class PlainProgress:
    """Progress elsewhere (a pipe, CI): one line an event, with the time."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        """Print one event that is to be kept."""
        if event.kind == "now":
            return
        at = time.strftime("%H:%M:%S")
        took = f" ({event.seconds:.1f} s)" if event.seconds else ""
        mark = {"began": "…", "ended": "done", "broke": "FAILED"}.get(event.kind, "")
        words = " ".join(part for part in (at, event.step, mark, event.text) if part)
        self._out.write(f"{words}{took}\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing to leave behind."""


def progress_listener() -> LiveProgress | PlainProgress:
    """For the stderr that there is."""
    return LiveProgress() if ERR.is_terminal else PlainProgress(sys.stderr)


def _line(step: str, text: str, *, dim: bool = False) -> str:
    words = f"[bold]{step:<10}[/] {escape(text)}"
    return f"  [dim]{words}[/]" if dim else words


def emit(value: Mapping[str, Any] | Sequence[Any], output: str) -> None:
    """Print data as JSON or YAML."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False)
    if output == "json":
        sys.stdout.write(text + "\n")
        return
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(json.loads(text), sys.stdout)


def _plain(value: object) -> object:
    """As JSON can say it; a key of several parts, such as a Service port, is joined."""
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return [_plain(item) for item in sorted(value)]
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _key(key: object) -> str:
    return " . ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def show_error(error: NftwaveError) -> None:
    """What went wrong, what was left unchanged, what to do next."""
    first, *rest = error.lines()
    ERR.print(Text(first, style="bold red"), soft_wrap=True)
    for line in rest:
        ERR.print(Text(line), soft_wrap=True)


def findings_table(findings: Sequence[Finding]) -> Table:
    """Findings, most severe first; why it matters and the remedy below what was seen.

    The same on many nodes is one entry.
    """
    from nftwave.findings import fold

    table = Table.grid(padding=(0, 1))
    for one in fold(findings):
        told = Text.assemble((f"{one.code}  ", "bold"), one.seen(), (f"\n{one.why}", "dim"))
        if one.waived:
            told.append(f"\nwaived: {one.waived}", "yellow")
        told.append(f"\n→ {one.remedy}")
        table.add_row(Text(one.severity, SEVERITY[one.severity]), told)
    return table


def nodes_table(rows: Iterable[Mapping[str, str]], title: str) -> Table:
    """A row a node."""
    listed = list(rows)
    table = Table(title=title, title_justify="left")
    for column in listed[0] if listed else ():
        table.add_column(column, overflow="fold")
    for row in listed:
        table.add_row(*(Text(value, STANDING.get(value, "")) for value in row.values()))
    return table


def verdicts_table(verdicts: Sequence[NodeVerdict]) -> Table:
    """The verdict on each node, those that are not verified first."""
    from nftwave.report import verdict_rows

    return nodes_table(verdict_rows(verdicts), "Nodes")


def evidence_table(verdict: NodeVerdict) -> Table:
    """All evidence on one node, with the commands that show it again."""
    table = Table(title=f"{verdict.node}: {verdict.standing}", title_justify="left")
    for column in ("", "evidence", "seen", "look again with"):
        table.add_column(column, overflow="fold")
    for e in verdict.evidence:
        table.add_row(
            Text(e.standing, STANDING[e.standing]), e.name, e.seen, Text(e.command, "dim")
        )
    return table


def diff(plan: Plan) -> Text:
    """The diff of config.conf, coloured."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    text = Text()
    for line in plan.diff.splitlines():
        bold = line.startswith(("+++", "---"))
        text.append(line + "\n", "bold" if bold else styles.get(line[:1], ""))
    return text


def show_plan(plan: Plan) -> None:
    """The plan on stdout: what changes and why, where, and what is at stake."""
    from nftwave.report import plan_summary

    OUT.print(Text.assemble(("Plan ", "bold"), plan.hash, f"  cluster {plan.cluster}\n"))
    OUT.print(diff(plan) if plan.edits_config else "config.conf is as wanted already.\n")
    for change in plan.changes:
        OUT.print(Text.assemble((f"{change.path}: ", "bold"), f"{change.before} → {change.after}"))
        OUT.print(Text(f"    {change.why}", "dim"))
    for note in plan.notes:
        OUT.print(Text(note, "dim"))
    for what, reason in plan.waivers:
        OUT.print(Text(f"waived: {what}: {reason}", "yellow"))
    rows = [
        {
            "node": n.name,
            "runs": n.mode,
            "established through ipvs": "unknown" if n.established is None else str(n.established),
        }
        for n in plan.nodes
    ]
    OUT.print(nodes_table(rows, "Nodes that change"))
    OUT.print(plan_summary(plan))


def show_outcome(outcome: Outcome) -> None:
    """How it ended: the nodes, then the words."""
    if outcome.verdicts:
        OUT.print(verdicts_table(outcome.verdicts))
    style = STATUS.get(outcome.status, "bold red")
    first, *rest = outcome.words()
    # Not wrapped here: a command or a link that is copied must be in one piece.
    OUT.print(Text(first, style), soft_wrap=True)
    for line in rest:
        OUT.print(Text(line), soft_wrap=True)
    if outcome.run_url:
        OUT.print(Text(f"Run: {outcome.run_url}", "dim"), soft_wrap=True)
