import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nftwave.node.facts import Health, ServicePort, Unknown, VirtualServer
from nftwave.node.parse import COMMANDS, parse

from .recorded import BLOCKS, MARK, STATES, answer, block, output


def facts(text):
    return parse(text if isinstance(text, bytes) else text.encode(), node="n1", mark=MARK)


def why(fact):
    assert isinstance(fact, Unknown)
    return fact.reason


def test_a_recorded_ipvs_node_is_read():
    seen = facts(answer("ipvs", tables=("table ip nat\ntable ip6 nat\n", 0)))
    assert seen.kernel == "6.1.0-50-amd64"
    assert seen.os == "Debian GNU/Linux 12 (bookworm)"
    assert seen.nft == "1.0.6"
    assert seen.proxy_mode == "ipvs"
    assert seen.service_ips == {"ip": None, "ip6": None}
    assert seen.ipvs_interface == ("10.96.0.100", "10.96.0.1")
    assert seen.last_sync == {"ip": 1.795314962479991e09, "ip6": 1.795314957944264e09}
    assert seen.sync_failures == {}
    assert seen.process_started == 1.79531465843e09
    assert seen.health == Health(200, {"ip": True, "ip6": True})
    assert len(seen.virtual_servers) == 4
    assert seen.virtual_servers[0] == VirtualServer(
        "tcp",
        "10.96.0.100",
        80,
        "rr",
        (ServicePort("10.244.1.4", "tcp", 8080), ServicePort("10.244.0.3", "tcp", 8080)),
    )


def test_a_recorded_nftables_node_is_read():
    seen = facts(answer("nftables"))
    assert seen.proxy_mode == "nftables"
    assert {("ip", "kube-proxy"), ("ip6", "kube-proxy")} <= seen.tables
    assert seen.service_ips["ip"] == {
        ServicePort("10.96.0.100", "tcp", 80),
        ServicePort("10.96.0.1", "tcp", 443),
    }
    assert seen.virtual_servers == ()
    assert seen.ipvs_interface is None


def test_a_recorded_node_whose_kube_proxy_crash_loops_is_read():
    seen = facts(answer("nftables-no-nft"))
    assert seen.nft == "1.0.6"
    assert seen.virtual_servers == ()
    for fact in (seen.proxy_mode, seen.last_sync, seen.process_started, seen.health):
        assert "kube-proxy did not answer" in why(fact)


def test_an_error_text_in_place_of_a_table_list_is_unknown_with_that_text():
    seen = facts(answer("ipvs"))
    assert "Connection timed out during banner exchange" in why(seen.tables)
    assert seen.service_ips["ip"] == seen.tables


def test_the_plain_form_of_the_map_holds_the_same_keys_as_the_json_form():
    plain = output("nftables", "nft-list-table-ip-kube-proxy.txt")
    got = facts(answer("nftables", **{"service-ips.ip": plain})).service_ips["ip"]
    assert got == facts(answer("nftables")).service_ips["ip"]
    assert got


def test_a_table_without_the_map_is_none_and_not_unknown():
    printed, status = output("ipvs", "nft-json-service-ips.txt")
    seen = facts(
        answer(
            "ipvs", **{"tables": ("table ip kube-proxy", 0), "service-ips.ip": (printed, status)}
        )
    )
    assert seen.service_ips["ip"] is None


def test_numbers_stand_for_protocols_where_the_node_has_no_etc_protocols():
    plain = (
        "map service-ips {\n elements = { 10.96.0.10 . 17 . 53 : goto x, fd00::a . 6 . 53 : goto"
    )
    seen = facts(block("tables", "table ip kube-proxy") + block("service-ips.ip", plain))
    assert seen.service_ips["ip"] == {
        ServicePort("10.96.0.10", "udp", 53),
        ServicePort("fd00::a", "tcp", 53),
    }


def test_elements_with_a_comment_and_empty_maps_are_read():
    text = (
        '{"nftables": [{"metainfo": {}}, {"map": {"elem": [[{"elem": {"val": {"concat": '
        '["10.96.0.1", "tcp", 443]}, "comment": "x"}}, {"goto": {"target": "y"}}]]}}]}'
    )
    empty = '{"nftables": [{"metainfo": {}}, {"map": {"name": "service-ips"}}]}'
    seen = facts(
        block("tables", "table ip kube-proxy\ntable ip6 kube-proxy")
        + block("service-ips.ip", text)
        + block("service-ips.ip6", empty)
    )
    assert seen.service_ips == {
        "ip": frozenset({ServicePort("10.96.0.1", "tcp", 443)}),
        "ip6": frozenset(),
    }


HEADER = (
    "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n"
    "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
)


def test_ipv6_udp_and_firewall_mark_servers_are_read():
    rows = (
        "UDP  0A60000A:0035 wrr\n"
        "TCP  [2001:0db8:0000:0000:0000:0000:0000:000a]:0050 sh\n"
        "  -> [2001:0db8:0000:0000:0000:0000:0000:0001]:1F90\n"
        "FWM  0000000A rr\n  -> C0000202:0050"
    )
    seen = facts(block("virtual_servers", HEADER + rows))
    assert seen.virtual_servers == (
        VirtualServer("udp", "10.96.0.10", 53, "wrr"),
        VirtualServer("tcp", "2001:db8::a", 80, "sh", (ServicePort("2001:db8::1", "tcp", 8080),)),
        VirtualServer("fwm", "", 10, "rr", (ServicePort("192.0.2.2", "fwm", 80),)),
    )


@pytest.mark.parametrize(
    "row", ["TCP  0A6000", "garbage", "  -> 0A600064:0050", "TCP  xyz:0050 rr"]
)
def test_a_spoilt_row_of_ip_vs_makes_the_fact_unknown_rather_than_smaller(row):
    whole = output("ipvs", "proc-net-ip_vs.txt")[0] if "->" not in row else HEADER
    assert why(facts(block("virtual_servers", f"{whole}{row}")).virtual_servers)


def test_no_ip_vs_module_means_no_virtual_servers_and_no_connections():
    seen = facts(block("virtual_servers", "", "absent") + block("ipvs_connections", "", "absent"))
    assert seen.virtual_servers == ()
    assert seen.ipvs_connections == {}
    assert seen.established == {}


def test_established_connections_are_told_by_virtual_server():
    rows = (
        "TIME_WAIT 4\nESTABLISHED 5\nTCP 0A600064 0050 3\n"
        "SCTP 2001:0db8:0000:0000:0000:0000:0000:000a 1F90 2\n"
    )
    seen = facts(block("ipvs_connections", rows))
    assert seen.ipvs_connections == {"TIME_WAIT": 4, "ESTABLISHED": 5}
    assert seen.established == {
        ServicePort("10.96.0.100", "tcp", 80): 3,
        ServicePort("2001:db8::a", "sctp", 8080): 2,
    }


@pytest.mark.parametrize("row", ["TCP 0A6000 0050 1", "TCP 0A600064 0050 x", "awk: line 1: error"])
def test_a_spoilt_count_of_connections_is_unknown(row):
    assert why(facts(block("ipvs_connections", f"ESTABLISHED 1\n{row}")).established)


@pytest.mark.parametrize(
    ("said", "status", "active"),
    [
        ("inactive\ninactive", 0, set()),
        ("active\ninactive", 0, {"firewalld"}),
        ("unknown\nactive\nENABLED=no", 0, {"nftables.service"}),
        ("inactive\nfailed\nENABLED=yes", 0, {"ufw"}),
        ("timeout: failed to run command 'systemctl'", 127, set()),
        ("sh: systemctl: not found\nENABLED=yes", 127, {"ufw"}),
    ],
)
def test_active_firewalls_are_named(said, status, active):
    assert facts(block("firewalls", said, status)).firewalls == active


def test_a_systemctl_that_does_not_answer_leaves_the_firewalls_unknown():
    said = "System has not been booted with systemd as init system (PID 1). Can't operate."
    assert "systemd" in why(facts(block("firewalls", said, 1)).firewalls)
    assert "1 states" in why(facts(block("firewalls", "active", 0)).firewalls)


def test_a_file_that_may_not_be_read_is_unknown():
    assert "not permitted" in why(facts(block("virtual_servers", "", "denied")).virtual_servers)


def test_no_nft_is_none_and_tables_are_unknown():
    seen = facts(block("nft", "sh: nft: not found", 127) + block("tables", "no nft", 127))
    assert seen.nft is None
    assert "not on the node" in why(seen.tables)


def test_nft_without_root_says_so():
    seen = facts(block("tables", "Operation not permitted (you must be root)", 1))
    assert "it needs root" in why(seen.tables)


def test_warnings_of_nft_are_not_tables():
    text = "# Warning: table ip nat is managed by iptables-nft, do not touch!\ntable ip nat\n"
    assert facts(block("tables", text)).tables == {("ip", "nat")}


@pytest.mark.parametrize(
    "text",
    [
        (
            "7: kube-ipvs0: <BROADCAST,NOARP> mtu 1500\n    inet 10.96.0.1/32 scope global x\n"
            "    inet6 fd00::1/128 scope global\n"
        ),
        '[{"ifname":"kube-ipvs0","addr_info":[{"local":"10.96.0.1"},{"local":"fd00::1"}]}]',
    ],
)
def test_addresses_of_the_interface_are_read_from_json_and_from_plain_text(text):
    assert facts(block("ipvs_interface", text)).ipvs_interface == ("10.96.0.1", "fd00::1")


@pytest.mark.parametrize(
    "said", ['Device "kube-ipvs0" does not exist.', "ip: can't find device 'x'"]
)
def test_no_interface_is_none(said):
    assert facts(block("ipvs_interface", said, 1)).ipvs_interface is None


WGET = "  HTTP/1.1 {status} X\n  Content-Type: text/plain\n  Content-Length: 4\n{body}"


@pytest.mark.parametrize(
    "text",
    [
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: x\r\n\r\nipvs",
        WGET.format(status=200, body="ipvs"),
        "ipvs",
        "curl: (7) Failed to connect to 127.0.0.1\nHTTP/1.1 200 OK\r\n\r\nipvs",
    ],
    ids=["curl", "wget -S", "no headers", "second loopback"],
)
def test_the_mode_is_read_whatever_client_the_node_has(text):
    assert facts(block("proxy_mode", text)).proxy_mode == "ipvs"


def test_an_error_page_is_not_a_mode():
    seen = facts(block("proxy_mode", "HTTP/1.1 404 Not Found\r\n\r\n404 page not found"))
    assert "404" in why(seen.proxy_mode)


def test_an_unhealthy_kube_proxy_is_told_from_one_that_does_not_answer():
    body = '{"nodeEligible":true,"status":{"IPv4":{"healthy":true},"IPv6":{"healthy":false}}}'
    unhealthy = f"HTTP/1.1 503 Service Unavailable\r\n\r\n{body}"
    assert facts(block("health", unhealthy)).health == Health(503, {"ip": True, "ip6": False})
    wget = "  HTTP/1.1 503 Service Unavailable\n"
    assert facts(block("health", wget, 8)).health == Health(503, {})
    busybox = "wget: server returned error: HTTP/1.1 503 Service Unavailable\n"
    assert facts(block("health", busybox, 1)).health == Health(503, {})


def test_an_old_health_body_has_no_families():
    old = 'HTTP/1.1 200 OK\r\n\r\n{"lastUpdated": "x","currentTime": "y", "nodeEligible": true}'
    assert facts(block("health", old)).health == Health(200, {})


def test_metrics_without_a_family_stand_for_none_by_name():
    text = (
        "kubeproxy_sync_proxy_rules_last_timestamp_seconds 1.5e+09\n"
        "process_start_time_seconds 1.4e+09\n"
        "kubeproxy_sync_proxy_rules_nftables_sync_failures_total 2\n"
    )
    seen = facts(block("metrics", f"HTTP/1.1 200 OK\r\n\r\n{text}"))
    assert seen.last_sync == {"any": 1.5e9}
    assert seen.sync_failures == {"any": 2.0}
    assert seen.process_started == 1.4e9


def test_greetings_before_the_probe_and_missing_newlines_do_no_harm():
    text = f"Welcome!\n{MARK} \n{MARK} begin kernel\n6.1.0\n{MARK} end kernel 0"
    assert facts(text).kernel == "6.1.0"


def test_another_answers_mark_is_no_block():
    assert isinstance(facts("@@other begin kernel\n6.1.0\n@@other end kernel 0\n").kernel, Unknown)


MAPS = ("service_ips", "no_endpoints")
BY_KEY = (*MAPS, "answers")


def test_every_fact_but_the_node_names_its_command():
    assert set(COMMANDS) == set(facts(b"").__dataclass_fields__) - {"node", "commands"}


@given(st.sampled_from(STATES), st.data())
def test_a_truncated_answer_never_shows_more_than_the_whole_one(state, data):
    whole = answer(state)
    part = facts(whole[: data.draw(st.integers(0, len(whole)))])
    full = facts(whole)
    for name in COMMANDS:
        got, expected = getattr(part, name), getattr(full, name)
        if name in MAPS:
            for family in got:
                assert isinstance(got[family], Unknown) or got[family] == expected[family]
        else:
            assert isinstance(got, Unknown) or got == expected


@given(st.binary())
def test_garbage_has_no_facts_and_raises_nothing(noise):
    seen = facts(noise)
    assert all(isinstance(getattr(seen, name), Unknown) for name in COMMANDS if name not in BY_KEY)


HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(["[" * 100_000, '{"nftables": ' + "[" * 100_000, "9" * 10_000, "1e999"]),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["map", "elem", "concat", "status"]), inner),
        ),
    ).map(lambda value: json.dumps({"nftables": value})),
)


@given(
    st.sampled_from(
        [*BLOCKS, "service-ips.ip6", "clock", "uid", "conntrack", "ipvs_connections", "firewalls"]
    ),
    HOSTILE,
    st.sampled_from(["0", "1", "124", "127", "denied", "absent", "x y"]),
)
def test_nothing_that_a_node_prints_raises(name, text, status):
    tables = block("tables", "table ip kube-proxy\ntable ip6 kube-proxy")
    facts((tables + block(name, text, status)).encode("utf-8", "surrogatepass"))


@given(st.sampled_from(STATES), st.binary(min_size=1, max_size=8), st.data())
def test_bytes_that_are_no_text_raise_nothing(state, noise, data):
    whole = answer(state)
    at = data.draw(st.integers(0, len(whole)))
    facts(whole[:at] + noise + whole[at + len(noise) :])
