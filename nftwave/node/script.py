"""The probe's script, and the mark that frames its answer."""

from __future__ import annotations

import secrets
from importlib.resources import files

# Not to be guessed by whatever a node prints; one a process, so that the script is the same text.
MARK = f"@@{secrets.token_hex(4)}"


def script(mark: str) -> str:
    """The probe's text, which frames its answer with `mark`."""
    text = files(__package__).joinpath("probe.sh").read_text(encoding="utf-8")
    return f"mark='{mark}'\n{text}"


PROBE = script(MARK)
