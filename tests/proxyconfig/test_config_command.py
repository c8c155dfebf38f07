"""Flags on kube-proxy's command line that would make an edit of config.conf vain."""

import json
from pathlib import Path

import pytest

from nftwave.proxyconfig import overridden_by

RECORDING = Path(__file__).parents[1] / "recordings/api/08-daemonset-kube-proxy.json"
PATH = "/var/lib/kube-proxy/config.conf"


def test_kubeadms_own_command_line_overrides_nothing():
    body = json.loads(RECORDING.read_text())["response"]["body"]
    command = body["spec"]["template"]["spec"]["containers"][0]["command"]
    assert overridden_by(command) == ()


@pytest.mark.parametrize(
    "flags",
    [
        [f"--config={PATH}", "--v=5"],
        ["--config", PATH],
        ["-v", "5", "--config", PATH],
        # kube-proxy does not look at it where there is --config
        [f"--config={PATH}", "--proxy-mode=ipvs"],
        [f"--config={PATH}", "--cleanup=false"],
    ],
)
def test_flags_that_change_nothing_are_not_told(flags):
    assert overridden_by(["/usr/local/bin/kube-proxy", *flags]) == ()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["kube-proxy"], ["--config is missing: kube-proxy does not read config.conf"]),
        (["kube-proxy", "--config="], ["--config is missing: "]),
        (
            ["kube-proxy", "--proxy-mode", "ipvs", "--masquerade-all"],
            [
                "--config is missing: ",
                "--proxy-mode=ipvs: decides",
                "--masquerade-all=true: decides",
            ],
        ),
        (["kube-proxy", "--config=/etc/kp.yaml"], ["--config=/etc/kp.yaml: not /var/lib/"]),
        (["kube-proxy", "--config", PATH, "--cleanup"], ["--cleanup: kube-proxy removes its "]),
        (["kube-proxy", f"--config={PATH}", "--init-only=true"], ["--init-only: kube-proxy "]),
        (
            ["kube-proxy", f"--config={PATH}", "--write-config-to=/tmp/c"],
            ["--write-config-to: kube-proxy writes "],
        ),
        (["sh", "-c", f"kube-proxy --config={PATH}"], ["sh: not kube-proxy itself", "--config is"]),
        ([], ["the image's own entry point: not kube-proxy itself", "--config is missing"]),
    ],
)
def test_flags_that_matter_are_told_with_the_reason(command, told):
    reasons = overridden_by(command)
    assert len(reasons) == len(told)
    assert all(reason.startswith(start) for reason, start in zip(reasons, told, strict=True))
