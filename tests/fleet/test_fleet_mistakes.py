"""Every mistake in a fleet file is one line: place, what was found, what is allowed."""

from typing import get_origin

import pytest
from pydantic import BaseModel

from nftwave.errors import BadInput
from nftwave.fleet import Fleet, load_fleet
from nftwave.fleet.fields import ALLOWED, allowed

GOOD = "clusters:\n  - {name: a, in_cluster: true}\n"
COUNT = "a whole number from 1 to 1000"
SOME = "a number of nodes greater than 0, or per cent such as 25%"
DRAIN = 'true, false, or a mapping with "everywhere", "nodes" or "selector"'
SECONDS = "a number of seconds greater than 0, at most 2678400 (31 days)"
KERNEL = 'a version in quotes, at least "5.13": kube-proxy in nftables mode needs it'
NFT = 'a version in quotes, at least "1.0.1": kube-proxy in nftables mode needs it'
SEVERITIES = "blocker, warning, note or off"
PATH = "a path; ~ and $VARS are expanded"
JUMP = "a jump host such as ops@bastion.example.org:22"
REASON = "why it may be so: it is shown with the plan that is approved"
NAME = (
    "a name of lower-case letters, digits and dashes, at most 63, "
    "beginning and ending with a letter or digit"
)
ADDRESS = "InternalIP, ExternalIP, Hostname, or a template such as {name}.example.org"
WHOLE = 'a mapping with "clusters", and "ssh" and "policy" if wanted'
CLUSTER = 'a mapping with "name", and "kubeconfig" and "context" or "in_cluster"'
ACCESS = "kubeconfig and context, or in_cluster: true"


def lines(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput) as caught:
        load_fleet(path)
    assert caught.value.exit_status == 2
    told = [line.removeprefix(f"{path.parent}/") for line in caught.value.lines()]
    assert str(caught.value).splitlines() == caught.value.lines()
    return told


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fleet.yaml"


def nested(field, value):
    """A good fleet file with one field of ssh or policy set, on line 3."""
    *blocks, name = field.split(".")
    text = f"{name}: {value}"
    for block in reversed(blocks):
        text = f"{block}: {{{text}}}"
    return GOOD + text + "\n"


@pytest.mark.parametrize(
    ("field", "value", "found", "right"),
    [
        ("ssh", "3", "3", "a mapping of SSH options"),
        ("ssh.user", '""', '""', "the name of a user"),
        ("ssh.user", "7", "7", "the name of a user"),
        ("ssh.port", '"22"', '"22"', "a whole number from 1 to 65535"),
        ("ssh.port", "0", "0", "a whole number from 1 to 65535"),
        ("ssh.port", "65536", "65536", "a whole number from 1 to 65535"),
        ("ssh.port", "22.0", "22.0", "a whole number from 1 to 65535"),
        ("ssh.port", "true", "true", "a whole number from 1 to 65535"),
        ("ssh.identity_file", "4", "4", PATH),
        ("ssh.identity_file", '""', '""', PATH),
        ("ssh.known_hosts", "[a]", "a list", PATH),
        ("ssh.config", "{a: b}", "a mapping", PATH),
        ("ssh.agent", "yes", '"yes"', "true or false"),
        ("ssh.sudo", "1", "1", "true or false"),
        ("ssh.sudo", "", "nothing", "true or false"),
        ("ssh.jump", "bastion", '"bastion"', f"a list of jump hosts{JUMP[11:]}"),
        ("ssh.address", "internalip", '"internalip"', ADDRESS),
        ("ssh.address", '"{host}"', '"{host}"', ADDRESS),
        ("ssh.address", '"{name}{name}"', '"{name}{name}"', ADDRESS),
        ("policy", "[]", "an empty list", "a mapping of policy options"),
        ("policy.strategy", "canary", '"canary"', "batches or rolling"),
        ("policy.canary.count", "0", "0", COUNT),
        ("policy.canary.nodes", "node-1", '"node-1"', "a list of names of nodes"),
        ("policy.canary.selector", "[]", "an empty list", "a mapping of labels"),
        ("policy.canary.selector.pool", "1", "1", "a string; put it in quotes"),
        ("policy.batches", "5", "5", "a mapping of options for batches"),
        ("policy.batches.sizes", "[]", "an empty list", f"a list, each {SOME}"),
        ("policy.batches.at_once", "1001", "1001", COUNT),
        ("policy.batches.control_plane", "never", '"never"', "last or first"),
        ("policy.batches.soak", "-1", "-1", "a number of seconds from 0 to 2678400 (31 days)"),
        ("policy.batches.failure_budget", "-1", "-1", "a number of nodes, or per cent such as 5%"),
        ("policy.config_at_gate", "nftables", '"nftables"', "original or stays"),
        ("policy.on_failure.canary", "stop", '"stop"', "rollback, hold or ask"),
        ("policy.on_failure.batch", "", "nothing", "hold, rollback or ask"),
        ("policy.drain", "maybe", '"maybe"', DRAIN),
        ("policy.drain.deadline", "0", "0", SECONDS),
        ("policy.quiet.max_connections", "-1", "-1", "a whole number, at least 0"),
        ("policy.quiet.otherwise", "wait", '"wait"', "go-on or stop"),
        ("policy.node_port_addresses", "all", '"all"', "keep-reach or primary"),
        ("policy.interruption_probe", "some", '"some"', "canary, all or off"),
        ("policy.parallelism", "0", "0", "a whole number from 1 to 1024"),
        ("policy.parallelism", "1025", "1025", "a whole number from 1 to 1024"),
        ("policy.parallelism", "many", '"many"', "a whole number from 1 to 1024"),
        ("policy.findings", "[]", "an empty list", "a mapping of codes of findings to severities"),
        ("policy.findings.nft-too-old", "warn", '"warn"', SEVERITIES),
        ("policy.findings.nft-too-old", "", "nothing", SEVERITIES),
        (
            "policy.waivers",
            "{a: b}",
            "a mapping",
            'a list of waivers, each with "code" and "reason"',
        ),
        ("policy.thresholds", "5.13", "5.13", 'a mapping with "kernel" or "nft"'),
        ("policy.thresholds.kernel", "5.13", "5.13", KERNEL),
        ("policy.thresholds.kernel", '"5.10"', '"5.10"', KERNEL),
        ("policy.thresholds.kernel", '"new"', '"new"', KERNEL),
        ("policy.thresholds.nft", '"1.0.0"', '"1.0.0"', NFT),
        ("policy.thresholds.nft", '"1.0"', '"1.0"', NFT),
        ("policy.deadlines", "30", "30", "a mapping of deadlines in seconds"),
        ("policy.deadlines.connect", "0", "0", SECONDS),
        ("policy.deadlines.probe", "soon", '"soon"', SECONDS),
        ("policy.deadlines.preflight", "-1", "-1", SECONDS),
        ("policy.deadlines.successor", ".inf", "inf", SECONDS),
        ("policy.deadlines.rollout", ".nan", "nan", SECONDS),
        ("policy.deadlines.verify", "true", "true", SECONDS),
        ("policy.deadlines.approval", "2678401", "2678401", SECONDS),
        ("policy.deadlines.approval", '"86400"', '"86400"', SECONDS),
    ],
)
def test_a_wrong_value_is_told_with_place_found_and_allowed(path, field, value, found, right):
    expected = f"{field}: found {found}, allowed: {right}"
    assert lines(path, nested(field, value)) == [f"fleet.yaml:3: {expected}"]
    if field.startswith(("ssh", "policy")):
        own = nested(field, value).splitlines()[2]
        text = f"clusters:\n  - name: a\n    in_cluster: true\n    {own}\n"
        assert lines(path, text) == [f"fleet.yaml:4: clusters[0].{expected}"]


@pytest.mark.parametrize(
    ("waiver", "told"),
    [
        ("code: foreign-ipvs", f"reason: found nothing, allowed: {REASON}"),
        ('code: foreign-ipvs, reason: ""', f'reason: found "", allowed: {REASON}'),
        ('code: foreign-ipvs, reason: "   "', f'reason: found "   ", allowed: {REASON}'),
        (
            "reason: a good one",
            "code: found nothing, allowed: the code of a finding; docs/findings.md has all",
        ),
        (
            "code: foreign-ipsv, reason: a good one",
            (
                'code: found "foreign-ipsv", allowed: a code of docs/findings.md;'
                " did you mean foreign-ipvs?"
            ),
        ),
        (
            "code: node-unreachable, reason: a good one",
            "code: found node-unreachable, allowed: another code; nothing is known of the node",
        ),
        (
            "code: foreign-ipvs, reason: a good one, until: x",
            "until: found an unknown field, allowed: code, reason, subject",
        ),
    ],
)
def test_a_waiver_needs_a_code_that_may_be_waived_and_a_reason(path, waiver, told):
    text = f"{GOOD}policy:\n  waivers:\n    - {{{waiver}}}\n"
    assert lines(path, text) == [f"fleet.yaml:5: policy.waivers[0].{told}"]


@pytest.mark.parametrize(
    ("code", "severity", "told"),
    [
        (
            "nft-to-old",
            "note",
            'found "nft-to-old", allowed: a code of docs/findings.md; did you mean nft-too-old?',
        ),
        (
            "kernel-too-old",
            "off",
            "found off, allowed: blocker; kube-proxy itself refuses, after it has wiped ipvs",
        ),
    ],
)
def test_the_severity_of_a_firm_finding_cannot_be_lowered(path, code, severity, told):
    own = f"    policy:\n      findings:\n        {code}: {severity}\n"
    text = f"clusters:\n  - name: a\n    in_cluster: true\n{own}"
    expected = f"fleet.yaml:6: clusters[0].policy.findings.{code}: {told}"
    assert lines(path, text) == [expected]


def test_a_firm_finding_may_be_called_what_it_is(path):
    path.write_text(nested("policy.findings.kernel-too-old", "blocker"))
    assert load_fleet(path).policy.findings == {"kernel-too-old": "blocker"}


def test_a_wrong_item_of_a_list_is_told_with_its_own_line(path):
    text = GOOD + 'ssh:\n  jump:\n    - a@b:22\n    - "a b"\n    - 3\n'
    assert lines(path, text) == [
        f'fleet.yaml:6: ssh.jump[1]: found "a b", allowed: {JUMP}',
        f"fleet.yaml:7: ssh.jump[2]: found 3, allowed: {JUMP}",
    ]


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        ("name: A, in_cluster: true", f'clusters[0].name: found "A", allowed: {NAME}'),
        ("name: -a, in_cluster: true", f'clusters[0].name: found "-a", allowed: {NAME}'),
        ("name: 7, in_cluster: true", f"clusters[0].name: found 7, allowed: {NAME}"),
        ("in_cluster: true", f"clusters[0].name: found nothing, allowed: {NAME}"),
        ("name: a, in_cluster: x", 'clusters[0].in_cluster: found "x", allowed: true or false'),
        ("name: a, kubeconfig: 1, context: b", f"clusters[0].kubeconfig: found 1, allowed: {PATH}"),
        (
            "name: a, kubeconfig: k, context: ''",
            'clusters[0].context: found "", allowed: the name of a context in the kubeconfig',
        ),
        (
            "name: a, in_cluster: true, labels: {a: true}",
            "clusters[0].labels.a: found true, allowed: a string; put it in quotes",
        ),
        (
            "name: a, in_cluster: true, labels: [a]",
            "clusters[0].labels: found a list, allowed: a mapping of names to strings",
        ),
        ("name: a", f"clusters[0]: found neither kubeconfig nor in_cluster, allowed: {ACCESS}"),
        (
            "name: a, in_cluster: false",
            f"clusters[0]: found neither kubeconfig nor in_cluster, allowed: {ACCESS}",
        ),
        (
            "name: a, context: b",
            f"clusters[0]: found context without kubeconfig, allowed: {ACCESS}",
        ),
        (
            "name: a, kubeconfig: k",
            (
                "clusters[0].context: found nothing, "
                "allowed: a context of the kubeconfig; none is guessed"
            ),
        ),
        (
            "name: a, kubeconfig: k, context: c, in_cluster: true",
            (
                "clusters[0].in_cluster: found in_cluster together with kubeconfig, "
                "allowed: one of them"
            ),
        ),
        (
            "name: a, context: c, in_cluster: true",
            "clusters[0].in_cluster: found in_cluster together with context, allowed: one of them",
        ),
        (
            "name: a, in_cluster: true, polcy: {}",
            (
                "clusters[0].polcy: found an unknown field, allowed: access, context, in_cluster, "
                "kubeconfig, labels, name, policy, ssh; did you mean policy?"
            ),
        ),
    ],
)
def test_a_wrong_cluster_is_told(path, cluster, told):
    assert lines(path, f"clusters:\n  - {{{cluster}}}\n") == [f"fleet.yaml:2: {told}"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", f":1: found nothing, allowed: {WHOLE}"),
        ("# only a comment\n", f":1: found nothing, allowed: {WHOLE}"),
        ("- name: a\n", f":1: found a list, allowed: {WHOLE}"),
        ("hello\n", f':1: found "hello", allowed: {WHOLE}'),
        ("ssh: {}\n", ":1: clusters: found nothing, allowed: a list of at least one cluster"),
        ("\nclusters:\n", ":2: clusters: found nothing, allowed: a list of at least one cluster"),
        (
            "clusters: []\n",
            ":1: clusters: found an empty list, allowed: a list of at least one cluster",
        ),
        (
            "clusters: {}\n",
            ":1: clusters: found an empty mapping, allowed: a list of at least one cluster",
        ),
        ("clusters: [a]\n", f':1: clusters[0]: found "a", allowed: {CLUSTER}'),
        (
            GOOD + "sssh: {}\n",
            (
                ":3: sssh: found an unknown field, allowed: access, clusters, policy, ssh;"
                " did you mean ssh?"
            ),
        ),
        (
            GOOD + "zzz: {}\n",
            ":3: zzz: found an unknown field, allowed: access, clusters, policy, ssh",
        ),
        (
            GOOD + "policy: {deadlines: {aproval: 3}}\n",
            (
                ":3: policy.deadlines.aproval: found an unknown field, allowed: approval, connect, "
                "preflight, probe, rollout, successor, verify; did you mean approval?"
            ),
        ),
        (GOOD + "ssh: {a: 1\n", ":4: not YAML: expected ',' or '}', but got '<stream end>'"),
        (GOOD + "\tssh: {}\n", ":3: a tab stands where YAML wants spaces"),
        (GOOD + "---\na: 1\n", ":3: a second document starts here; one is allowed"),
        (GOOD + "ssh: {}\nssh: {}\n", ":4: key 'ssh' is there twice, first in line 3"),
        (
            GOOD + "ssh: {user: a,\n  user: b}\n",
            ":4: key 'user' is there twice, first in line 3",
        ),
        (GOOD + "1: a\n", ":3: a key is not a string; put it in quotes"),
        (
            GOOD + "ssh: !!python/name:os.system {}\n",
            ":3: tag tag:yaml.org,2002:python/name:os.system is not read; write plain values",
        ),
        (GOOD + "ssh: {user: !env HOME}\n", ":3: tag !env is not read; write plain values"),
        (GOOD + "ssh: {<<: {a: 1}}\n", ":3: merge key `<<` is not read; write the fields out"),
        (GOOD + "ssh: *nowhere\n", ":3: not YAML: found undefined alias 'nowhere'"),
        (GOOD + "ssh: &a {jump: *a}\n", ":3: an alias stands inside the value that it names"),
        (GOOD + "ssh: {user: \x01}\n", ":3: character '\\x01' is not allowed in YAML"),
        (b"clusters:\n  - {name: \xe9}\n", ":2: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("a: 1".encode("utf-16"), ":1: byte 0xff is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_text_that_is_no_fleet_is_told(path, text, told):
    assert lines(path, text) == [f"fleet.yaml{told}"]


def test_a_text_nested_without_end_is_told(path):
    assert lines(path, "[" * 2000) == ["fleet.yaml:1: nested too deeply"]


def test_aliases_that_stand_for_billions_are_refused(path):
    rows = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    (told,) = lines(path, "a0: &a0 [x]\n" + "\n".join(rows) + "\n")
    assert "more than 200000 values, aliases counted" in told


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(BadInput) as caught:
        load_fleet(tmp_path / "none.yaml")
    assert caught.value.lines() == [
        f"{tmp_path}/none.yaml: cannot be read: No such file or directory"
    ]


def test_a_directory_is_told(tmp_path):
    with pytest.raises(BadInput, match="cannot be read: Is a directory"):
        load_fleet(tmp_path)


def test_all_mistakes_are_told_in_file_order(path):
    text = """\
policy: {deadlines: {probe: soon}}
clusters:
  - name: a
    kubeconfig: k
  - name: B
    in_cluster: true
    ssh: {port: 0}
  - name: a
    in_cluster: true
    labls: {}
ssh: {sudo: maybe}
"""
    places = [line.split(": ")[:2] for line in lines(path, text)]
    assert places == [
        ["fleet.yaml:1", "policy.deadlines.probe"],
        ["fleet.yaml:3", "clusters[0].context"],
        ["fleet.yaml:5", "clusters[1].name"],
        ["fleet.yaml:7", "clusters[1].ssh.port"],
        ["fleet.yaml:8", "clusters[2].name"],
        ["fleet.yaml:10", "clusters[2].labls"],
        ["fleet.yaml:11", "ssh.sudo"],
    ]


def test_a_name_used_twice_points_to_the_first(path):
    text = GOOD + "  - {name: a, in_cluster: true}\n"
    assert lines(path, text) == [
        (
            'fleet.yaml:3: clusters[1].name: found "a" again, first as clusters[0], '
            "allowed: each name once"
        )
    ]


def test_a_long_value_is_cut_and_a_line_break_does_not_break_the_line(path):
    (told,) = lines(path, nested("policy.strategy", '"' + "x\\n" * 100 + '"'))
    assert "…" in told
    assert len(told) < 160


def test_the_value_of_an_unknown_field_is_not_repeated(path):
    (told,) = lines(path, nested("ssh.password", "hunter2"))
    assert "hunter2" not in told


def test_a_raised_threshold_is_taken(path):
    path.write_text(nested("policy.thresholds", '{kernel: "6.1", nft: "1.0.6"}'))
    thresholds = load_fleet(path).policy.thresholds
    assert (thresholds.kernel, thresholds.nft) == ("6.1", "1.0.6")


def test_a_byte_order_mark_and_windows_line_endings_are_read(path):
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert [one.name for one in load_fleet(path).clusters] == ["a"]


def test_aliases_may_be_used_in_a_fleet_file(path):
    path.write_text(
        "clusters:\n  - {name: a, in_cluster: true, ssh: &s {user: x}}\n"
        "  - {name: b, in_cluster: true, ssh: *s}\n"
    )
    assert load_fleet(path).cluster("b").ssh.user == "x"


@pytest.mark.parametrize(
    ("field", "item", "found", "right"),
    [
        ("policy.canary.nodes", "1", "1", "the name of a node"),
        ("policy.drain.nodes", "5", "5", "the name of a node"),
        ("policy.batches.sizes", "0", "0", SOME),
        ("policy.batches.sizes", "0%", '"0%"', SOME),
        ("policy.batches.sizes", "101%", '"101%"', SOME),
        ("policy.batches.sizes", "1.5", "1.5", SOME),
        ("policy.batches.sizes", "true", "true", SOME),
    ],
)
def test_a_wrong_item_of_a_list_is_told_with_its_index(path, field, item, found, right):
    expected = f"{field}[0]: found {found}, allowed: {right}"
    assert lines(path, nested(field, f"[{item}]")) == [f"fleet.yaml:3: {expected}"]


NODES_AND_LABELS = ("nodes[]", "selector.*")


def places(model, start=()):
    for name, field in model.model_fields.items():
        yield (*start, name)
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                index = (0,) if get_origin(field.annotation) is tuple else ()
                yield from places(kind, (*start, name, *index))


def test_every_field_of_the_models_has_words_for_what_is_allowed():
    found = list(places(Fleet))
    assert len(found) > 50
    assert all(allowed(place) for place in found)


def test_no_row_of_the_table_is_without_a_field():
    rows = {".".join(str(p) for p in place).replace(".0", "[]") for place in places(Fleet)}
    items = {"", "clusters[]", "clusters[].labels.*", "ssh.jump[]"}
    items |= {"policy.findings.*", "policy.waivers[]", "policy.batches.sizes[]"}
    items |= {f"policy.{one}.{row}" for one in ("canary", "drain") for row in NODES_AND_LABELS}
    assert set(ALLOWED) - items <= rows
