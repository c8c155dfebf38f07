import pytest
from hypothesis import given
from hypothesis import strategies as st

from nftwave.errors import Unreachable
from nftwave.evidence import Expected, Look, ProxyLog, Standing, judge
from nftwave.node.facts import Attempt, Health, ServicePort, Unknown, VirtualServer
from nftwave.serving.compare import Comparison, Named
from tests.facts import KUBERNETES, STARTED, in_ipvs, migrated, pod

LOG = ProxyLog("nftables", frozenset({"ip", "ip6"}))
EXPECTED = Expected((KUBERNETES,), replaced_uid="old")
SERVICES = {"ip": Comparison(expected=1), "ip6": Comparison(expected=0)}
DNS = ServicePort("10.96.0.10", "tcp", 53)
KEEPALIVED = VirtualServer("tcp", "192.0.2.10", 80, "rr")
WEB = Named(ServicePort("10.96.3.4", "tcp", 80), "default/web")


def look(facts=None, the_pod="default", log=LOG, **differences):
    chosen = pod() if the_pod == "default" else the_pod
    told = {"services": SERVICES, "foreign": (), "reach": {KUBERNETES: "default/kubernetes"}}
    return Look(facts or migrated(), chosen, log, **{**told, **differences})


def verdict(facts=None, the_pod="default", log=LOG, expected=EXPECTED, first=None, **differences):
    now = look(facts, the_pod, log, **differences)
    return judge("node1", now, expected, at=STARTED + 60, first=first)


def by_name(found):
    return {e.name: e for e in found.evidence}


def test_a_node_with_all_evidence_is_verified():
    assert verdict().standing is Standing.VERIFIED
    assert verdict().against() == ()
    assert verdict().warnings() == ()


OTHER_POD = "0::/kubepods.slice/kubepods-pod9c0d1e2f_0000_4000_8000_1234567890ab.slice/x"

LIES = [
    ("/proxyMode", migrated(proxy_mode="ipvs")),
    ("/proxyMode", migrated(proxy_mode="iptables")),
    ("first sync ip", migrated(last_sync={"ip6": STARTED + 9}, clock=STARTED + 100)),
    ("first sync ip", migrated(last_sync={"ip": 0.0, "ip6": STARTED + 9}, clock=STARTED + 100)),
    ("first sync ip6", migrated(last_sync={"ip": STARTED + 5}, clock=STARTED + 100)),
    # A table synced before this container started is a dead kube-proxy's.
    (
        "first sync ip",
        migrated(last_sync={"ip": STARTED - 500, "ip6": STARTED + 9}, clock=STARTED + 100),
    ),
    ("table ip kube-proxy", migrated(tables=frozenset({("ip6", "kube-proxy")}))),
    ("table ip6 kube-proxy", migrated(tables=frozenset({("ip", "kube-proxy")}))),
    ("map service-ips ip", migrated(service_ips={"ip": None, "ip6": frozenset()})),
    ("map service-ips ip", migrated(service_ips={"ip": frozenset(), "ip6": frozenset()})),
    (
        "map service-ips ip",
        migrated(service_ips={"ip": frozenset({ServicePort("10.96.0.1", "udp", 443)})}),
    ),
    ("no ipvs rules", migrated(virtual_servers=(VirtualServer("tcp", "1.2.3.4", 80, "rr"),))),
    ("kube-ipvs0 gone", migrated(ipvs_interface=())),
    ("kube-ipvs0 gone", migrated(ipvs_interface=("10.96.0.1",))),
    ("answering process", migrated(listener=OTHER_POD)),
    (
        "connection to default/kubernetes",
        migrated(answers={KUBERNETES: Attempt(connected=False, said="no answer within 3 s")}),
    ),
]


@pytest.mark.parametrize(("name", "facts"), LIES)
def test_one_thing_wrong_is_enough_to_fail_a_node(name, facts):
    found = verdict(facts)
    assert found.standing is Standing.FAILED
    assert [e.name for e in found.against()] == [name]
    assert name in found.why()


@pytest.mark.parametrize(
    "field",
    [
        "tables",
        "virtual_servers",
        "ipvs_interface",
        "proxy_mode",
        "last_sync",
        "sync_failures",
    ],
)
def test_what_could_not_be_seen_makes_a_node_unknown_with_the_reason(field):
    found = verdict(migrated(**{field: Unknown("not permitted")}))
    assert found.standing is Standing.UNKNOWN
    assert "not permitted" in found.why()


def test_unreadable_service_ips_make_a_node_unknown():
    found = verdict(migrated(service_ips={"ip": Unknown("no JSON"), "ip6": frozenset()}))
    assert found.standing is Standing.UNKNOWN


def test_something_wrong_outweighs_something_unknown():
    found = verdict(migrated(tables=Unknown("no nft"), proxy_mode="ipvs"))
    assert found.standing is Standing.FAILED
    assert found.against()[0].name == "/proxyMode"


# A node that does not answer


SILENT = Unreachable("refused", node="node1")


@pytest.mark.parametrize(
    "the_pod", [pod(), None, pod(ready=False), pod(deleting=True)], ids=lambda p: p and p.state()
)
def test_an_unreachable_node_is_unknown_whatever_old_news_the_api_has_of_its_pod(the_pod):
    found = verdict(SILENT, the_pod=the_pod)
    assert found.standing is Standing.UNKNOWN
    assert "refused" in found.why()


@pytest.mark.parametrize("the_pod", [pod(uid="old"), pod(waiting="CrashLoopBackOff", ready=False)])
def test_an_unreachable_node_fails_where_the_api_itself_proves_it(the_pod):
    assert verdict(SILENT, the_pod=the_pod).standing is Standing.FAILED


# The pod


@pytest.mark.parametrize(
    ("the_pod", "seen"),
    [
        (None, "no kube-proxy pod"),
        (pod(uid="old"), "was not replaced"),
        (pod(waiting="CrashLoopBackOff", restarts=4), "CrashLoopBackOff, 4 restarts"),
        (pod(ready=False), "starting"),
        (pod(deleting=True), "terminating"),
    ],
)
def test_a_pod_that_is_not_a_ready_successor_fails_the_node(the_pod, seen):
    found = verdict(the_pod=the_pod)
    assert found.standing is Standing.FAILED
    assert seen in found.why()


@pytest.mark.parametrize(
    "the_pod",
    [None, pod(), pod(uid="old"), pod(waiting="CrashLoopBackOff", restarts=4)],
)
def test_old_news_of_a_pod_neither_verifies_nor_fails_a_node(the_pod):
    found = verdict(the_pod=the_pod, pod_is_old=True)
    assert found.standing is Standing.UNKNOWN
    (told,) = [e for e in found.against() if e.name == "kube-proxy pod"]
    assert told.seen.endswith("when the API server was last heard")


def test_a_young_container_is_verified_by_two_looks_and_not_by_one():
    young = migrated(clock=STARTED + 20)
    once = verdict(young)
    assert once.standing is Standing.UNKNOWN
    assert [e.name for e in once.against()] == ["container stays up"]
    assert verdict(young, first=look(young)).standing is Standing.VERIFIED


def test_a_container_that_restarted_between_two_looks_is_not_verified():
    young = migrated(clock=STARTED + 20)
    before = look(young, pod(restarts=39, started=STARTED - 90))
    found = verdict(young, pod(restarts=40), first=before)
    assert found.standing is Standing.UNKNOWN
    assert "restarted between two looks" in found.why()


def test_a_crash_loop_in_a_good_moment_is_not_verified():
    caught = pod(restarts=40, exit_code=1, last_life=45.0)
    found = verdict(the_pod=caught, first=look(the_pod=caught))
    assert found.standing is Standing.UNKNOWN
    assert "40 restarts" in found.why()
    assert "exit code 1 before; trusted after 90 s" in found.why()


@pytest.mark.parametrize(
    ("life", "age", "standing"),
    [
        (2.0, 9, Standing.UNKNOWN),
        (2.0, 11, Standing.VERIFIED),
        (45.0, 89, Standing.UNKNOWN),
        (45.0, 91, Standing.VERIFIED),
        (9000.0, 599, Standing.UNKNOWN),
        (9000.0, 601, Standing.VERIFIED),
        (None, 599, Standing.UNKNOWN),
    ],
)
def test_a_container_that_outlived_the_one_that_died_is_trusted(life, age, standing):
    later = migrated(clock=STARTED + age)
    recovered = pod(restarts=1, exit_code=255, last_life=life)
    assert verdict(later, recovered, first=look(later, recovered)).standing is standing


def test_without_the_nodes_clock_our_own_tells_the_age():
    found = verdict(migrated(clock=Unknown("no date")))
    assert found.standing is Standing.VERIFIED


# The log


def test_a_log_that_names_another_proxier_fails_the_node():
    assert verdict(log=ProxyLog("ipvs", None)).standing is Standing.FAILED


def test_an_unreadable_log_makes_the_node_unknown():
    assert verdict(log=None).standing is Standing.UNKNOWN


def test_a_rotated_log_leaves_the_verdict_to_the_rest():
    rotated = ProxyLog(None, None)
    assert verdict(log=rotated).standing is Standing.VERIFIED
    assert verdict(migrated(proxy_mode="ipvs"), log=rotated).standing is Standing.FAILED


def test_the_log_line_alone_never_verifies_a_node():
    dying = in_ipvs(
        virtual_servers=(),
        ipvs_interface=None,
        proxy_mode=Unknown("refused"),
        last_sync=Unknown("refused"),
        process_started=Unknown("refused"),
    )
    assert verdict(dying).standing is Standing.FAILED


@pytest.mark.parametrize(
    ("state", "proxier"),
    [("ipvs", "ipvs"), ("nftables", "nftables"), ("nftables-no-nft", "nftables")],
)
def test_recorded_logs_name_proxier_and_families(recordings, state, proxier):
    text = (recordings / "node" / state / "kube-proxy.log.txt").read_text()
    assert ProxyLog.read(text) == ProxyLog(proxier, frozenset({"ip", "ip6"}))


@pytest.mark.parametrize(
    "line",
    [
        'I1 server.go:1] "kube-proxy running in single-stack mode" ipFamily="IPv6"',
        '{"ts":1.7e9,"msg":"kube-proxy running in single-stack mode","v":0,"ipFamily":"IPv6"}',
    ],
)
def test_a_single_stack_log_names_its_family_in_text_and_in_json(line):
    assert ProxyLog.read(f"{line}\n").families == frozenset({"ip6"})


def test_a_log_in_json_names_the_proxier():
    line = '{"ts":1.7e9,"caller":"app/server_linux.go:254","msg":"Using nftables Proxier","v":0}'
    assert ProxyLog.read(line).proxier == "nftables"


@given(st.text())
def test_no_log_breaks_its_reader(text):
    assert isinstance(ProxyLog.read(text), ProxyLog)


# Families


def single_stack(**differences):
    return migrated(
        tables=frozenset({("ip", "kube-proxy")}),
        last_sync={"ip": STARTED + 5},
        last_queued={"ip": STARTED + 2},
        service_ips={"ip": frozenset({KUBERNETES})},
        health=Health(200, {"ip": True}),
        **differences,
    )


def test_a_single_stack_kube_proxy_needs_one_family_only():
    log = ProxyLog("nftables", frozenset({"ip"}))
    assert verdict(single_stack(), log=log).standing is Standing.VERIFIED


def test_without_the_log_the_families_come_from_health_and_metrics():
    facts = migrated(tables=frozenset({("ip", "kube-proxy")}))
    found = verdict(facts, log=ProxyLog(None, None))
    assert [e.name for e in found.against() if e.counts] == ["table ip6 kube-proxy"]


def test_a_metric_without_a_family_asks_for_none():
    from dataclasses import replace

    old = replace(
        single_stack(),
        last_sync={"any": STARTED + 5},
        last_queued={"any": STARTED + 2},
        health=Health(200, {}),
    )
    found = verdict(old, log=ProxyLog(None, None))
    assert found.standing is Standing.VERIFIED
    assert "first sync ip" in by_name(found)
    assert "table ip6 kube-proxy" not in by_name(found)


# Whose process answers


def test_the_pod_of_the_listening_process_outweighs_a_clock_that_was_stepped():
    found = verdict(migrated(process_started=STARTED - 4000))
    assert found.standing is Standing.VERIFIED


@pytest.mark.parametrize("holder", [Unknown("no /proc/net/tcp"), "0::/"])
def test_without_it_start_times_verify_or_leave_unknown_and_never_fail(holder):
    assert verdict(migrated(listener=holder)).standing is Standing.VERIFIED
    for apart in (-4000, 4000):
        found = verdict(migrated(listener=holder, process_started=STARTED + apart))
        assert found.standing is Standing.UNKNOWN
        assert [e.name for e in found.against()] == ["answering process"]


def test_another_process_is_caught_also_where_its_start_fits():
    found = verdict(migrated(listener=OTHER_POD, process_started=STARTED))
    assert found.standing is Standing.FAILED
    assert "9c0d1e2f" in found.why()


# Syncs


def test_a_first_sync_that_is_under_way_is_unknown_and_names_the_deadline():
    syncing = migrated(
        clock=STARTED + 45,
        last_sync={},
        tables=frozenset(),
        service_ips={"ip": None, "ip6": None},
        answers={KUBERNETES: Attempt(connected=False, said="no answer within 3 s")},
    )
    expected = Expected((KUBERNETES,), deadline=40)
    found = verdict(syncing, expected=expected, first=look(syncing))
    assert found.standing is Standing.UNKNOWN
    assert "still syncing, 45 s after" in found.why()
    assert "policy.deadlines.verify gives it 40 s" in found.why()


def test_the_patience_with_a_first_sync_grows_with_the_services():
    syncing = migrated(clock=STARTED + 900, last_sync={}, tables=frozenset(), service_ips={})
    many = {"ip": Comparison(expected=44_000), "ip6": Comparison(expected=44_000)}
    assert verdict(syncing).standing is Standing.FAILED
    assert verdict(syncing, services=many).standing is Standing.UNKNOWN


def test_a_young_kube_proxy_that_was_never_asked_to_sync_fails():
    idle = migrated(clock=STARTED + 30, last_sync={}, last_queued={}, tables=frozenset())
    assert verdict(idle, first=look(idle)).standing is Standing.FAILED


def test_one_failed_sync_that_was_made_good_is_no_fault():
    found = verdict(migrated(sync_failures={"ip": 2.0}))
    assert found.standing is Standing.VERIFIED
    assert "2 since its start" in by_name(found)["sync failures"].seen


def test_syncs_that_go_on_failing_fail_the_node():
    found = verdict(
        migrated(sync_failures={"ip": 3.0}), first=look(migrated(sync_failures={"ip": 2.0}))
    )
    assert [e.name for e in found.against()] == ["sync failures"]
    assert "1 more" in found.why()


def test_a_failed_sync_without_a_success_after_it_fails_the_node():
    found = verdict(migrated(sync_failures={"ip": 1.0}, last_queued={"ip": STARTED + 50}))
    assert [e.name for e in found.against()] == ["sync failures"]


# Services


def test_services_that_the_map_lacks_fail_the_node_and_are_named():
    found = verdict(services={**SERVICES, "ip": Comparison(expected=2, missing=(WEB,))})
    assert found.standing is Standing.FAILED
    assert "1 of 2 Service ports" in found.why()
    assert "default/web (10.96.3.4 . tcp . 80)" in found.why()


@pytest.mark.parametrize(
    ("held", "standing"), [(None, Standing.FAILED), (Unknown("cut off"), Standing.UNKNOWN)]
)
def test_a_family_without_the_kubernetes_service_needs_its_map_too(held, standing):
    ips = {"ip": frozenset({KUBERNETES}), "ip6": held}
    services = {**SERVICES, "ip6": Comparison(expected=3)}
    found = verdict(migrated(service_ips=ips, clock=STARTED + 100), services=services)
    assert found.standing is standing
    assert [e.name for e in found.against()] == ["Services ip6"]
    assert verdict(migrated(service_ips=ips)).standing is Standing.VERIFIED


def test_the_same_reason_is_told_once_for_all_that_it_keeps_from_being_seen():
    unseen = Unknown("exec cannot see it")
    found = verdict(migrated(proxy_mode=unseen, ipvs_interface=unseen, conntrack=unseen))
    assert found.why() == "/proxyMode, kube-ipvs0 gone: exec cannot see it"


def test_a_service_with_endpoints_that_is_rejected_fails_the_node():
    found = verdict(services={**SERVICES, "ip": Comparison(expected=2, rejected=(WEB,))})
    assert [e.name for e in found.against()] == ["no-endpoint-services ip"]
    assert "default/web" in found.why()


def test_entries_that_the_api_does_not_tell_of_are_a_warning():
    found = verdict(services={**SERVICES, "ip": Comparison(expected=1, stale=(WEB,))})
    assert found.standing is Standing.VERIFIED
    assert [e.name for e in found.warnings()] == ["stale entries ip"]
    assert "warning" in found.why()


def test_services_that_just_changed_count_neither_way():
    found = verdict(services={**SERVICES, "ip": Comparison(expected=1, changing=3)})
    assert found.standing is Standing.VERIFIED
    assert "3 just changed" in by_name(found)["Services ip"].seen


def test_without_the_apis_services_a_node_is_unknown():
    found = verdict(services=Unknown("403"))
    assert found.standing is Standing.UNKNOWN
    assert "403" in found.why()


def test_a_map_of_the_rejected_that_cannot_be_read_leaves_a_node_unknown():
    found = verdict(migrated(no_endpoints={"ip": Unknown("cut off"), "ip6": frozenset()}))
    assert found.standing is Standing.UNKNOWN


# Connections from the node


def test_without_a_tool_to_connect_with_a_node_is_unknown():
    found = verdict(migrated(answers={KUBERNETES: Unknown("none of bash, nc, …")}))
    assert found.standing is Standing.UNKNOWN
    assert "none of bash" in found.why()


def test_what_did_not_answer_before_the_change_either_proves_nothing():
    reach = {KUBERNETES: "default/kubernetes", DNS: "kube-system/kube-dns"}
    answers = {**migrated().answers, DNS: Attempt(connected=False, said="no answer within 3 s")}
    facts = migrated(answers=answers)
    assert verdict(facts, reach=reach).standing is Standing.FAILED
    before = Expected((KUBERNETES,), silent_before=frozenset({DNS}))
    found = verdict(facts, expected=before, reach=reach)
    assert found.standing is Standing.VERIFIED
    assert "nor did it answer before" in by_name(found)["connection to kube-system/kube-dns"].seen


# Leftovers and warnings


def test_foreign_virtual_servers_are_named_apart_and_do_not_fail_the_node():
    found = verdict(migrated(virtual_servers=(KEEPALIVED,)), foreign=(KEEPALIVED,))
    assert found.standing is Standing.VERIFIED
    assert "192.0.2.10:80" in by_name(found)["foreign ipvs rules"].seen


def test_a_leftover_beside_a_foreign_one_still_fails_the_node():
    left = VirtualServer("tcp", "10.96.0.1", 443, "rr")
    found = verdict(migrated(virtual_servers=(KEEPALIVED, left)), foreign=(KEEPALIVED,))
    assert found.standing is Standing.FAILED
    assert "10.96.0.1:443" in found.why()
    assert "192.0.2.10" not in found.why()


def test_virtual_servers_of_nobody_knows_whom_fail_the_node():
    found = verdict(migrated(virtual_servers=(KEEPALIVED,)), foreign=Unknown("403"))
    assert found.standing is Standing.FAILED
    assert "403" in found.why()


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (migrated(iptables_chains=frozenset({"KUBE-MARK-MASQ"})), "iptables chains gone"),
        (migrated(conntrack=(120_000, 131_072)), "conntrack table"),
    ],
)
def test_what_is_harmless_or_not_our_doing_is_a_warning(facts, name):
    found = verdict(facts)
    assert found.standing is Standing.VERIFIED
    assert [e.name for e in found.warnings()] == [name]
    assert name in found.why()


def test_every_piece_of_evidence_names_a_command():
    from dataclasses import replace

    from nftwave.node.parse import COMMANDS

    facts = replace(migrated(), commands=COMMANDS, virtual_servers=(KEEPALIVED,))
    services = {**SERVICES, "ip": Comparison(expected=1, stale=(WEB,))}
    found = verdict(facts, foreign=(KEEPALIVED,), services=services)
    assert [e.name for e in found.evidence if not e.command] == []
