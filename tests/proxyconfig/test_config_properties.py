"""Whatever a configuration looks like: its data changes as planned, its comments stay."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nftwave.proxyconfig import NotEditable, Unreadable, read, to_nftables

HEAD = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
}
DURATIONS = st.sampled_from(["0s", "1s", "5m0s", None])
WORDS = st.text("abcXYZ019 -_.:/#'\"%&*!|>{}[],é漢", max_size=12)
SOURCE_NAT = {"masqueradeAll": st.booleans() | st.none(), "masqueradeBit": st.integers(0, 31)}
FIELDS = {
    "mode": st.sampled_from(["ipvs", "", None, "iptables"]),
    "clusterCIDR": WORDS,
    "oomScoreAdj": st.integers(-999, 0) | st.none(),
    "featureGates": st.dictionaries(st.sampled_from(["A", "B"]), st.booleans(), max_size=2),
    "nodePortAddresses": st.sampled_from([None, [], ["192.0.2.0/24", "::/0"], ["primary"]]),
    "iptables": st.fixed_dictionaries({}, optional=SOURCE_NAT) | st.none(),
    "nftables": st.fixed_dictionaries({}, optional={**SOURCE_NAT, "syncPeriod": DURATIONS})
    | st.none(),
    "ipvs": st.fixed_dictionaries(
        {},
        optional={
            "scheduler": st.sampled_from(["rr", "sh"]),
            "excludeCIDRs": st.lists(st.just("10.0.0.0/8"), max_size=2),
            "tcpTimeout": DURATIONS,
        },
    )
    | st.none(),
    "winkernel": st.fixed_dictionaries({"sourceVip": WORDS}),
}
ENDINGS = st.sampled_from(["\n", "\r\n"])


class Writer:
    """Writes a configuration by hand, as people do: in many styles, with comments."""

    def __init__(self, draw):
        self.draw = draw
        self.step = draw(st.sampled_from([1, 2, 4]))
        self.numbered = 0

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def comments(self, depth):
        lines = []
        for _ in range(self.draw(st.integers(0, 2))):
            self.numbered += 1
            indent = " " * self.pick(0, depth, depth + self.step)
            lines.append(self.pick("", f"{indent}# comment {self.numbered}"))
        return lines

    def scalar(self, value):
        if value is None:
            return self.pick("", "null", "~")
        if isinstance(value, str):
            return self.pick(json.dumps(value), "'" + value.replace("'", "''") + "'")
        return json.dumps(value)

    def flow(self, value):
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k}: {self.flow(v)}" for k, v in value.items()) + "}"
        return json.dumps(value) if value is not None else "null"

    def entry(self, key, value, depth):
        start = " " * depth + self.pick(key, key, f'"{key}"') + ":"
        if isinstance(value, dict | list) and (not value or self.pick(True, False)):
            return [f"{start} {self.flow(value)}"]
        if isinstance(value, dict):
            return [start, *self.block(value, depth + self.step)]
        if isinstance(value, list):
            inner = " " * (depth + self.pick(0, self.step))
            return [start, *(f"{inner}- {json.dumps(item)}" for item in value)]
        tail = self.pick("", "   # beside")
        return [f"{start} {self.scalar(value)}{tail}".rstrip()]

    def block(self, value, depth):
        lines = []
        for key, child in value.items():
            lines += self.comments(depth) + self.entry(key, child, depth)
        return lines


@st.composite
def configurations(draw):
    """Text and data of a configuration, and the comments outside of its ipvs block."""
    data = {**HEAD, **draw(st.fixed_dictionaries({}, optional=FIELDS))}
    keys = draw(st.permutations(list(data)))
    writer = Writer(draw)
    lines, outside = [], []
    for key in keys:
        above = writer.comments(0)
        # A deeper comment right after the block is the block's own: put something before it.
        if lines and any(line.startswith(" ") for line in above):
            above = ["# at the margin", *above]
        entry = writer.entry(key, data[key], 0)
        lines += above + entry
        outside += above if key == "ipvs" else above + entry
    ending = draw(ENDINGS)
    text = draw(st.sampled_from(["", "---\n", "# top\n---\n"])).replace("\n", ending)
    text += ending.join(lines) + draw(st.sampled_from(["", ending]))
    return text, data, [line for line in outside if line.lstrip().startswith("#")]


def planned(data, reach):
    """What the data should be after the edit, worked out apart from the program."""
    new = {key: value for key, value in data.items() if key != "ipvs"}
    new["mode"] = "nftables"
    for field, default in (("masqueradeAll", False), ("masqueradeBit", 14)):
        was = (data.get("iptables") or {}).get(field)
        has = (data.get("nftables") or {}).get(field)
        was, has = (default if value is None else value for value in (was, has))
        if has == default and was != default:
            new["nftables"] = {**(new.get("nftables") or {}), field: was}
    if reach == "keep-reach" and not data.get("nodePortAddresses"):
        new["nodePortAddresses"] = ["0.0.0.0/0", "::/0"]
    return new


def loaded(text):
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    return yaml.load(text)


@settings(max_examples=300, deadline=None)
@given(configurations(), st.sampled_from(["keep-reach", "primary"]))
def test_data_changes_as_planned_and_comments_stay(configuration, reach):
    text, data, comments = configuration
    assert loaded(text) == data
    edit = to_nftables(text, node_port_addresses=reach)
    assert loaded(edit.text) == planned(data, reach)
    kept = [line for line in edit.text.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in kept if line != "# top"] == comments
    assert {change.path.split(".")[0] for change in edit.changes} <= {
        "mode",
        "ipvs",
        "nftables",
        "nodePortAddresses",
    }


@settings(max_examples=150, deadline=None)
@given(configurations(), st.sampled_from(["keep-reach", "primary"]))
def test_an_edited_text_is_edited_no_more(configuration, reach):
    text, _, _ = configuration
    once = to_nftables(text, node_port_addresses=reach).text
    again = to_nftables(once, node_port_addresses=reach)
    assert (again.text, again.changes) == (once, ())


@settings(max_examples=150, deadline=None)
@given(configurations())
def test_line_endings_and_the_last_one_stay(configuration):
    text, _, _ = configuration
    new = to_nftables(text, node_port_addresses="keep-reach").text
    assert new.endswith("\n") == text.endswith("\n")
    assert new.count("\n") - new.count("\r\n") in (0, new.count("\n"))
    assert ("\r" in new) == ("\r" in text)


@settings(max_examples=150, deadline=None)
@given(configurations())
def test_lines_that_need_not_change_stay_byte_for_byte(configuration):
    text, _, _ = configuration
    old = text.splitlines(keepends=True)
    new = to_nftables(text, node_port_addresses="keep-reach").text.splitlines(keepends=True)
    fresh = [line for line in new if line not in old]
    named = ("mode", "masquerade", "nftables", "nodePortAddresses")
    # Besides what was edited only a last line may differ, by the line ending it got or lost.
    strange = [line for line in fresh if not any(name in line for name in named)]
    assert all(line.rstrip("\r\n") in [one.rstrip("\r\n") for one in old] for line in strange)
    assert len(strange) <= 2


@settings(max_examples=300, deadline=None)
@given(st.text("amode:ipvs \n\t#{}[]'\"-|>&*!?,1.", max_size=60))
def test_any_text_is_read_edited_or_refused(text):
    head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
    for whole in (text, head + text, text + "\n" + head):
        try:
            edit = to_nftables(whole, node_port_addresses="keep-reach")
        except (Unreadable, NotEditable):
            continue
        assert read(edit.text).mode == "nftables"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
def test_random_characters_are_refused_with_a_line(text):
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert caught.value.line is not None
