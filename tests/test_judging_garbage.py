"""Whatever a node prints, what is made of it is judged: no finding and no verdict breaks on it."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nftwave import findings
from nftwave.evidence import Expected, Look, ProxyLog, Standing, judge
from nftwave.node.parse import parse
from nftwave.serving.compare import Comparison
from tests.facts import KUBERNETES, STARTED, cluster_facts, pod
from tests.node.recorded import BLOCKS, MARK, STATES, answer, block

NAMES = (*BLOCKS, "service-ips.ip6", "clock", "uid", "conntrack", "ipvs_connections", "firewalls")
LONG = "9" * 5000
"""More digits than Python makes an int of."""
ODD = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            f"{LONG}.{LONG}",
            f"nftables v{LONG}.1 (x)",
            f"nftables v1.{LONG} (x)",
            f"{'9' * 400} 1",
            "1 0",
            "nan",
            "inf",
            "-inf",
            "1e308",
            "-1",
            "HTTP/1.1 200 OK\r\n\r\nprocess_start_time_seconds -1e308",
            "HTTP/1.1 200 OK\r\n\r\nkubeproxy_sync_proxy_rules_last_timestamp_seconds 1e308",
            # The same in German, as a node without LC_ALL=C would say it.
            "Gerät »kube-ipvs0« existiert nicht.",
            "Error: Datei oder Verzeichnis nicht gefunden",
            json.dumps({"nftables": [{"map": {"elem": [[{"concat": ["x", "tcp", LONG]}, 0]]}}]}),
        ]
    ),
)


# What it costs the first time is reading the recordings.
@settings(deadline=None, max_examples=150)
@example("nftables", {"conntrack": "9" * 400 + " 1"})
@example("nftables", {"nft": f"nftables v{LONG}.1 (x)"})
@example("ipvs", {"kernel": f"{LONG}.{LONG}"})
@given(st.sampled_from(STATES), st.dictionaries(st.sampled_from(NAMES), ODD, max_size=4))
def test_what_a_node_prints_breaks_neither_findings_nor_a_verdict(state, printed):
    spoilt = "".join(block(name, text) for name, text in printed.items())
    text = answer(state) + spoilt.encode("utf-8", "surrogatepass")
    facts = parse(text, node="node1", mark=MARK)
    findings.judge(cluster_facts(probes={"node1": facts}))
    services = {"ip": Comparison(expected=1), "ip6": Comparison(expected=0)}
    log = ProxyLog("nftables", frozenset({"ip", "ip6"}))
    look = Look(facts, pod(), log, services, (), {KUBERNETES: "default/kubernetes"})
    verdict = judge("node1", look, Expected((KUBERNETES,)), at=STARTED + 60)
    # None of the recorded answers holds a connection from the node, so none proves it.
    assert verdict.standing is not Standing.VERIFIED
    assert verdict.why()
