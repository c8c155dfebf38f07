"""`~/.ssh/config`, as far as it says how to reach a host.

paramiko does the matching (`Host`, `Match`, tokens). These are treated here:

    Include        read in place, as ssh does (paramiko ignores it); refused inside a Host or Match
                   block where the included file has such blocks itself
    Match exec     never run: such a block does not apply. Looking at a fleet must not start
                   programs on the operator's machine, once a node
    ProxyCommand   refused where it applies: use ProxyJump
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko

from nftwave.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DIRECTIVE = re.compile(r"^\s*(\w+)\s*[=\s]\s*(.*?)\s*$")
_EXEC = re.compile(r"(^|\s)!?exec[\s=]", re.IGNORECASE)
_OTHER_FILE = "mend it, or name another file as ssh.config in the fleet file"
_NEVER = "Match host !*"
_DEEPEST_INCLUDE = 16  # as ssh has it (readconf.c)


class SshConfig:
    """One ssh_config file and what it includes."""

    def __init__(self, text: str = "", *, file: Path | None = None) -> None:
        self.file = file
        try:
            self._config = paramiko.SSHConfig.from_text(text)
        except Exception as error:  # paramiko raises bare Exception too
            raise BadInput(
                f"cannot read the ssh config: {error}", file=str(file), next_step=_OTHER_FILE
            ) from error

    @classmethod
    def load(cls, file: Path | None) -> SshConfig:
        """The file, or `~/.ssh/config` for None where there is one.

        Raises:
            BadInput: the file cannot be read or understood.
        """
        path = file if file is not None else Path("~/.ssh/config").expanduser()
        if file is None and not path.is_file():
            return cls()
        return _loaded(path, _changed(path))

    def options(self, host: str) -> Mapping[str, str | list[str]]:
        """The options for `host`, keys in lower case, tokens expanded.

        Raises:
            BadInput: the file says to reach this host by a ProxyCommand, or contradicts itself.
        """
        try:
            found = self._config.lookup(host)
        except Exception as error:
            raise BadInput(
                f"for {host}: {error}", file=str(self.file), next_step=_OTHER_FILE
            ) from error
        if found.get("proxycommand", "none") not in ("none", None) and "proxyjump" not in found:
            raise BadInput(
                f"{host} is reached by a ProxyCommand, which nftwave does not run",
                file=str(self.file),
                next_step="use ProxyJump there, or ssh.jump in the fleet file",
            )
        return found


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise BadInput(f"cannot read it: {error.strerror}", file=str(path)) from error


# Read once for a fleet, not once a node.
@functools.lru_cache(maxsize=8)
def _loaded(path: Path, _when: int) -> SshConfig:
    return SshConfig("\n".join(_lines(path, path.parent, 0)), file=path)


def _lines(path: Path, home: Path, depth: int) -> Iterator[str]:
    block: str | None = None
    for number, line in enumerate(_text(path).splitlines(), start=1):
        found = _DIRECTIVE.match(line)
        keyword, value = (found[1].lower(), found[2]) if found else ("", "")
        if keyword == "include":
            yield from _included(value, home, depth, block, f"{path}:{number}")
            continue
        if keyword == "match" and _EXEC.search(value):
            block = _NEVER
        elif keyword in ("host", "match"):
            block = line
        else:
            yield line
            continue
        yield block


def _included(value: str, home: Path, depth: int, block: str | None, place: str) -> Iterator[str]:
    if depth >= _DEEPEST_INCLUDE:
        raise BadInput("Include nested too deeply", file=place)
    for pattern in value.split():
        base = Path(pattern.strip('"')).expanduser()
        absolute = base if base.is_absolute() else home / base
        for path in sorted(Path(absolute.anchor).glob(str(absolute.relative_to(absolute.anchor)))):
            lines = list(_lines(path, home, depth + 1))
            has_blocks = any(re.match(r"\s*(host|match)\b", line, re.IGNORECASE) for line in lines)
            if has_blocks and block is not None:
                raise BadInput(
                    f"Include of {path}, which has Host blocks, inside a Host block",
                    file=place,
                    next_step="move the Include to the top of the file",
                )
            yield from lines
            if has_blocks:
                yield "Host *"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise BadInput(f"cannot read it: {error.strerror}", file=str(path)) from error
