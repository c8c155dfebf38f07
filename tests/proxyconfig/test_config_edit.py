"""From ipvs to nftables on recorded and hand-written texts, every other byte kept."""

import json
from pathlib import Path

import pytest

from nftwave.proxyconfig import NotEditable, Unreadable, read, render_diff, to_nftables

RECORDING = Path(__file__).parents[1] / "recordings/api/05-configmap-kube-proxy.json"
HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
REACH = 'nodePortAddresses: ["0.0.0.0/0", "::/0"]\n'


@pytest.fixture(scope="module")
def recorded():
    body = json.loads(RECORDING.read_text())["response"]["body"]
    return body["data"]["config.conf"]


def edited(text, reach="keep-reach"):
    """The text after the edit; a second edit has to leave it alone."""
    edit = to_nftables(text, node_port_addresses=reach)
    assert to_nftables(edit.text, node_port_addresses=reach).text == edit.text
    return edit.text


def test_the_recorded_configmap_changes_in_three_places_only(recorded):
    new = edited(recorded)
    before, after = recorded.split("\n"), new.split("\n")
    block = before.index("ipvs:")
    expected = [
        line.replace("mode: ipvs", "mode: nftables").replace(
            "nodePortAddresses: null", REACH.strip()
        )
        for line in before[:block] + before[block + 9 :]
    ]
    assert after == expected
    assert before[block + 9] == "kind: KubeProxyConfiguration"


def test_the_recorded_configmap_reads_as_nftables_afterwards(recorded):
    before, after = read(recorded), read(edited(recorded))
    assert (before.mode, after.mode) == ("ipvs", "nftables")
    assert before.ipvs.scheduler == "rr"
    assert after.node_port_addresses == ("0.0.0.0/0", "::/0")
    assert before.iptables == after.iptables


def test_each_change_says_before_after_why_and_source(recorded):
    changes = to_nftables(recorded, node_port_addresses="keep-reach").changes
    told = [(change.path, change.before, change.after) for change in changes]
    assert told[0] == ("mode", "ipvs", "nftables")
    assert told[1][0] == "ipvs"
    assert '"scheduler": "rr"' in told[1][1]
    assert told[1][2] == "removed"
    assert told[2] == ("nodePortAddresses", "null", '["0.0.0.0/0", "::/0"]')
    assert all(change.why and change.source for change in changes)


def test_the_diff_names_both_sides_of_the_file(recorded):
    diff = render_diff(recorded, edited(recorded)).splitlines()
    assert diff[:2] == [
        "--- kube-proxy/config.conf (now)",
        "+++ kube-proxy/config.conf (planned)",
    ]
    assert "-mode: ipvs" in diff
    assert "+mode: nftables" in diff


def test_the_diff_of_equal_texts_is_empty(recorded):
    assert not render_diff(recorded, recorded)


def test_a_text_in_nftables_mode_comes_back_as_it_is():
    text = HEAD + "mode: nftables\nipvs: {scheduler: rr}\n"
    edit = to_nftables(text, node_port_addresses="keep-reach")
    assert (edit.text, edit.changes) == (text, ())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mode: ipvs\n", "mode: nftables\n" + REACH),
        ('mode: "ipvs"\n', 'mode: "nftables"\n' + REACH),
        ("mode: 'ipvs'   # the mode\n", "mode: 'nftables'   # the mode\n" + REACH),
        ('"mode": ipvs\n', '"mode": nftables\n' + REACH),
        ("mode:   ipvs\n", "mode:   nftables\n" + REACH),
        ("mode:\n  ipvs\n", "mode:\n  nftables\n" + REACH),
        ('mode: ""\n', 'mode: "nftables"\n' + REACH),
        ("mode:\n", "mode: nftables\n" + REACH),
        ("mode:   # none\n", "mode: nftables   # none\n" + REACH),
        ("mode: null\n", "mode: nftables\n" + REACH),
        ("", "mode: nftables\n" + REACH),
    ],
    ids=repr,
)
def test_the_mode_keeps_its_place_and_quotes(before, after):
    assert edited(HEAD + before) == HEAD + after


@pytest.mark.parametrize(
    "block",
    [
        "ipvs:\n  scheduler: rr\n",
        "ipvs:\n    scheduler: rr\n    excludeCIDRs:\n    - 10.0.0.0/8\n",
        "ipvs: {}\n",
        "ipvs:\n",
        "ipvs: null\n",
        "ipvs: ~   # nothing\n",
        "ipvs: {scheduler: rr, strictARP: true}\n",
        "ipvs: {\n    scheduler: rr,\n  }\n",
        "ipvs: {\n  scheduler: rr\n}\n",
        "ipvs:   # long\n  # its own\n\n  scheduler: rr   # round\n\n  # its own too\n",
        "ipvs:\n# at the margin, between its lines\n  scheduler: rr\n",
        "ipvs:\n  scheduler: |\n    rr\n",
        "ipvs:\n  scheduler: >-\n\n    rr\n",
        'ipvs:\n  scheduler: "r\n    r"\n',
        '"ipvs": {"scheduler": "rr"}\n',
    ],
    ids=repr,
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last_line_ends", [True, False])
def test_the_ipvs_block_goes_and_all_around_it_stays(block, place, ending, last_line_ends):
    above, below = "# head\n\n# above\n", "# below\n  # deeper below\n\n"
    rest = {
        "first": f"{above}{{}}{below}{HEAD}mode: ipvs\n",
        "middle": f"{HEAD}{above}{{}}{below}mode: ipvs\n# foot\n",
        "last": f"{HEAD}mode: ipvs\n{above}{{}}",
    }[place]
    text, wanted = rest.replace("{}", block), rest.replace("{}", "")
    wanted = wanted.replace("mode: ipvs\n", "mode: nftables\n" + REACH)
    if not last_line_ends:
        text, wanted = text.removesuffix("\n"), wanted.removesuffix("\n")
    assert edited(text.replace("\n", ending)) == wanted.replace("\n", ending)


@pytest.mark.parametrize(
    ("wrap", "ends"),
    [("---\n{}", ""), ("# why\n---\n{}...\n", ""), ("\ufeff{}", ""), ("%YAML 1.1\n---\n{}", "")],
)
def test_markers_directives_and_a_byte_order_mark_stay(wrap, ends):
    text = HEAD + "mode: ipvs\nipvs:\n  scheduler: rr\n"
    wanted = HEAD + "mode: nftables\n" + REACH
    assert edited(wrap.format(text) + ends) == wrap.format(wanted) + ends


def test_a_text_that_is_indented_as_a_whole_stays_indented():
    text = HEAD + "mode: ipvs\nipvs:\n  scheduler: rr\niptables:\n  masqueradeAll: true\n"
    new = edited("".join(f"  {line}" for line in text.splitlines(keepends=True)))
    wanted = HEAD + "mode: nftables\nnftables: {masqueradeAll: true}\n" + REACH
    wanted += "iptables:\n  masqueradeAll: true\n"
    assert sorted(new.splitlines()) == sorted(f"  {line}" for line in wanted.splitlines())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nodePortAddresses: null\n", REACH),
        ("nodePortAddresses: []\n", REACH),
        ("nodePortAddresses:   # all\n", REACH.replace("\n", "   # all\n")),
        ("nodePortAddresses: [ ]  # all\n", REACH.replace("\n", "  # all\n")),
    ],
)
def test_empty_node_port_addresses_get_all_addresses_in_place(before, after):
    mode, rest = "mode: ipvs\n", "oomScoreAdj: -999\n"
    new = edited(HEAD + mode + before + rest)
    assert new == HEAD + "mode: nftables\n" + after + rest


def test_node_port_addresses_set_by_hand_stay_and_are_noted():
    text = HEAD + "mode: ipvs\nnodePortAddresses:\n- 192.0.2.0/24\n"
    edit = to_nftables(text, node_port_addresses="keep-reach")
    assert edit.text == text.replace("mode: ipvs", "mode: nftables")
    assert [(note.path, note.value) for note in edit.notes] == [
        ("nodePortAddresses", '["192.0.2.0/24"]')
    ]


def test_primary_leaves_node_port_addresses_unset_and_says_what_that_means():
    text = HEAD + "mode: ipvs\nnodePortAddresses: null\n"
    edit = to_nftables(text, node_port_addresses="primary")
    assert edit.text == text.replace("mode: ipvs", "mode: nftables")
    assert "primary" in edit.notes[0].why


IPTABLES = "iptables:\n  masqueradeAll: true\n  masqueradeBit: 20\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "nftables: {masqueradeAll: true, masqueradeBit: 20}\n"),
        ("nftables:\n", "nftables: {masqueradeAll: true, masqueradeBit: 20}\n"),
        ("nftables: null # c\n", "nftables: {masqueradeAll: true, masqueradeBit: 20} # c\n"),
        ("nftables: {}\n", "nftables: {masqueradeAll: true, masqueradeBit: 20}\n"),
        (
            "nftables: {syncPeriod: 1s}\n",
            "nftables: {masqueradeAll: true, masqueradeBit: 20, syncPeriod: 1s}\n",
        ),
        (
            "nftables: {masqueradeAll: false, masqueradeBit: null}\n",
            "nftables: {masqueradeAll: true, masqueradeBit: 20}\n",
        ),
        (
            "nftables:\n  masqueradeAll: false  # a\n  masqueradeBit:  # b\n  syncPeriod: 1s\n",
            "nftables:\n  masqueradeAll: true  # a\n  masqueradeBit: 20  # b\n  syncPeriod: 1s\n",
        ),
        (
            "nftables:\n    # first\n    syncPeriod: 1s\n      # deeper\n    # last\n",
            (
                "nftables:\n    # first\n    syncPeriod: 1s\n      # deeper\n"
                "    masqueradeAll: true\n    masqueradeBit: 20\n    # last\n"
            ),
        ),
        (
            "nftables:\n  masqueradeBit: 14\n",
            "nftables:\n  masqueradeBit: 20\n  masqueradeAll: true\n",
        ),
    ],
    ids=repr,
)
def test_source_nat_settings_are_carried_over(before, after):
    text = HEAD + IPTABLES + before + "mode: ipvs\n" + REACH
    new = edited(text)
    if before:
        assert new == HEAD + IPTABLES + after + "mode: nftables\n" + REACH
    else:
        assert new == HEAD + IPTABLES + "mode: nftables\n" + after + REACH


def test_fields_added_behind_the_last_line_keep_to_their_block():
    text = HEAD + "iptables: {masqueradeBit: 0}\nnftables:\n  syncPeriod: 1s"
    block = "nftables:\n  syncPeriod: 1s\n  masqueradeBit: 0\n"
    added = "mode: nftables\n" + REACH.rstrip()
    assert edited(text) == HEAD + "iptables: {masqueradeBit: 0}\n" + block + added


@pytest.mark.parametrize(
    "iptables",
    [
        "",
        "iptables:\n",
        "iptables: {masqueradeAll: false, masqueradeBit: null}\n",
        "iptables: {masqueradeBit: 14}\n",
    ],
)
def test_default_source_nat_settings_are_not_carried_over(iptables):
    text = HEAD + iptables + "mode: ipvs\n" + REACH
    assert edited(text) == text.replace("mode: ipvs", "mode: nftables")


def test_source_nat_set_by_hand_for_nftables_stays_and_is_noted():
    text = HEAD + IPTABLES + "nftables: {masqueradeBit: 7}\nmode: ipvs\n" + REACH
    edit = to_nftables(text, node_port_addresses="keep-reach")
    assert "nftables: {masqueradeAll: true, masqueradeBit: 7}\n" in edit.text
    note = next(note for note in edit.notes if note.path == "nftables.masqueradeBit")
    assert note.value == "7"
    assert "20" in note.why


def test_a_nondefault_nftables_setting_stays_where_ipvs_uses_the_default():
    text = HEAD + "nftables: {masqueradeAll: true}\nmode: ipvs\n" + REACH
    edit = to_nftables(text, node_port_addresses="keep-reach")
    assert edit.text == text.replace("mode: ipvs", "mode: nftables")
    assert [note.path for note in edit.notes][:1] == ["nftables.masqueradeAll"]


def test_a_literal_block_without_a_last_line_ending_is_not_lengthened():
    text = HEAD + "mode: ipvs\n" + REACH + "portRange: |\n  1-2"
    assert edited(text) == text.replace("mode: ipvs", "mode: nftables")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (HEAD + "mode: &m ipvs\nportRange: *m\n", 3, "anchor or alias 'm' stands in"),
        (HEAD + "portRange: &m ipvs\nmode: *m\n", 3, "anchor or alias 'm' stands in"),
        (HEAD + "ipvs: &b {}\nwinkernel: *b\nmode: ipvs\n", 3, "anchor or alias 'b' stands in"),
        (HEAD + "ipvs:\n  tcpTimeout: &b 1s\nmode: ipvs\n", 4, "anchor or alias 'b' stands in"),
        (
            HEAD + "iptables: {masqueradeAll: true}\nwinkernel: &b {}\nnftables: *b\nmode: ipvs\n",
            4,
            "anchor or alias 'b' stands in",
        ),
        (
            HEAD
            + "iptables: {masqueradeAll: true}\n"
            + "winkernel: &b {masqueradeAll: false}\nnftables: *b\nmode: ipvs\n",
            4,
            "anchor or alias 'b' stands in",
        ),
        (HEAD + "mode: |-\n  ipvs\n", 3, "a block scalar is not edited"),
        (HEAD + "mode: ipvs\nnodePortAddresses: [\n  # all\n]\n", 4, "a comment stands inside"),
        (HEAD + "mode: ipvs\n? ipvs\n: {}\n", 4, "this key does not begin its line"),
        (
            "{" + HEAD.replace("\n", ", ") + "mode: ipvs}\n",
            1,
            "the whole text is in flow style",
        ),
    ],
    ids=repr,
)
def test_what_cannot_be_edited_safely_is_refused_with_its_line(text, line, reason):
    with pytest.raises(NotEditable) as caught:
        to_nftables(text, node_port_addresses="keep-reach")
    assert caught.value.line == line
    assert reason in caught.value.reason
    assert str(caught.value).startswith(f"config.conf:{line}: ")
    assert "kubectl" in caught.value.next_step


@pytest.mark.parametrize(
    "text",
    [
        "iptables: &b {masqueradeAll: true}\nnftables: *b\nmode: ipvs\n",
        "clientConnection: {burst: &n 5, qps: *n}\nmode: ipvs\n",
        "mode: ipvs\nportRange: |+\n  1\n\n\n",
    ],
)
def test_what_need_not_be_edited_may_be_written_in_any_way(text):
    assert edited(HEAD + text) == HEAD + text.replace("mode: ipvs\n", "mode: nftables\n" + REACH)


def test_an_edit_that_would_change_something_else_is_thrown_away():
    # The last line is part of the block scalar, so a line after it cannot be added safely.
    text = HEAD + "portRange: |+\n  1\n\n"
    with pytest.raises(NotEditable, match="would change more than is planned"):
        to_nftables(text, node_port_addresses="keep-reach")


def test_an_unreadable_text_is_not_edited():
    with pytest.raises(Unreadable, match="key 'mode' is there twice"):
        to_nftables(HEAD + "mode: ipvs\nmode: ipvs\n", node_port_addresses="keep-reach")
