"""One cluster of a fleet, how its nodes are reached, and what is allowed: the models.

Models of pydantic stand at this edge of the program and nowhere else. They hold constraints,
defaults and descriptions (for `nftwave fleet schema`); what a person is told about a mistake is in
`fields.py`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from nftwave.fleet.fields import NEEDED
from nftwave.fleet.mistakes import access_mistake
from nftwave.support import Version

MONTH = 31 * 86400
"""The longest deadline, in seconds: a wait that nobody outlives is a mistake in the file."""


def _expanded(value: object, info: ValidationInfo) -> object:
    """`~` and $VARS expanded; relative to the folder of the fleet file where there is one."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise PydanticCustomError("path", "not a path")
    path = Path(os.path.expandvars(value)).expanduser()
    return info.context["folder"] / path if info.context else path


def _not_lowered(value: str, info: ValidationInfo) -> str:
    found = Version.parse(value)
    if found is None or found < NEEDED[str(info.field_name)]:
        raise PydanticCustomError("lowered", "below what kube-proxy needs")
    return value


def _share(value: object) -> object:
    """A number of nodes, or per cent of them such as `25%`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and PER_CENT.fullmatch(value):
        return value
    raise PydanticCustomError("share", "neither a number of nodes nor per cent")


def _some(value: object) -> object:
    if _share(value) in (0, "0%"):
        raise PydanticCustomError("share", "none")
    return value


def _everywhere(value: object) -> object:
    """`drain: true` is short for `drain: {everywhere: true}`."""
    return {"everywhere": value} if isinstance(value, bool) else value


def _or_boolean(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "boolean"}, {"$ref": schema.pop("$ref")}]
    schema["title"] = "Drain"


PER_CENT = re.compile(r"^(100|[0-9]{1,2})%$")
_SHARE = [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": PER_CENT.pattern}]
Share = Annotated[int | str, PlainValidator(_share), WithJsonSchema({"anyOf": _SHARE})]
SomeNodes = Annotated[Share, AfterValidator(_some)]
FilePath = Annotated[Path, PlainValidator(_expanded), WithJsonSchema({"type": "string"})]
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Text = Annotated[str, Field(min_length=1)]
Reason = Annotated[str, Field(min_length=3, pattern=r"\S")]
Count = Annotated[int, Field(ge=1, le=1000)]
Pause = Annotated[float, Field(ge=0, le=MONTH, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=MONTH, allow_inf_nan=False)]
Numbers = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){1,2}$")]
Threshold = Annotated[Numbers, AfterValidator(_not_lowered)]
Jump = Annotated[
    str, Field(pattern=r"^([^@\s]+@)?([^@\s:\[\]]+|\[[0-9A-Fa-f:.%]+\])(:[0-9]{1,5})?$")
]
Address = Annotated[
    str,
    Field(
        pattern=r"^(InternalIP|ExternalIP|Hostname|[-A-Za-z0-9._]*\{name\}[-A-Za-z0-9._]*)$",
        examples=["InternalIP", "ExternalIP", "Hostname", "{name}.example.org"],
    ),
]


class Strict(BaseModel):
    """Root of the models: no unknown fields, no changes, no guessed types."""

    # Strict, because YAML has types of its own: a port in quotes is a mistake, not a number.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Ssh(Strict):
    """How a cluster's nodes are reached over SSH."""

    user: Text | None = Field(
        default=None, description="User on the node; else ssh config, else you."
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="Else ssh config, else 22.")
    identity_file: FilePath | None = Field(default=None, description="Private key.")
    agent: bool = Field(default=True, description="Offer the keys of the SSH agent too.")
    jump: tuple[Jump, ...] = Field(
        default=(), strict=False, description="Jump hosts in order, each user@host:port."
    )
    known_hosts: FilePath | None = Field(
        default=None, description="Host keys to trust; else ssh config, else ~/.ssh/known_hosts."
    )
    sudo: bool = Field(default=True, description="Become root by `sudo -n`; nft needs root.")
    address: Address = Field(
        default="InternalIP",
        description="A Node's address: InternalIP, ExternalIP, Hostname, or a template of {name}.",
    )
    config: FilePath | None = Field(default=None, description="ssh config; else ~/.ssh/config.")


class Thresholds(Strict):
    """Least versions on a node. They may be raised; kube-proxy does not run below its own."""

    kernel: Threshold = Field(default=str(NEEDED["kernel"]), description="Linux of every node.")
    nft: Threshold = Field(default=str(NEEDED["nft"]), description="nft of every node.")


class Deadlines(Strict):
    """How long each step may take, in seconds."""

    connect: Seconds = Field(default=10, description="Seconds for one SSH connection.")
    probe: Seconds = Field(
        default=30, description="Seconds for one look at one node, with connecting."
    )
    preflight: Seconds = Field(default=300, description="Seconds for the first look at all nodes.")
    successor: Seconds = Field(
        default=180,
        description="Seconds from deleting a kube-proxy pod until its successor is Ready.",
    )
    rollout: Seconds = Field(
        default=3600, description="Seconds for the restart of all kube-proxy pods."
    )
    verify: Seconds = Field(
        default=120,
        description="Seconds from the successor's Ready until the node has proven itself.",
    )
    approval: Seconds = Field(default=86400, description="Seconds that a person is waited for.")


class Waiver(Strict):
    """A finding that is known and accepted: it weighs one step less, and its reason is shown."""

    code: Text = Field(description="Code of the finding, such as nft-too-old.")
    subject: Text | None = Field(
        default=None,
        description="Pattern (* and ?) of what it is about, such as a node's name; else all.",
    )
    reason: Reason = Field(description="Why it may be so; shown with the plan that is approved.")


class Canary(Strict):
    """The nodes that go first, before a person says yes to the rest."""

    count: Count = Field(default=1, description="How many, where neither names nor labels say.")
    nodes: tuple[Text, ...] = Field(default=(), strict=False, description="Their names.")
    selector: dict[str, str] = Field(
        default={}, description="Labels that a Node must have to be one; count says how many."
    )


class Batches(Strict):
    """The nodes after the canary."""

    sizes: tuple[SomeNodes, ...] = Field(
        default=("10%", "25%"),
        min_length=1,
        strict=False,
        description="Nodes of each batch, in number or per cent of all; the last one again and "
        "again.",
    )
    at_once: Count = Field(
        default=10, description="Nodes of one batch whose kube-proxy may be down together."
    )
    control_plane: Literal["last", "first"] = Field(
        default="last", description="When nodes of the control plane have their turn."
    )
    spread_by: Text = Field(
        default="topology.kubernetes.io/zone",
        description="Label by whose values the nodes of a batch are mixed.",
    )
    soak: Pause = Field(
        default=15,
        description="Seconds between two batches in which the last one must stay well.",
    )
    failure_budget: Share = Field(
        default=0, description="Nodes, in number or per cent, that may fail before it halts."
    )


class OnFailure(Strict):
    """What becomes of the nodes that were changed, when too many of them fail."""

    canary: Literal["rollback", "hold", "ask"] = Field(
        default="rollback", description="When a canary fails."
    )
    batch: Literal["hold", "rollback", "ask"] = Field(
        default="hold", description="When a later batch fails beyond the failure budget."
    )


class Drain(Strict):
    """Nodes that are emptied before their kube-proxy is replaced, so that nothing is cut there."""

    everywhere: bool | None = Field(
        default=None,
        description="true: all nodes; false: none. `drain: true` and `drain: false` for short.",
    )
    nodes: tuple[Text, ...] = Field(default=(), strict=False, description="Names of nodes.")
    selector: dict[str, str] = Field(default={}, description="Labels of nodes.")
    deadline: Seconds = Field(default=600, description="Seconds for emptying one node.")
    unmanaged: bool = Field(
        default=False, description="Evict pods without a controller too: nobody makes them anew."
    )
    empty_dir: bool = Field(
        default=True, description="Evict pods with emptyDir volumes: what is in these is lost."
    )


class Quiet(Strict):
    """Waiting, before a node's kube-proxy is replaced, until few connections are at stake there."""

    max_connections: int | None = Field(
        default=None,
        ge=0,
        description="Established connections through ipvs that are few enough; else no waiting.",
    )
    wait_seconds: Seconds = Field(
        default=300, description="Seconds after which it is not waited any longer."
    )
    otherwise: Literal["go-on", "stop"] = Field(
        default="go-on", description="What to do with a node that is still busy then."
    )


class Policy(Strict):
    """What a migration may do and how long it may take."""

    strategy: Literal["batches", "rolling"] = Field(
        default="batches",
        description="Canary, a person's yes, then batches, each proven before the next; or "
        "restart kube-proxy everywhere as `kubectl rollout restart` does.",
    )
    canary: Canary = Field(default=Canary(), description="The nodes that go first.")
    batches: Batches = Field(default=Batches(), description="The nodes after them.")
    config_at_gate: Literal["original", "stays"] = Field(
        default="original",
        description="config.conf while a person is asked about the canary, and after a run that "
        "ended early. original: it goes back until somebody goes on, so that a kube-proxy that "
        "restarts meanwhile comes up in ipvs, on a canary too, which then has another turn. "
        "stays: whatever restarts meanwhile, and each new node, comes up in nftables, on nodes "
        "that nobody has proven.",
    )
    on_failure: OnFailure = Field(default=OnFailure(), description="When too many nodes fail.")
    drain: Annotated[Drain, BeforeValidator(_everywhere)] = Field(
        default=Drain(),
        description="Nodes that are drained before their turn.",
        json_schema_extra=_or_boolean,
    )
    quiet: Quiet = Field(
        default=Quiet(), description="Wait for few connections before each node's turn."
    )
    node_port_addresses: Literal["keep-reach", "primary"] = Field(
        default="keep-reach",
        description="NodePorts answer on all addresses as under ipvs, or on the primary only.",
    )
    parallelism: int = Field(
        default=32, ge=1, le=1024, description="Nodes looked at over SSH at once."
    )
    interruption_probe: Literal["canary", "all", "off"] = Field(
        default="canary",
        description="Nodes on which new connections measure the interruption; strategy rolling "
        "has no canary: there it is the first node by name.",
    )
    findings: dict[str, Literal["blocker", "warning", "note", "off"]] = Field(
        default={},
        description="Severity by code of a finding, other than its own; docs/findings.md has all.",
    )
    waivers: tuple[Waiver, ...] = Field(
        default=(), strict=False, description="Findings that are known and accepted."
    )
    thresholds: Thresholds = Field(default=Thresholds(), description="Least versions on a node.")
    deadlines: Deadlines = Field(default=Deadlines(), description="Seconds, all greater than 0.")


class Cluster(Strict):
    """One cluster: its name, the way to its API, and what differs from the rest of the fleet."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["kubeconfig", "context"]},
                {"required": ["in_cluster"], "properties": {"in_cluster": {"const": True}}},
            ]
        }
    )
    name: Label = Field(description="Name of the cluster in the fleet, an RFC 1123 label.")
    kubeconfig: FilePath | None = Field(
        default=None, description="Path; ~ and $VARS are expanded, relative to this file."
    )
    context: Text | None = Field(
        default=None, description="Context in the kubeconfig; never guessed."
    )
    in_cluster: bool = Field(default=False, description="Use the pod's own service account.")
    access: Literal["ssh", "exec"] = Field(
        default="ssh",
        description="How nodes are looked at. By exec in kube-proxy's pods much stays unknown, "
        "so that no node is called verified.",
    )
    labels: dict[str, str] = Field(default={}, description="Labels to choose clusters by.")
    ssh: Ssh = Field(default=Ssh(), description="Fields that differ from the fleet's.")
    policy: Policy = Field(default=Policy(), description="Fields that differ from the fleet's.")

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        way = {name: getattr(self, name) for name in ("kubeconfig", "context", "in_cluster")}
        if access_mistake(way):
            raise PydanticCustomError("access", "not exactly one way to the API")
        return self
