"""A request as handlers see it, and what they answer: no HTTP library in between."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nftwave.lab.api.protobuf import PROTOBUF, decode
from nftwave.lab.api.requestinfo import is_true
from nftwave.lab.machinery import status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping

    from nftwave.lab.api.auth import User
    from nftwave.lab.api.requestinfo import RequestInfo
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.shell.streams import Sink, Source

JSON = "application/json"
TABLE = "Table"


@dataclass(frozen=True, slots=True)
class Exec:
    """A command that waits for its streams; it gives the Status of its end."""

    run: Callable[[Source, Sink, Sink], Coroutine[Any, Any, Object]]
    stdin: bool
    stdout: bool
    stderr: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        name: of the object that a create made, for the audit log.
    """

    code: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on; watches send whole lines."""

    chunks: AsyncGenerator[bytes]
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request.

    Attributes:
        command: all values of the query parameter `command`.
        offered: the subprotocols of a WebSocket that the client would speak.
    """

    info: RequestInfo
    query: Mapping[str, str]
    user: User
    body: bytes = b""
    accept: str = ""
    content_type: str = ""
    user_agent: str = ""
    command: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be written; a delete or an eviction may say so in its body.

        Raises:
            ApiStatus: 422 for a value other than All.
        """
        asked = [self.query["dryRun"]] if self.query.get("dryRun") else []
        if self.info.verb == "delete":
            asked += self.delete_options().get("dryRun") or []
        elif self.info.subresource == "eviction":
            asked += (self.delete_options().get("deleteOptions") or {}).get("dryRun") or []
        for value in asked:
            if value != "All":
                message = f'Unsupported value: "{value}": supported values: "All"'
                raise status.ApiStatus(422, "Invalid", f'options "" is invalid: dryRun: {message}')
        return bool(asked)

    @property
    def manager(self) -> str:
        """Who is written into managedFields: fieldManager, else the client's program name."""
        return self.query.get("fieldManager") or self.user_agent.partition("/")[0] or "unknown"

    @property
    def wants_table(self) -> bool:
        """Whether the client prefers rows and columns (`kubectl get`).

        Raises:
            ApiStatus: 406 if it accepts nothing that is served.
        """
        return self.preferred((TABLE,)) == TABLE

    def flag(self, name: str) -> bool:
        """Whether a query parameter says yes."""
        return is_true(self.query.get(name))

    def number(self, name: str) -> int | None:
        """A whole number of the query, None if it is not given; ApiStatus 400 for anything else."""
        text = self.query.get(name, "")
        if not text:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise status.bad_request(
                f'strconv.ParseUint: parsing "{text}": invalid syntax'
            ) from error

    def preferred(self, forms: tuple[str, ...]) -> str:
        """The first of `forms` (values of `as=`) that the client accepts before plain JSON.

        The empty string stands for plain JSON. ApiStatus 406 if neither is accepted.
        """
        for accepted in self.accept.split(",") if self.accept else [JSON]:
            media_type, *parameters = (part.strip() for part in accepted.split(";"))
            if media_type not in {JSON, "application/*", "*/*"}:
                continue
            asked = dict(part.split("=", 1) for part in parameters if "=" in part).get("as", "")
            if asked in forms or not asked:
                return asked
        raise status.not_acceptable([JSON])

    def json(self) -> Any:
        """The body as JSON says it, also if it came as protobuf.

        Raises:
            ApiStatus: 400 if it cannot be read, 415 if it says that it is something else.
        """
        media_type = self.content_type.partition(";")[0].strip()
        if media_type == PROTOBUF:
            return decode(self.body)
        if media_type not in {"", JSON}:
            raise status.unsupported_media_type([JSON, PROTOBUF])
        return parse_json(self.body)

    def delete_options(self) -> Object:
        """The DeleteOptions in the body; none is as good as empty ones."""
        options = self.json() if self.body.strip() else {}
        return options if isinstance(options, dict) else {}


def parse_json(body: bytes) -> Any:
    """Parse a body; ApiStatus 400 if it is no JSON."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise status.bad_request(
            f"the object provided is unrecognized (must be of type {JSON}): {error}"
        ) from error


def json_answer(
    code: int,
    value: Any,
    *,
    name: str = "",
    sort_keys: bool = False,
) -> Answer:
    """An answer of that value, ended by a newline as the real server's are."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    return Answer(code, text.encode() + b"\n", name=name)
