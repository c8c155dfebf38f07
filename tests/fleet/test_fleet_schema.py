"""The JSON schema agrees with the loader, and the example file is right by both."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from nftwave.errors import BadInput
from nftwave.fleet import load_fleet, schema

EXAMPLE = Path(__file__).parents[2] / "deployments" / "fleet.example.yaml"


def by_schema(text):
    return Draft202012Validator(schema()).is_valid(YAML(typ="safe", pure=True).load(text))


def by_loader(path, text):
    path.write_text(text)
    try:
        load_fleet(path)
    except BadInput:
        return False
    return True


def test_the_schema_is_a_valid_schema():
    Draft202012Validator.check_schema(schema())


def test_every_field_of_the_schema_is_described():
    models = [schema(), *schema()["$defs"].values()]
    fields = [field for model in models for field in model["properties"].values()]
    assert len(fields) > 30
    assert all(field["description"] for field in fields)
    assert all("title" in field or "$ref" in field for field in fields)


def test_deadlines_in_the_schema_say_their_unit_and_default():
    for name, field in schema()["$defs"]["Deadlines"]["properties"].items():
        assert "econds" in field["description"], name
        assert field["default"] > 0, name


def test_the_example_is_right_by_schema_and_loader():
    fleet = load_fleet(EXAMPLE)
    assert by_schema(EXAMPLE.read_text())
    assert [one.name for one in fleet.clusters] == ["prod-eu-1", "staging", "management"]


def test_the_example_shows_the_defaults_where_it_says_so(tmp_path):
    (tmp_path / "fleet.yaml").write_text("clusters:\n  - {name: a, in_cluster: true}\n")
    bare, example = load_fleet(tmp_path / "fleet.yaml"), load_fleet(EXAMPLE)
    assert example.policy == bare.policy
    assert (example.ssh.agent, example.ssh.sudo, example.ssh.address) == (
        bare.ssh.agent,
        bare.ssh.sudo,
        bare.ssh.address,
    )


@pytest.mark.parametrize(
    "text",
    [
        "clusters: [{name: a, in_cluster: true}]",
        "clusters: [{name: a, kubeconfig: k, context: c, in_cluster: false}]",
        "clusters: [{name: a, kubeconfig: k, context: c, in_cluster: true}]",
        "clusters: [{name: a, kubeconfig: k}]",
        "clusters: [{name: a, context: c}]",
        "clusters: [{name: a}]",
        "clusters: [{name: A, in_cluster: true}]",
        "clusters: []",
        "ssh: {}",
        "{clusters: [{name: a, in_cluster: true}], x: 1}",
        "{clusters: [{name: a, in_cluster: true}], ssh: {port: 70000}}",
        "{clusters: [{name: a, in_cluster: true}], ssh: {jump: ['a b']}}",
        "{clusters: [{name: a, in_cluster: true}], ssh: {jump: [a, 'b@c:22']}}",
        "{clusters: [{name: a, in_cluster: true}], ssh: {address: '{name}.example.org'}}",
        "{clusters: [{name: a, in_cluster: true}], ssh: {address: '{host}'}}",
        "{clusters: [{name: a, in_cluster: true}], policy: {deadlines: {probe: 0}}}",
        "{clusters: [{name: a, in_cluster: true}], policy: {deadlines: {probe: 0.5}}}",
        "{clusters: [{name: a, in_cluster: true}], policy: {thresholds: {nft: '1.0.6'}}}",
        "{clusters: [{name: a, in_cluster: true}], policy: {thresholds: {nft: 1.0}}}",
        "{clusters: [{name: a, in_cluster: true}], policy: {drain: true}}",
        "{clusters: [{name: a, in_cluster: true}], policy: {drain: {nodes: [a]}}}",
        "{clusters: [{name: a, in_cluster: true}], policy: {batches: {sizes: [1, 25%]}}}",
        "{clusters: [{name: a, in_cluster: true}], policy: {batches: {sizes: [101%]}}}",
        "{clusters: [{name: a, in_cluster: true}], policy: {batches: {failure_budget: -1}}}",
    ],
)
def test_schema_and_loader_say_the_same(tmp_path, text):
    assert by_schema(text) == by_loader(tmp_path / "fleet.yaml", text)
