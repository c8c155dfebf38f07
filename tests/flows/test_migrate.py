"""The whole path, looked at from outside: the outcome, the lab's kernels, the API's audit."""

from __future__ import annotations

import socket

import pytest

from nftwave.evidence import Standing


@pytest.fixture
def policy():
    """Restart everywhere; test_batches.py has the other way."""
    return {"strategy": "rolling"}


NODE = "lab-1-node-1"
ALL = ("lab-1-cp-1", NODE, "lab-1-node-2")
QUICK = {"deadlines": {"verify": 3, "successor": 10, "probe": 3, "connect": 1.5}}


def codes(outcome):
    return {f.code for f in outcome.findings if f.severity == "blocker"}


def test_a_cluster_goes_from_ipvs_to_nftables_and_every_node_proves_it(cluster):
    before = cluster.config_map()["data"]
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("done", 0)
    assert [v.node for v in outcome.verdicts] == list(ALL)
    assert all(v.standing is Standing.VERIFIED for v in outcome.verdicts)
    for node in cluster.state["nodes"].values():
        assert node["mode"] == "nftables"
        assert "ip kube-proxy" in node["tables"]
        assert node["virtualServers"] == []
        assert "kube-ipvs0" not in node["interfaces"]
    after = cluster.config_map()["data"]
    assert "mode: nftables" in after["config.conf"]
    assert after["kubeconfig.conf"] == before["kubeconfig.conf"]
    ledger = cluster.ledger()
    assert ledger.phase == "verified"
    assert ledger.original == before
    assert ledger.plan["config_after"] == after["config.conf"]


def test_the_original_is_kept_and_the_change_rehearsed_before_it_is_made(cluster):
    cluster.migrate()
    made = cluster.mutations()
    assert made[:4] == [
        "update configmaps/kube-proxy (dry run)",
        "patch daemonsets.apps/kube-proxy (dry run)",
        "create configmaps/nftwave",
        "update configmaps/kube-proxy",
    ]
    real = [m for m in made if "dry run" not in m and "nftwave" not in m]
    assert real == ["update configmaps/kube-proxy", "patch daemonsets.apps/kube-proxy"]


def test_a_second_run_looks_again_and_changes_nothing(cluster):
    cluster.migrate()
    before, pods = cluster.mutations(), cluster.pods()
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("already-done", 0)
    assert len(outcome.verdicts) == len(ALL)
    made = cluster.mutations()[len(before) :]
    assert [m for m in made if "kube-proxy" in m] == []
    assert cluster.pods() == pods


@pytest.mark.parametrize(
    ("fault", "code", "seen"),
    [
        ("old-kernel", "kernel-too-old", "5.10"),
        ("nft-missing", "nft-missing", "no nft"),
        ("ssh-refused", "node-unreachable", "refused"),
        ("ssh-hangs", "node-unreachable", "banner"),
        ("host-key-changed", "node-unreachable", "host key"),
        ("node-not-ready", "node-not-ready", "Ready"),
    ],
)
def test_what_would_break_blocks_before_anything_is_changed(cluster, fault, code, seen):
    cluster.write_policy(**QUICK)
    cluster.lab.fault("lab-1", NODE, fault)
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("blocked", 3)
    assert code in codes(outcome)
    (finding,) = [f for f in outcome.findings if f.code == code]
    assert NODE in finding.subject
    assert seen.lower() in finding.evidence.lower()
    assert cluster.mutations() == []
    assert set(cluster.modes().values()) == {"ipvs"}
    assert "Nothing in the cluster was changed." in outcome.words()


@pytest.mark.parametrize(
    ("where", "fault", "code"),
    [
        (NODE, "foreign-ipvs", "foreign-ipvs"),
        ("-", "kubeadm-upgrade-midway", "kubeadm-upgrade"),
        ("-", "gitops-revert", "owner-reverts"),
    ],
)
def test_somebody_elses_hands_block_before_anything_is_changed(cluster, where, fault, code):
    cluster.lab.fault("lab-1", where, fault)
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("blocked", 3)
    assert code in codes(outcome)
    assert cluster.mutations() == []


FIRST = "lab-1-cp-1"
"""The node that the lab's DaemonSet controller replaces first."""


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("crashloop", "does not come up"),
        ("image-without-nft", "executable file not found"),
        ("image-pull", "Pull"),
    ],
)
def test_a_successor_that_does_not_come_up_stops_the_rollout_and_a_rerun_goes_on(
    larger_cluster, fault, told
):
    cluster = larger_cluster
    original = cluster.config_map()["data"]
    cluster.write_policy(**QUICK)
    cluster.lab.fault("lab-1", FIRST, fault)
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    assert told in outcome.what
    assert FIRST in outcome.what
    assert cluster.daemon_set()["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert any("held" in change for change in outcome.changed)
    assert "ipvs" in cluster.modes().values(), "the hold came too late for every node"
    assert cluster.ledger().original == original

    cluster.lab.clear()
    settle(cluster)
    # A container that died at its start is trusted when it has run for ten seconds.
    cluster.write_policy(deadlines={**QUICK["deadlines"], "verify": 20})
    flipped = {n for n, mode in cluster.modes().items() if mode == "nftables"}
    before = cluster.pods()
    again = cluster.migrate()
    assert (again.status, again.exit_status) == ("done", 0), again.what
    assert set(cluster.modes().values()) == {"nftables"}
    assert cluster.daemon_set()["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    assert cluster.ledger().original == original
    after = cluster.pods()
    assert {n: after[n] for n in flipped} == {n: before[n] for n in flipped}


def test_a_node_that_dies_during_verification_ends_its_wait_early_with_its_last_words(
    cluster, prefect
):
    cluster.write_policy(deadlines={"verify": 60})
    cluster.migrate()
    cluster.lab.fault("lab-1", NODE, "crashloop")
    restart_by_hand(cluster)
    verdicts = {v.node: v for v in cluster.verify(deadline=60)}
    assert verdicts[NODE].standing is Standing.FAILED
    assert "CrashLoopBackOff" in verdicts[NODE].why()
    assert "its last log lines" in verdicts[NODE].why()


def restart_by_hand(cluster):
    from nftwave.kube.objects import RESTARTED_AT

    patch_daemon_set(
        cluster,
        {"template": {"metadata": {"annotations": {RESTARTED_AT: "2026-01-01T00:00:00Z"}}}},
    )


def patch_daemon_set(cluster, spec):
    """As somebody else would with kubectl."""
    from nftwave.kube.resources import DAEMON_SETS

    cluster.gateway().merge(
        DAEMON_SETS, "kube-proxy", {"spec": spec}, "kube-system", strategic=True
    )


def settle(cluster):
    """Wait until the kubelet has brought a healed node's kube-proxy up, as a person would."""
    import time

    until = time.monotonic() + 30
    while time.monotonic() < until:
        pods = cluster.daemon_set()["status"]
        if pods.get("numberAvailable", 0) == pods["desiredNumberScheduled"]:
            return
        time.sleep(0.1)
    raise AssertionError("kube-proxy does not heal")


def test_a_slow_first_sync_is_waited_for(cluster):
    cluster.lab.fault("lab-1", NODE, "slow-sync")
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("done", 0)


def test_a_node_that_never_syncs_is_not_verified_and_the_others_are(cluster):
    cluster.write_policy(**QUICK)
    cluster.lab.fault("lab-1", NODE, "never-syncs")
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    standings = {v.node: v.standing for v in outcome.verdicts}
    # So young a kube-proxy may still be at it.
    assert standings.pop(NODE) is Standing.UNKNOWN
    assert set(standings.values()) == {Standing.VERIFIED}
    (verdict,) = [v for v in outcome.verdicts if v.node == NODE]
    assert "still syncing" in verdict.why()
    assert "policy.deadlines.verify gives it 3 s" in verdict.why()
    assert {"first sync ip", "table ip kube-proxy", "map service-ips ip"} <= {
        e.name for e in verdict.against()
    }
    assert cluster.ledger().phase == "failed"
    assert NODE in cluster.ledger().nodes


@pytest.mark.parametrize("fault", ["ssh-refused", "ssh-hangs", "host-key-changed"])
def test_a_node_that_cannot_be_asked_afterwards_is_unknown(slow_cluster, prefect, fault):
    cluster, last = slow_cluster, "lab-1-node-6"
    cluster.write_policy(**QUICK)
    begun = cluster.begin("auto")
    wait_until(lambda: "nftables" in cluster.modes().values())
    cluster.lab.fault("lab-1", last, fault)
    outcome = begun.join()
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    standings = {v.node: v.standing for v in outcome.verdicts}
    assert standings.pop(last) is Standing.UNKNOWN
    assert set(standings.values()) == {Standing.VERIFIED}
    assert "1 unknown" in outcome.what


def wait_until(holds, seconds=40):
    import time

    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.05)


@pytest.mark.parametrize("fault", ["ssh-hangs", "old-kernel"])
def test_what_would_break_is_seen_also_when_it_comes_up_while_approval_waits(
    cluster, prefect, fault
):
    cluster.write_policy(**QUICK)
    run = waiting(cluster, prefect)
    cluster.lab.fault("lab-1", NODE, fault)
    answer(run)
    outcome = run.begun.join()
    assert (outcome.status, outcome.exit_status) == ("blocked", 3)
    assert NODE in outcome.what
    assert cluster.mutations() == []


@pytest.mark.parametrize("fault", ["api-429", "api-500", "api-reset"])
def test_an_api_server_that_stumbles_changes_nothing_about_the_result(cluster, fault):
    cluster.lab.fault("lab-1", "-", fault)
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("done", 0), outcome.what
    cluster.lab.clear()
    assert set(cluster.modes().values()) == {"nftables"}
    real = [m for m in cluster.mutations() if "dry run" not in m and "kube-proxy" in m]
    assert real == ["update configmaps/kube-proxy", "patch daemonsets.apps/kube-proxy"]
    assert cluster.ledger().phase == "verified"


class Run:
    """A run that waits for approval."""

    def __init__(self, begun, found):
        self.begun, self.id, self.found = begun, found["id"], found

    @property
    def plan_hash(self):
        return self.found["state"]["state_details"]["pause_key"].split("-")[1]


def waiting(cluster, prefect, begun=None):
    begun = begun or cluster.begin()
    begun.fleet = str(cluster.lab.fleet_file)
    return Run(begun, begun.waits_for(prefect))


def answer(run, decision="approve"):
    from flows.answering import answer as answer_run

    answer_run(run.id, decision=decision, approver="Ann", reason="looked at it")


def test_an_approval_is_waited_for_and_kept_with_its_plan(cluster, prefect):
    run = waiting(cluster, prefect)
    assert cluster.mutations() == []
    answer(run)
    outcome = run.begun.join()
    assert outcome.status == "done"
    (approval,) = cluster.ledger().approvals
    assert (approval.approver, approval.reason, approval.by) == ("Ann", "looked at it", "ui")
    assert approval.plan_hash == outcome.plan_hash == run.plan_hash


def test_a_rejection_changes_nothing(cluster, prefect):
    run = waiting(cluster, prefect)
    answer(run, "reject")
    outcome = run.begun.join()
    assert (outcome.status, outcome.exit_status) == ("not-approved", 4)
    assert "rejected by Ann" in outcome.what
    assert cluster.mutations() == []


def test_silence_changes_nothing(cluster):
    cluster.write_policy(deadlines={"approval": 2})
    begun = cluster.begin()
    outcome = begun.join()
    assert (outcome.status, outcome.exit_status) == ("not-approved", 4)
    assert "nobody answered within 2 s" in outcome.what
    assert cluster.mutations() == []


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"decision": "approve"},
        {"decision": "approve", "approver": "", "reason": "x y"},
        {"decision": "approve", "approver": "  ", "reason": "x y"},
        {"decision": "maybe", "approver": "Ann", "reason": "x y"},
    ],
)
def test_an_answer_that_is_not_one_leaves_the_run_waiting(cluster, prefect, form):
    import httpx

    run = waiting(cluster, prefect)
    url = f"{prefect}/flow_runs/{run.id}"
    assert httpx.post(f"{url}/resume", json={"run_input": form}).json()["status"] == "REJECT"
    assert httpx.get(url).json()["state"]["type"] == "PAUSED"
    assert cluster.mutations() == []
    answer(run, "reject")
    assert run.begun.join().status == "not-approved"


def test_a_config_that_changed_meanwhile_is_not_overwritten_but_planned_and_asked_anew(
    cluster, prefect
):
    from nftwave.kube.resources import CONFIG_MAPS

    run = waiting(cluster, prefect)
    now = cluster.config_map()
    text = now["data"]["config.conf"].replace("clusterCIDR: ", "# by hand\nclusterCIDR: ")
    cluster.gateway().replace(CONFIG_MAPS, {**now, "data": {**now["data"], "config.conf": text}})
    answer(run)
    second = waiting(cluster, prefect, run.begun)
    assert second.plan_hash != run.plan_hash
    assert set(cluster.modes().values()) == {"ipvs"}
    answer(second)
    outcome = second.begun.join()
    assert outcome.status == "done"
    after = cluster.config_map()["data"]["config.conf"]
    assert "# by hand" in after
    assert "mode: nftables" in after
    assert cluster.ledger().original["config.conf"] == text


def test_a_label_put_on_the_config_map_meanwhile_is_taken_in(cluster, prefect):
    from nftwave.kube.resources import CONFIG_MAPS

    run = waiting(cluster, prefect)
    patch = {"metadata": {"labels": {"team": "net"}}}
    cluster.gateway().merge(CONFIG_MAPS, "kube-proxy", patch, "kube-system")
    answer(run)
    assert run.begun.join().status == "done"
    assert cluster.config_map()["metadata"]["labels"]["team"] == "net"


def test_a_second_run_says_who_works_on_the_cluster_and_changes_nothing(cluster, prefect):
    run = waiting(cluster, prefect)
    second = cluster.migrate()
    assert (second.status, second.exit_status) == ("failed", 1)
    assert "has the lock on this cluster since" in second.what
    assert socket.gethostname() in second.what
    assert any("nftwave status lab-1" in step for step in second.next_steps)
    assert cluster.mutations() == []
    answer(run)
    assert run.begun.join().status == "done"


def test_pods_replaced_while_approval_waits_are_not_taken_for_successors(larger_cluster, prefect):
    cluster = larger_cluster
    cluster.write_policy(**QUICK)
    run = waiting(cluster, prefect)
    restart_by_hand(cluster)
    settle_rollout(cluster)
    cluster.lab.fault("lab-1", FIRST, "crashloop")
    answer(run)
    outcome = run.begun.join()
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    assert "does not come up" in outcome.what
    assert cluster.daemon_set()["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert "ipvs" in cluster.modes().values()


def settle_rollout(cluster):
    from nftwave.kube.objects import DaemonSetView

    wait_until(lambda: DaemonSetView.of(cluster.daemon_set()).settled)


@pytest.mark.parametrize(
    "spec",
    [
        {"updateStrategy": {"$retainKeys": ["type"], "type": "OnDelete"}},
        {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}},
    ],
)
def test_a_daemon_set_that_changed_meanwhile_is_asked_about_or_blocks(cluster, prefect, spec):
    run = waiting(cluster, prefect)
    patch_daemon_set(cluster, spec)
    answer(run)
    if spec["updateStrategy"].get("type") == "OnDelete":
        outcome = run.begun.join()
        assert outcome.status == "blocked"
        assert "daemonset-ondelete" in codes(outcome)
    else:
        second = waiting(cluster, prefect, run.begun)
        assert second.plan_hash != run.plan_hash
        answer(second, "reject")
        assert second.begun.join().status == "not-approved"
    assert cluster.mutations() == []


def test_an_approval_is_not_taken_twice_also_when_the_same_plan_comes_back(cluster, prefect):
    from nftwave.kube.resources import CONFIG_MAPS

    def write(text):
        now = cluster.config_map()
        data = {**now["data"], "config.conf": text}
        cluster.gateway().replace(CONFIG_MAPS, {**now, "data": data})

    original = cluster.config_map()["data"]["config.conf"]
    first = waiting(cluster, prefect)
    write(original + "# by hand\n")
    answer(first)
    second = waiting(cluster, prefect, first.begun)
    write(original)
    answer(second)
    third = waiting(cluster, prefect, second.begun)
    assert third.plan_hash == first.plan_hash
    answer(third, "reject")
    assert third.begun.join().status == "not-approved"
    assert cluster.mutations() == []


def test_a_pod_that_started_with_the_old_config_is_restarted_by_a_rerun(cluster):
    from nftwave.kube.resources import CONFIG_MAPS

    original = cluster.config_map()
    cluster.write_policy(**QUICK)
    cluster.migrate()
    put_back = {**cluster.config_map(), "data": original["data"]}
    cluster.gateway().replace(CONFIG_MAPS, put_back)
    cluster.lab.fault("lab-1", NODE, "never-syncs")
    again = cluster.migrate()
    assert again.status == "failed"
    cluster.lab.clear()
    now = cluster.config_map()
    planned = cluster.ledger().plan["config_after"]
    cluster.gateway().replace(CONFIG_MAPS, {**now, "data": original["data"]})
    delete_pod_of(cluster, NODE)
    wait_until(lambda: cluster.modes()[NODE] == "ipvs")
    now = cluster.config_map()
    data = {**now["data"], "config.conf": planned}
    cluster.gateway().replace(CONFIG_MAPS, {**now, "data": data})
    settle_rollout(cluster)
    last = cluster.migrate()
    assert last.status == "done", last.what
    assert set(cluster.modes().values()) == {"nftables"}
    assert cluster.ledger().original == original["data"]


def delete_pod_of(cluster, node):
    """As somebody else would with kubectl."""
    import subprocess
    import sys
    from pathlib import Path

    pod = cluster.state["nodes"][node]["kubeProxy"]["pod"]
    kubectl = Path(sys.executable).parent / "kubectl"
    config = cluster.lab.kubeconfig("lab-1")
    command = [kubectl, "--kubeconfig", config, "-n", "kube-system", "delete", "pod", pod]
    subprocess.run([*command, "--wait=false"], check=True, capture_output=True)


def test_a_node_that_leaves_the_cluster_in_mid_rollout_is_not_waited_for(
    slow_cluster, prefect, monkeypatch
):
    import subprocess
    import sys
    from pathlib import Path

    monkeypatch.setattr("nftwave.kube.rollout.GONE_AFTER", 0.5)
    cluster, last = slow_cluster, "lab-1-node-6"
    begun = cluster.begin("auto")
    wait_until(lambda: "nftables" in cluster.modes().values())
    kubectl = Path(sys.executable).parent / "kubectl"
    config = cluster.lab.kubeconfig("lab-1")
    subprocess.run(
        [kubectl, "--kubeconfig", config, "delete", "node", last, "--wait=false"],
        check=True,
        capture_output=True,
    )
    outcome = begun.join()
    assert outcome.status == "done", outcome.what
    assert last not in {v.node for v in outcome.verdicts}
    assert "all 6 nodes" in outcome.what


def test_a_damaged_ledger_is_one_clear_line_and_nothing_is_changed(cluster):
    from nftwave.kube.resources import CONFIG_MAPS

    cluster.gateway().create(
        CONFIG_MAPS,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "nftwave", "namespace": "kube-system"},
            "data": {"ledger.json": "{oops"},
        },
        "kube-system",
    )
    before = cluster.mutations()
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    assert "the ledger, ConfigMap kube-system/nftwave, is unreadable" in outcome.what
    assert cluster.mutations() == before


def test_a_change_whose_answer_was_lost_is_told_as_perhaps_made(cluster, monkeypatch):
    from nftwave.kube.errors import ApiUnavailable

    def lost(*_):
        raise ApiUnavailable("no answer")

    monkeypatch.setattr("nftwave.patch.apply", lost)
    outcome = cluster.migrate()
    assert outcome.status == "failed"
    assert any("config.conf" in c and "perhaps" in c for c in outcome.changed)
    assert not any("Nothing in the cluster was changed" in line for line in outcome.words())


def test_artifacts_that_cannot_be_kept_do_not_stop_a_migration(cluster, monkeypatch):
    def away(**_):
        raise ConnectionError("the Prefect server is away")

    monkeypatch.setattr("tasks.artifacts.create_markdown_artifact", away)
    outcome = cluster.migrate()
    assert outcome.status == "done", outcome.what


def test_a_mistake_of_the_program_ends_in_words_and_holds_the_rollout(cluster, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("nftwave.kube.rollout.await_successors", broken)
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    assert "a mistake of this program: ZeroDivisionError: a bug" in outcome.what
    assert cluster.daemon_set()["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_no_more_nodes_are_looked_at_together_than_the_policy_allows(cluster, monkeypatch):
    import threading

    from nftwave.prove import prove

    counting, now, most = threading.Lock(), 0, 0

    def counted(*args, **options):
        nonlocal now, most
        with counting:
            now += 1
            most = max(most, now)
        try:
            return prove(*args, **options)
        finally:
            with counting:
                now -= 1

    monkeypatch.setattr("tasks.verify.prove", counted)
    cluster.write_policy(parallelism=2)
    assert cluster.migrate().status == "done"
    assert most == 2


def test_services_are_listed_once_however_many_nodes_are_verified(larger_cluster):
    cluster = larger_cluster
    cluster.migrate()
    before = requests(cluster)
    verdicts = cluster.verify(deadline=0)
    made = {what: count - before.get(what, 0) for what, count in requests(cluster).items()}
    assert len(verdicts) == 7
    assert made["list services"] == 1
    assert made["list endpointslices.discovery.k8s.io"] == 1
    # Once by preflight's reading, once to follow them.
    assert made["list pods"] == 2


def requests(cluster):
    told = cluster.state["api"]["requests"]
    return {f"{one['verb']} {one['resource']}": one["count"] for one in told}
