"""The probe's answer, cut into its blocks.

    @@mark begin NAME
    whatever the command printed
    @@mark end NAME STATUS

The end line is printed after a newline of its own, so output that lacks its last newline does not
hide it. Lines outside a block (a login shell that greets) are left out; a block without its end was
cut off, and says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nftwave.node.facts import Unknown

NEVER_SEEN = "exec cannot see it: kube-proxy's image has no program that tells"
"""The reason that no second look will change."""
REASONS = {
    "unseen": NEVER_SEEN,
    "denied": "not permitted to read it",
    "124": "the command was stopped: it took longer than its 10 s",
    "126": "not permitted to run it",
    # busybox timeout lets the signal's own status through.
    "143": "the command was stopped: it took longer than its 10 s",
}

_FORBIDDEN = re.compile("permission denied|operation not permitted", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Block:
    """What one command of the probe printed, both streams, and how it ended.

    `status` is an exit status in digits, `absent`, `denied`, `unseen` (by whoever made the answer),
    or None where the block was cut off.
    """

    text: str
    status: str | None

    @property
    def ok(self) -> bool:
        """Whether the command ended with status 0."""
        return self.status == "0"

    @property
    def absent(self) -> bool:
        """The file, or the program (a shell's status 127), is not on the node."""
        return self.status in ("absent", "127")

    @property
    def untold(self) -> bool:
        """Whether nothing ran that could have told it."""
        return self.status in (None, "unseen") or self.absent

    @property
    def last_line(self) -> str:
        """What the command said last: mostly its complaint."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def why(self) -> Unknown:
        """The reason why this block, which is not ok, holds no fact."""
        if self.status is None:
            return Unknown("the probe's answer was cut off in the middle of this")
        if self.absent:
            return Unknown("not on the node" + (f": {self.last_line}" if self.last_line else ""))
        if self.status in REASONS:
            return Unknown(REASONS[self.status])
        if _FORBIDDEN.search(self.text):
            return Unknown(f"it needs root: {self.last_line}")
        return Unknown(f"{self.last_line or 'no output'} (exit status {self.status})")


def blocks(answer: bytes, mark: str) -> dict[str, Block]:
    """The blocks of a probe's answer, by name. Never raises; what is not a block is ignored."""
    found: dict[str, Block] = {}
    name: str | None = None
    lines: list[str] = []
    for line in answer.decode("utf-8", "replace").split("\n"):
        words = line.split()
        if words[:2] == [mark, "begin"] and len(words) == 3:
            name, lines = words[2], []
            found[name] = Block("", None)
        elif words[:3] == [mark, "end", name] and name is not None:
            status = words[3] if len(words) == 4 else None
            found[name] = Block("\n".join(lines).strip("\n"), status)
            name = None
        elif name is not None:
            lines.append(line)
    return found
