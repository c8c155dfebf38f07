"""Forty findings on a thousand nodes stay readable; machines get them all."""

from dataclasses import replace
from io import StringIO

from rich.console import Console

from nftwave import report
from nftwave.findings import fold, judge
from nftwave.node.facts import Unknown
from tests.facts import cluster_facts, in_ipvs, node, pod, with_config

NAMES = [f"node-{number:04}" for number in range(1000)]
IPVS = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\n"


def many():
    """A thousand nodes, each with several findings of its own."""
    probe = in_ipvs(
        kernel="5.10.0-28-amd64",
        uid=1000,
        tables=Unknown("not permitted"),
        firewalls=frozenset({"ufw"}),
        ipvs_connections=Unknown("no awk"),
    )
    return cluster_facts(
        nodes=tuple(replace(node(name), ready=False) for name in NAMES),
        pods=tuple(pod(node=name) for name in NAMES),
        probes={name: replace(probe, nft=f"0.9.{number % 9}") for number, name in enumerate(NAMES)},
        **with_config(IPVS + "ipvs: {scheduler: lc, tcpTimeout: 1h, strictARP: true}\n"),
    )


def test_the_same_on_many_nodes_is_one_entry_with_a_count_and_the_first_names():
    found = judge(many())
    folds = {one.code: one for one in fold(found)}
    assert len(found) > 7000
    assert folds["node-not-ready"].seen() == (
        "node node-0000, node node-0001, node node-0002 and 997 more: condition Ready is not True"
    )


def test_of_many_kinds_of_evidence_the_most_frequent_are_named():
    found = [f for f in judge(many()) if f.code == "nft-too-old"]
    told = {one.code: one for one in fold(found)}["nft-too-old"].seen()
    assert told.count("nft 0.9.") == 3
    assert told.endswith("and 666 more")


def test_the_text_of_a_thousand_nodes_fits_on_two_screens():
    from flows import terminal

    found = judge(many())
    console = Console(width=160, file=StringIO())
    console.print(terminal.findings_table(found))
    lines = console.file.getvalue().splitlines()
    assert len(lines) < 100
    assert all(line.startswith(("blocker", "warning", "note", " ")) for line in lines)
    markdown = report.findings_markdown("c1", found)
    assert len(markdown) < 15_000
    assert "blockers" in markdown


def test_nodes_that_told_the_same_share_a_row_of_the_table():
    from flows import looking

    rows = looking.node_rows(many())
    assert len(rows) == 9
    assert rows[0]["node"].endswith("and 109 more")
    few = looking.node_rows(cluster_facts())
    assert [row["node"] for row in few] == ["node1"]


def test_machines_get_every_finding():
    from flows import looking

    facts = many()
    found = judge(facts)
    assert len(looking.as_data(facts, found)["findings"]) == len(found)


def test_findings_waived_for_different_reasons_stay_apart():
    first, *_ = judge(cluster_facts())
    two = [replace(first, waived="a"), replace(first, waived="b"), first]
    assert [one.waived for one in fold(two)] == ["a", "b", ""]
