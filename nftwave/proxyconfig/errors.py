"""Why a kube-proxy configuration is not read, or not edited."""

from __future__ import annotations

from nftwave.errors import NftwaveError

FILE = "config.conf"
"""Key of the ConfigMap `kube-system/kube-proxy` that holds the KubeProxyConfiguration."""


class Unreadable(NftwaveError):
    """The text is not a KubeProxyConfiguration that can be worked with.

    Attributes:
        reason: why, without the place.
        line: where, from 1, if it is one place.
        field: the path of the field, if it is one.
    """

    def __init__(self, reason: str, *, line: int | None = None, field: str | None = None) -> None:
        place = f"{FILE}:{line}" if line is not None else FILE
        super().__init__(
            ": ".join(part for part in (place, field, reason) if part),
            unchanged="the configuration",
            next_step="mend it by hand: kubectl -n kube-system edit configmap kube-proxy",
        )
        self.reason = reason
        self.line = line
        self.field = field


class NotEditable(Unreadable):
    """The text can be read, but not edited with every other byte kept."""
