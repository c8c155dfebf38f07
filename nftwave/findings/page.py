"""The page on findings, made from the catalogue: `python -m nftwave.findings.page`."""

from __future__ import annotations

import sys

from nftwave.findings.catalogue import RULES
from nftwave.findings.model import Severity

HEAD = """\
# Findings

What `nftwave check` looks at before anything is changed. Made from the code
(`make docs`); do not edit.

- A **blocker** would break something: the run ends with exit status 3 and nothing changed.
- A **warning** changes behaviour, or needs a person's eye: it is shown with the plan.
- A **note** is good to know.

The fleet file may weigh a finding otherwise, for the fleet or for a cluster:

```yaml
policy:
  findings:
    nft-too-old: warning        # blocker, warning, note or off
  waivers:
    - code: foreign-ipvs
      subject: edge-*           # a pattern for the node's name; without it all
      reason: keepalived has moved to the load balancers, these may go (CHG-1234)
```

A waived finding weighs one step less, and its reason is shown with the plan and covered by the
plan's hash: another waiver is another plan, which has to be approved anew. Findings that say *no*
under "may be waived" tell of a run that could not work, not of a risk to be taken.
"""

ORDER = {Severity.BLOCKER: "Blockers", Severity.WARNING: "Warnings", Severity.NOTE: "Notes"}


def page() -> str:
    """The whole page, in Markdown."""
    parts = [HEAD]
    for severity, title in ORDER.items():
        rules = [rule for rule in RULES if rule.severity is severity]
        links = ", ".join(f"[{rule.code}](#{rule.code})" for rule in rules)
        parts.append(f"## {title}\n\n{links}\n")
        for rule in rules:
            waived = f"no: {rule.firm}" if rule.firm else "yes"
            parts.append(
                f"### {rule.code}\n\n"
                f"| | |\n|---|---|\n"
                f"| looked at | {_cell(rule.looks_at)} |\n"
                f"| why | {_cell(rule.why)} |\n"
                f"| remedy | {_cell(rule.remedy)} |\n"
                f"| may be waived | {_cell(waived)} |\n"
                f"| source | {_cell(rule.source)} |\n"
            )
    return "\n".join(parts)


def _cell(text: str) -> str:
    # `kernel < 6.1` must not begin an HTML tag.
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(page())
