"""Why a kube-proxy configuration is not read, or not edited."""

from __future__ import annotations

from nftwave.errors import NftwaveError

FILE = "config.conf"
"""Key of the ConfigMap `kube-system/kube-proxy` that holds the KubeProxyConfiguration."""


class ConfigError(NftwaveError):
    """Root of both: says the reason, and the line (from 1) and field where there are any."""

    def __init__(
        self,
        reason: str,
        *,
        line: int | None = None,
        field: str | None = None,
        next_step: str | None = None,
    ) -> None:
        place = f"{FILE}:{line}" if line is not None else FILE
        what = ": ".join(part for part in (place, field, reason) if part)
        super().__init__(what, unchanged="the configuration", next_step=next_step)
        self.reason = reason
        self.line = line
        self.field = field


class Unreadable(ConfigError):
    """The text is not a KubeProxyConfiguration that kube-proxy itself would read."""


class NotEditable(ConfigError):
    """The text can be read, but not edited with every other byte kept."""
