"""A node's file system: what was written on it, over what the kernel and the image show."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Show = Callable[[], str]
# Directories of the lab's nodes, not of this machine.
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108  see above
DIRECTORIES = (
    "/",
    "/bin",
    "/dev",
    "/etc",
    "/home/lab",
    "/root",
    "/run",
    "/usr/bin",
    "/usr/sbin",
    "/var/log",
    *TEMPORARY,
)
WRITABLE = ("/home/lab/", "/dev/", *(f"{directory}/" for directory in TEMPORARY))


class FileError(Exception):
    """The text is strerror's, as commands print it after the path."""


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link to something that cannot be opened, such as the socket of a process."""

    target: str

    def __call__(self) -> str:
        """Open it. Raises FileError."""
        raise FileError("No such device or address")


class Files:
    """Paths to text. `shown` is asked at each look, so /proc and /sys change by themselves."""

    def __init__(
        self, shown: Callable[[], Mapping[str, Show]], root_only: Callable[[str], bool]
    ) -> None:
        self._shown = shown
        self._root_only = root_only
        self._written: dict[str, str] = {}
        self._made: set[str] = set()

    def read(self, path: str, *, root: bool) -> str:
        """The text of a file. Raises FileError."""
        if path == "/dev/null":
            return ""
        if path in self._written:
            return self._written[path]
        show = self._shown().get(path)
        if show is None:
            raise FileError(
                "Is a directory" if self.is_directory(path) else "No such file or directory"
            )
        if not root and self._root_only(path):
            raise FileError("Permission denied")
        return show()

    def write(self, path: str, text: str, *, root: bool, append: bool = False) -> None:
        """Write a file. Raises FileError."""
        if path == "/dev/null":
            return
        if self.is_directory(path):
            raise FileError("Is a directory")
        if not self.is_directory(posixpath.dirname(path)):
            raise FileError("No such file or directory")
        if not self.may_write(path, root=root):
            raise FileError("Permission denied")
        self._written[path] = (self._written.get(path, "") if append else "") + text

    def make_directory(self, path: str, *, root: bool) -> None:
        """Make a directory. Raises FileError."""
        if self.exists(path):
            raise FileError("File exists")
        if not self.is_directory(posixpath.dirname(path)):
            raise FileError("No such file or directory")
        if not self.may_write(path, root=root):
            raise FileError("Permission denied")
        self._made.add(path)

    def remove(self, path: str, *, root: bool, recursive: bool = False) -> None:
        """Remove a file, or with `recursive` a tree. Raises FileError."""
        if not self.exists(path):
            raise FileError("No such file or directory")
        if self.is_directory(path) and not recursive:
            raise FileError("Is a directory")
        inside = [one for one in (*self._written, *self._made) if one.startswith(path + "/")]
        if path not in self._written and path not in self._made:
            raise FileError("Operation not permitted" if root else "Permission denied")
        for one in (path, *inside):
            self._written.pop(one, None)
            self._made.discard(one)

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory."""
        return (
            path == "/dev/null"
            or path in self._written
            or path in self._shown()
            or (self.is_directory(path))
        )

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory."""
        if path in DIRECTORIES or path in self._made:
            return True
        prefix = path.rstrip("/") + "/"
        return any(one.startswith(prefix) for one in self._paths())

    def may_read(self, path: str, *, root: bool) -> bool:
        """Whether there is something to read, and it may be read."""
        return self.exists(path) and (root or not self._root_only(path))

    def may_write(self, path: str, *, root: bool) -> bool:
        """Whether the path may be written."""
        return root or path.startswith(WRITABLE)

    def link(self, path: str) -> str | None:
        """What a symbolic link points to; None for anything else."""
        found = self._shown().get(path)
        return found.target if isinstance(found, Link) else None

    def may_list(self, directory: str, *, root: bool) -> bool:
        """Whether its names may be read."""
        return root or not self._root_only(directory)

    def entries(self, directory: str) -> list[str]:
        """The names in a directory, sorted."""
        prefix = directory.rstrip("/") + "/"
        return sorted(
            {
                one[len(prefix) :].split("/", 1)[0]
                for one in self._paths()
                if one.startswith(prefix) and one != prefix
            },
        )

    def matching(self, pattern: str) -> list[str]:
        """The paths that match a shell pattern, sorted."""
        found = [""]
        for step in pattern.split("/")[1:]:
            if any(character in step for character in "*?["):
                hidden = step.startswith(".")
                found = [
                    f"{base}/{name}"
                    for base in found
                    for name in self.entries(base or "/")
                    if fnmatch.fnmatchcase(name, step) and (hidden or not name.startswith("."))
                ]
            else:
                found = [f"{base}/{step}" for base in found]
        return sorted(one for one in found if self.exists(one))

    def _paths(self) -> Iterable[str]:
        yield from DIRECTORIES
        yield from self._made
        yield from self._written
        yield from self._shown()
