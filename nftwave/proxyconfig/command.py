"""kube-proxy's command line: does it read `config.conf` at all, and does it stay?

With `--config`, kube-proxy takes nothing from its other flags but logging and `--hostname-override`
(Kubernetes 1.36 source, cmd/kube-proxy/app/options.go), so `--proxy-mode` beside it is no matter.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG_PATH = "/var/lib/kube-proxy/config.conf"
"""Where kubeadm's DaemonSet has `config.conf` (kubeadm 1.36.2)."""

WITHOUT_CONFIG = ("--proxy-mode", "--masquerade-all", "--nodeport-addresses")
"""Flags that decide in place of the file where there is no `--config`."""

ENDING = {
    "--cleanup": "kube-proxy removes its rules and exits",
    "--init-only": "kube-proxy prepares the node and exits",
    "--write-config-to": "kube-proxy writes its defaults to a file and exits",
}
"""Flags under which no proxy runs."""


def overridden_by(command: Sequence[str]) -> tuple[str, ...]:
    """Why an edit of `config.conf` would not do: each flag that matters, with its reason.

    Args:
        command: command and args of the container, as in the DaemonSet.
    """
    flags = _flags(command)
    config = flags.get("--config")
    reasons = []
    if not any(part.rpartition("/")[2] == "kube-proxy" for part in command[:1]):
        started = " ".join(command[:1]) or "the image's own entry point"
        reasons.append(f"{started}: not kube-proxy itself, so its flags may not be all of them")
    if not config:
        reasons.append("--config is missing: kube-proxy does not read config.conf")
        found = [f"{name}={flags[name]}" for name in WITHOUT_CONFIG if name in flags]
        reasons += [f"{flag}: decides, because there is no --config" for flag in found]
    elif config != CONFIG_PATH:
        reasons.append(f"--config={config}: not {CONFIG_PATH}, where the ConfigMap is mounted")
    set_flags = (name for name in ENDING if flags.get(name, "false") != "false")
    return (*reasons, *(f"{name}: {ENDING[name]}" for name in set_flags))


def _flags(command: Sequence[str]) -> dict[str, str]:
    """Flags with their values, as `--name=value`, `--name value` or `--name` alone (`true`)."""
    flags = {}
    for part, following in itertools.pairwise((*command, "")):
        name, equals, value = part.partition("=")
        if name.startswith("--"):
            alone = not following or following.startswith("-")
            flags[name] = value if equals else "true" if alone else following
    return flags
