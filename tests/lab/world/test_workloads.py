"""Application pods: they are drained, placed elsewhere and counted, as kubectl sees it."""

from __future__ import annotations

import json

import pytest

NODE = "lab-1-node-1"
SHOP = ("-n", "shop")


def pods(clients, *namespace, selector=""):
    chosen = ("-l", selector) if selector else ()
    return json.loads(clients.kubectl("get", "pods", *namespace, *chosen, "-o", "json"))["items"]


def places(clients):
    """Node of each pod of the shop that runs and is not ending."""
    return sorted(
        pod["spec"].get("nodeName", "")
        for pod in pods(clients, *SHOP)
        if "deletionTimestamp" not in pod["metadata"] and pod["status"]["phase"] == "Running"
    )


def budget(clients):
    return json.loads(clients.kubectl("get", *SHOP, "pdb", "web", "-o", "json"))["status"]


def taints(clients, node=NODE):
    spec = json.loads(clients.kubectl("get", "node", node, "-o", "json"))["spec"]
    return [(one["key"], one["effect"]) for one in spec.get("taints", [])]


CORDONED = ("node.kubernetes.io/unschedulable", "NoSchedule")


def test_a_cluster_has_application_pods_however_many_nodes_there_are(start, shared):
    assert places(shared) == [NODE, NODE, "lab-1-node-2"]
    assert budget(shared)["disruptionsAllowed"] == 1
    shown = shared.kubectl("get", "deployments,rs,pdb", "-A")
    assert "deployment.apps/web" in shown
    assert "coredns" in shown
    alone = start(nodes=1)
    assert "shop" not in alone.kubectl("get", "namespaces")
    assert {pod["status"]["phase"] for pod in pods(alone, "-A")} == {"Running"}


def test_every_pod_has_an_address_of_its_own(shared):
    addresses = [
        pod["status"]["podIP"] for pod in pods(shared, "-A") if not pod["spec"].get("hostNetwork")
    ]
    assert len(set(addresses)) == len(addresses) == 8


def test_a_cordon_is_seen_as_taint_and_in_the_state_and_goes_again(fresh):
    fresh.kubectl("cordon", NODE)
    fresh.until(lambda: CORDONED in taints(fresh), "the taint")
    assert [one["unschedulable"] for one in fresh.nodes().values()] == [False, True, False]
    fresh.kubectl("uncordon", NODE)
    fresh.until(lambda: taints(fresh) == [], "no taint")
    assert not fresh.node(NODE)["unschedulable"]
    assert "unschedulable" not in fresh.kubectl("get", "node", NODE, "-o", "yaml")


@pytest.mark.parametrize("kind", ["merge", "strategic"])
def test_a_cordon_with_an_annotation_is_one_patch(fresh, kind):
    patch = {"metadata": {"annotations": {"a/b": "c"}}, "spec": {"unschedulable": True}}
    fresh.kubectl("patch", "node", NODE, "--type", kind, "-p", json.dumps(patch))
    shown = json.loads(fresh.kubectl("get", "node", NODE, "-o", "json"))
    assert shown["metadata"]["annotations"]["a/b"] == "c"
    assert shown["spec"]["unschedulable"] is True
    back = {"metadata": {"annotations": {"a/b": None}}, "spec": {"unschedulable": False}}
    fresh.kubectl("patch", "node", NODE, "--type", kind, "-p", json.dumps(back))
    shown = json.loads(fresh.kubectl("get", "node", NODE, "-o", "json"))
    assert "a/b" not in shown["metadata"]["annotations"]
    assert "unschedulable" not in shown["spec"]


def test_a_drained_node_keeps_daemons_only_and_its_pods_run_elsewhere(fresh):
    before = fresh.node(NODE)["connections"]
    assert before == 3
    drained = fresh.kubectl("drain", NODE, "--ignore-daemonsets", "--timeout=60s")
    assert "pod/web-" in drained
    fresh.until(lambda: places(fresh) == ["lab-1-node-2"] * 3, "all on the other worker")
    here = [pod for pod in pods(fresh, "-A") if pod["spec"].get("nodeName") == NODE]
    owners = {pod["metadata"]["ownerReferences"][0]["name"] for pod in here}
    assert owners == {"kube-proxy", "log-agent"}
    assert fresh.node(NODE)["connections"] == 0
    fresh.until(lambda: budget(fresh)["disruptionsAllowed"] == 1, "a budget to spend")


def test_a_budget_makes_the_second_pod_wait_for_the_first_ones_successor(fresh):
    fresh.kubectl("drain", NODE, "--ignore-daemonsets", "--timeout=60s")
    evictions = [
        one
        for one in fresh.lab.attempts()
        if one["path"].endswith("/eviction") and "/shop/" in one["path"]
    ]
    statuses = [one["status"] for one in evictions]
    assert statuses.count(201) == 2
    assert 429 in statuses


def test_without_another_node_a_pod_waits_and_the_budget_holds_the_next(start):
    clients = start(nodes=2)
    refused = clients.kubectl("drain", NODE, "--ignore-daemonsets", "--timeout=1s", check=False)
    assert "drained" not in refused
    clients.until(
        lambda: [pod["status"]["phase"] for pod in pods(clients, *SHOP)].count("Pending") == 1,
        "one that has no place",
    )
    assert len(places(clients)) == 2
    clients.kubectl("uncordon", NODE)
    clients.until(lambda: places(clients) == [NODE] * 3, "its place again")


def test_a_deleted_pod_is_replaced_apart_from_its_like(start):
    clients = start(nodes=5)
    assert places(clients) == ["lab-1-node-1", "lab-1-node-2", "lab-1-node-3"]
    [name] = [
        pod["metadata"]["name"]
        for pod in pods(clients, *SHOP)
        if pod["spec"]["nodeName"] == "lab-1-node-2"
    ]
    clients.kubectl("cordon", "lab-1-node-2")
    clients.kubectl("delete", *SHOP, "pod", name, "--wait=false")
    clients.until(
        lambda: places(clients) == ["lab-1-node-1", "lab-1-node-3", "lab-1-node-4"],
        "a successor on the free node",
    )


def test_a_silent_node_gets_no_pod_until_it_speaks_again(fresh):
    fresh.kubectl("cordon", NODE)
    fresh.lab.fault("lab-1", "lab-1-node-2", "node-not-ready")
    name = next(
        pod["metadata"]["name"] for pod in pods(fresh, *SHOP) if pod["spec"]["nodeName"] == NODE
    )
    fresh.kubectl("delete", *SHOP, "pod", name, "--wait=false")
    fresh.until(
        lambda: "FailedScheduling" in fresh.kubectl("get", *SHOP, "events"), "no place for it"
    )
    fresh.lab.clear()
    fresh.until(lambda: places(fresh) == [NODE, "lab-1-node-2", "lab-1-node-2"], "a place")


def test_a_cordon_by_a_stale_put_conflicts_and_a_fresh_one_holds(fresh):
    shown = fresh.kubectl("get", "node", NODE, "-o", "json")
    fresh.kubectl("annotate", "node", NODE, "a/b=c")
    node = json.loads(shown)
    node["spec"]["unschedulable"] = True
    fresh.kubectl("replace", "-f", "-", stdin=json.dumps(node), check=False)
    assert not fresh.node(NODE)["unschedulable"]
    node["metadata"] = json.loads(fresh.kubectl("get", "node", NODE, "-o", "json"))["metadata"]
    fresh.kubectl("replace", "-f", "-", stdin=json.dumps(node))
    assert fresh.node(NODE)["unschedulable"]


def delete_pods(clients, place, selector, node):
    """Delete the pods of a workload on a node, and wait for their end: their addresses."""
    found = [
        pod
        for pod in pods(clients, "-n", place, selector=selector)
        if pod["spec"]["nodeName"] == node
    ]
    names = [pod["metadata"]["name"] for pod in found]
    clients.kubectl("delete", "-n", place, "pod", *names)
    return {pod["status"]["podIP"] for pod in found}


def test_connections_to_a_pod_that_has_gone_are_opened_anew_to_another(fresh):
    before = backends(fresh, "lab-1-cp-1")
    old = delete_pods(fresh, "kube-system", "k8s-app=kube-dns", "lab-1-node-2")
    assert old & set(before)
    after = backends(fresh, "lab-1-cp-1")
    assert not old & set(after)
    assert len(after) == len(before) == 3


def test_connections_through_a_service_without_another_endpoint_end(fresh):
    before = backends(fresh, NODE)
    fresh.kubectl("patch", "deployment", "web", "--type", "merge", "-p", '{"spec":{"replicas":0}}')
    fresh.until(lambda: pods(fresh, selector="k8s-app=web") == [], "no pod of web")
    after = backends(fresh, NODE)
    assert (len(before), len(after)) == (3, 1)
    assert after[0] in before


def backends(clients, node):
    rows = clients.ssh(node, "sudo cat /proc/net/ip_vs_conn").stdout.splitlines()[1:]
    return [address(row.split()[5]) for row in rows]


def address(word):
    return ".".join(str(byte) for byte in bytes.fromhex(word))


def endpoints(clients, service):
    shown = clients.kubectl(
        "get",
        "endpointslices",
        "-n",
        "kube-system",
        "-l",
        f"kubernetes.io/service-name={service}",
        "-o",
        "json",
    )
    [one] = json.loads(shown)["items"]
    return {
        endpoint["addresses"][0] for endpoint in one["endpoints"] if endpoint["conditions"]["ready"]
    }


def test_a_services_endpoints_follow_its_pods(fresh):
    before = endpoints(fresh, "kube-dns")
    fresh.kubectl("drain", "lab-1-node-2", "--ignore-daemonsets", "--timeout=60s")

    def moved():
        running = {
            pod["status"].get("podIP")
            for pod in pods(fresh, "-n", "kube-system", selector="k8s-app=kube-dns")
            if "deletionTimestamp" not in pod["metadata"]
        }
        found = endpoints(fresh, "kube-dns")
        return found if found == running and len(found) == 2 else None

    after = fresh.until(moved, "both endpoints")
    assert after != before
    assert fresh.ssh(NODE, "nc -z -w 5 10.96.0.10 53").returncode == 0


def test_a_deployment_that_is_scaled_restarted_or_deleted_is_followed(fresh):
    patch = json.dumps({"spec": {"replicas": 1}})
    fresh.kubectl("patch", *SHOP, "deployment", "web", "--type", "merge", "-p", patch)
    fresh.until(lambda: len(places(fresh)) == 1, "one pod")
    fresh.kubectl("rollout", "restart", *SHOP, "deployment", "web")
    said = fresh.kubectl("rollout", "status", *SHOP, "deployment", "web", "--timeout=60s")
    assert "successfully rolled out" in said
    fresh.kubectl("delete", *SHOP, "deployment", "web", "--wait=false")
    fresh.until(lambda: pods(fresh, *SHOP) == [], "no pod")
