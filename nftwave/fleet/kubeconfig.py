"""Is the context that a user names in their kubeconfig? Credentials in it are not looked at."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from nftwave import yamlnodes

if TYPE_CHECKING:
    from pathlib import Path

    from nftwave.fleet.source import Source
    from nftwave.yamlnodes import Place


def require_context(kubeconfig: Path, context: str, source: Source, cluster: Place) -> None:
    """Check that a kubeconfig can be read and has a context.

    `cluster` is the place of the cluster in `source`, for the message.

    Raises:
        BadInput: no such file, not readable, not a kubeconfig, or no such context in it.
    """
    names = _contexts(kubeconfig, source, (*cluster, "kubeconfig"))
    if context in names:
        return
    near = difflib.get_close_matches(context, names, n=5) or sorted(names)[:10]
    there = f"it has {', '.join(near)}" if near else "it has none"
    what = f'found "{context}", allowed: a context of {kubeconfig}; {there}'
    raise source.mistake((*cluster, "context"), what)


def _contexts(path: Path, source: Source, place: Place) -> list[str]:
    try:
        value = yamlnodes.read(path.read_bytes().decode("utf-8-sig")).value
    except OSError as error:
        unset = "; a variable in it is not set" if "$" in str(path) else ""
        what = f"{path} cannot be read: {error.strerror or error}{unset}"
        raise source.mistake(place, what) from error
    except UnicodeDecodeError as error:
        raise source.mistake(place, f"{path} is not a kubeconfig: not UTF-8") from error
    except yamlnodes.Malformed as error:
        what = f"{path} is not a kubeconfig: line {error.line}: {error.reason}"
        raise source.mistake(place, what) from error
    listed: Any = value.get("contexts") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        raise source.mistake(place, f"{path} is not a kubeconfig: it has no list of contexts")
    return [str(one["name"]) for one in listed if isinstance(one, dict) and "name" in one]
