"""What a right fleet file becomes, and what is told when a cluster is asked for."""

import os
import time
from pathlib import Path

import pytest

from nftwave.errors import BadInput
from nftwave.fleet import Cluster, Policy, Ssh, explicit_cluster, load_fleet

KUBECONFIG = """\
apiVersion: v1
kind: Config
contexts:
- name: lab-1
  context: {cluster: lab-1, user: lab}
- name: admin@prod
  context: {cluster: prod, user: admin}
"""

FLEET = """\
clusters:
  - name: lab-1
    kubeconfig: lab.kubeconfig
    context: lab-1
    labels: {lab: "true"}
    ssh: {user: root, port: null}
    policy: {deadlines: {probe: 5}}
  - name: inside
    in_cluster: true
ssh:
  user: lab
  port: 22022
  identity_file: id_ed25519
  jump: [ops@bastion:22, "[2001:db8::1]:22"]
policy:
  thresholds: {kernel: "5.15"}
  deadlines: {probe: 7, rollout: 9.5}
"""


@pytest.fixture
def fleet_file(tmp_path):
    (tmp_path / "lab.kubeconfig").write_text(KUBECONFIG)
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET)
    return path


def told(path, name):
    with pytest.raises(BadInput) as caught:
        load_fleet(path).cluster(name)
    (line,) = caught.value.lines()[:1]
    return line.removeprefix(f"{path.parent}/")


def test_a_cluster_overrides_the_fleets_ssh_field_by_field(fleet_file):
    ssh = load_fleet(fleet_file).cluster("lab-1").ssh
    assert (ssh.user, ssh.port) == ("root", None)
    assert ssh.identity_file == fleet_file.parent / "id_ed25519"
    assert ssh.jump == ("ops@bastion:22", "[2001:db8::1]:22")


def test_a_cluster_overrides_one_deadline_and_keeps_the_others(fleet_file):
    policy = load_fleet(fleet_file).cluster("lab-1").policy
    assert (policy.deadlines.probe, policy.deadlines.rollout) == (5, 9.5)
    assert policy.deadlines.verify == 120
    assert policy.thresholds.kernel == "5.15"


def test_a_cluster_adds_severities_to_the_fleets_and_has_waivers_of_its_own(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(
        "clusters:\n"
        "  - name: a\n    in_cluster: true\n    policy:\n"
        "      findings: {strict-arp: off}\n"
        "      waivers: [{code: foreign-ipvs, reason: may go}]\n"
        "  - {name: b, in_cluster: true}\n"
        "policy:\n"
        "  findings: {strict-arp: warning, nft-missing: warning}\n"
        "  waivers: [{code: nft-too-old, subject: old-*, reason: being replaced}]\n"
    )
    fleet = load_fleet(path)
    own, other = fleet.cluster("a").policy, fleet.cluster("b").policy
    assert own.findings == {"strict-arp": "off", "nft-missing": "warning"}
    assert [w.code for w in own.waivers] == ["foreign-ipvs"]
    assert [(w.code, w.subject) for w in other.waivers] == [("nft-too-old", "old-*")]


def test_a_cluster_that_overrides_nothing_has_the_fleets_values(fleet_file):
    inside = load_fleet(fleet_file).cluster("inside")
    assert inside.in_cluster
    assert inside.ssh.port == 22022
    assert inside.policy.deadlines.probe == 7


def test_a_cluster_goes_through_json_and_back_unchanged(fleet_file):
    cluster = load_fleet(fleet_file).cluster("lab-1")
    assert Cluster.model_validate_json(cluster.model_dump_json()) == cluster
    assert Cluster.model_validate(cluster.model_dump(mode="json")) == cluster


def test_paths_are_expanded_and_relative_to_the_fleet_file(fleet_file, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ops")
    monkeypatch.setenv("KEYS", "/srv/keys")
    fleet_file.write_text(
        FLEET.replace("id_ed25519", "~/.ssh/id").replace("lab.kubeconfig", "$KEYS/lab")
        + "  strategy: rolling\n"
    )
    fleet = load_fleet(fleet_file)
    assert fleet.ssh.identity_file == Path("/home/ops/.ssh/id")
    assert fleet.clusters[0].kubeconfig == Path("/srv/keys/lab")


def test_paths_do_not_depend_on_the_working_directory(fleet_file, monkeypatch):
    monkeypatch.chdir(fleet_file.parent)
    kubeconfig = load_fleet(Path("fleet.yaml")).cluster("lab-1").kubeconfig
    assert kubeconfig == fleet_file.parent / "lab.kubeconfig"


def test_an_unknown_cluster_is_answered_with_near_names(fleet_file):
    assert told(fleet_file, "lab-2") == 'fleet.yaml: no cluster "lab-2"; near it: lab-1'


def test_an_unknown_cluster_far_from_all_names_is_answered_with_what_there_is(fleet_file):
    assert told(fleet_file, "zz") == 'fleet.yaml: no cluster "zz"; it has lab-1, inside'


def test_an_unknown_cluster_of_a_large_fleet_is_answered_with_ten_names(tmp_path):
    path = tmp_path / "fleet.yaml"
    rows = "".join(f"  - {{name: a{i}, in_cluster: true}}\n" for i in range(12))
    path.write_text(f"clusters:\n{rows}")
    assert told(path, "zz").endswith("it has a0, a1, a2, a3, a4, a5, a6, a7, a8, a9 and 2 more")


def test_a_missing_kubeconfig_stops_only_the_cluster_that_needs_it(fleet_file):
    (fleet_file.parent / "lab.kubeconfig").unlink()
    assert load_fleet(fleet_file).cluster("inside").name == "inside"
    kubeconfig = fleet_file.parent / "lab.kubeconfig"
    assert told(fleet_file, "lab-1") == (
        f"fleet.yaml:3: clusters[0].kubeconfig: {kubeconfig} cannot be read: "
        "No such file or directory"
    )


def test_a_kubeconfig_path_with_an_unset_variable_says_so(fleet_file, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    fleet_file.write_text(FLEET.replace("lab.kubeconfig", "$NOT_SET/lab"))
    assert told(fleet_file, "lab-1").endswith(
        "No such file or directory; a variable in it is not set"
    )


def test_a_context_that_is_not_in_the_kubeconfig_is_told_with_those_that_are(fleet_file):
    fleet_file.write_text(FLEET.replace("context: lab-1", "context: lab-7"))
    kubeconfig = fleet_file.parent / "lab.kubeconfig"
    assert told(fleet_file, "lab-1") == (
        f'fleet.yaml:4: clusters[0].context: found "lab-7", allowed: a context of {kubeconfig}; '
        "it has lab-1"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"contexts: []\n", "it has none"),
        (b"clusters: []\n", "is not a kubeconfig: it has no list of contexts"),
        (b"- a\n", "is not a kubeconfig: it has no list of contexts"),
        (b"", "is not a kubeconfig: it has no list of contexts"),
        (b"a: [\n", "is not a kubeconfig: line "),
        (b"\xff\xfe", "is not a kubeconfig: not UTF-8"),
    ],
)
def test_what_is_no_kubeconfig_is_told(fleet_file, content, reason):
    (fleet_file.parent / "lab.kubeconfig").write_bytes(content)
    assert reason in told(fleet_file, "lab-1")


def test_an_explicit_cluster_needs_no_fleet_file(fleet_file):
    kubeconfig = fleet_file.parent / "lab.kubeconfig"
    cluster = explicit_cluster(kubeconfig, "admin@prod", ssh=Ssh(user="ops"))
    assert (cluster.name, cluster.context, cluster.kubeconfig) == (
        "admin-prod",
        "admin@prod",
        kubeconfig,
    )
    assert cluster.ssh.user == "ops"
    assert cluster.policy == Policy()


def test_an_explicit_cluster_with_an_unknown_context_is_refused(fleet_file):
    with pytest.raises(BadInput, match='found "nope", allowed: a context of '):
        explicit_cluster(fleet_file.parent / "lab.kubeconfig", "nope")


def test_five_hundred_clusters_load_in_less_than_two_seconds(tmp_path):
    path = tmp_path / "fleet.yaml"
    row = """\
  - name: c{0}
    kubeconfig: ~/.kube/c{0}
    context: admin@c{0}
    labels: {{env: prod, region: eu}}
    ssh: {{user: root}}
    policy:
      parallelism: 16
      deadlines: {{probe: 30, rollout: 3600}}
"""
    path.write_text("clusters:\n" + "".join(row.format(i) for i in range(500)))
    started = time.process_time()
    assert len(load_fleet(path).clusters) == 500
    assert time.process_time() - started < 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_fleet_file_without_read_permission_is_told(fleet_file):
    fleet_file.chmod(0)
    with pytest.raises(BadInput, match="cannot be read: Permission denied"):
        load_fleet(fleet_file)


@pytest.mark.parametrize(
    ("own", "everywhere"), [("true", True), ("false", False), ("{nodes: [b]}", None)]
)
def test_drain_is_a_yes_a_no_or_says_which_nodes(tmp_path, own, everywhere):
    path = tmp_path / "fleet.yaml"
    path.write_text(
        f"clusters: [{{name: a, in_cluster: true, policy: {{drain: {own}}}}}]\n"
        "policy: {drain: {nodes: [a], selector: {pool: db}}, quiet: {max_connections: 5}}\n"
    )
    policy = load_fleet(path).cluster("a").policy
    assert policy.drain.everywhere is everywhere
    assert policy.drain.nodes == (("b",) if everywhere is None else ("a",))
    assert policy.quiet.max_connections == 5
