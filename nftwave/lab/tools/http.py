"""`curl` and `wget` as scripts on nodes use them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nftwave.lab.tools.urls import Fetched, FetchError, Request, fetch

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Tool

HTTP_ERROR = 22
WGET_NETWORK, WGET_TLS, WGET_SERVER = 4, 5, 8
CURL_WITH_VALUE = {
    "-m",
    "--max-time",
    "--connect-timeout",
    "-o",
    "--output",
    "-w",
    "--write-out",
    "-H",
    "--header",
    "-X",
    "--request",
    "--retry",
}
WGET_WITH_VALUE = {"-O", "-T", "--timeout", "-t", "--tries", "-o"}
BAD = 400


def _parse(args: list[str], with_value: set[str]) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    urls: list[str] = []
    words = iter(args)
    for word in words:
        name, _, value = word.partition("=")
        if word in with_value:
            found[word] = next(words, "")
        elif word.startswith("--"):
            found[name] = value
        elif word.startswith("-") and len(word) > 1:
            for place, letter in enumerate(word[1:], 1):
                if f"-{letter}" in with_value:
                    found[f"-{letter}"] = word[place + 1 :].removeprefix("=") or next(words, "")
                    break
                found[f"-{letter}"] = ""
        else:
            urls.append(word)
    return found, urls


def _seconds(flags: dict[str, str], *names: str) -> float | None:
    given = next((flags[name] for name in names if name in flags), None)
    return float(given) if given else None


async def curl(call: Call) -> int:
    """`curl`: -s -S -f -i -k -m --connect-timeout -o -w."""
    flags, urls = _parse(call.args, CURL_WITH_VALUE)
    quiet = bool({"-s", "--silent"} & set(flags)) and not {"-S", "--show-error"} & set(flags)
    status = 0
    for url in urls:
        began = time.monotonic()
        answer: Fetched | None = None
        try:
            answer = await fetch(
                call,
                Request(
                    url,
                    connect_within=_seconds(flags, "--connect-timeout"),
                    within=_seconds(flags, "-m", "--max-time"),
                    trusting=bool({"-k", "--insecure", "--cacert"} & set(flags)),
                ),
            )
            status = await _show(call, flags, answer, quiet=quiet)
        except FetchError as error:
            status = error.code
            if not quiet:
                await call.stderr.write(f"curl: ({error.code}) {error}\n")
        await call.out(_written_out(flags, answer, status, time.monotonic() - began))
    return status


async def _show(call: Call, flags: dict[str, str], answer: Fetched, *, quiet: bool) -> int:
    """Print or keep the answer; gives the exit status."""
    if answer.status >= BAD and {"-f", "--fail"} & set(flags):
        if not quiet:
            message = f"The requested URL returned error: {answer.status}"
            await call.stderr.write(f"curl: (22) {message}\n")
        return HTTP_ERROR
    output = flags.get("-o", flags.get("--output", "-"))
    text = (answer.head if {"-i", "--include"} & set(flags) else "") + answer.body
    if output == "-":
        await call.out(text)
    else:
        call.machine.files.write(call.path(output), text, root=call.root)
    return 0


def _written_out(flags: dict[str, str], answer: Fetched | None, status: int, elapsed: float) -> str:
    code = f"{answer.status if answer else 0:03d}"
    text = flags.get("-w", flags.get("--write-out", ""))
    for name, value in (
        ("http_code", code),
        ("response_code", code),
        ("exitcode", str(status)),
        ("time_connect", f"{answer.connected_after if answer else 0:.6f}"),
        ("time_total", f"{elapsed:.6f}"),
    ):
        text = text.replace(f"%{{{name}}}", value)
    return text.replace("\\n", "\n")


async def wget(call: Call) -> int:
    """`wget`: -q -S -O -T --no-check-certificate."""
    flags, urls = _parse(call.args, WGET_WITH_VALUE)
    limit = _seconds(flags, "-T", "--timeout")
    for url in urls:
        trusting = "--no-check-certificate" in flags
        try:
            answer = await fetch(call, Request(url, limit, limit, trusting))
        except FetchError as error:
            if "-q" not in flags:
                await call.stderr.write(f"wget: {error}\n")
            return WGET_TLS if "SSL" in str(error) else WGET_NETWORK
        if "-S" in flags:
            lines = answer.head.rstrip().splitlines()
            await call.stderr.write("".join(f"  {line}\n" for line in lines))
        if answer.status >= BAD:
            return WGET_SERVER
        output = flags.get("-O", "index.html")
        if output == "-":
            await call.out(answer.body)
        else:
            call.machine.files.write(call.path(output), answer.body, root=call.root)
    return 0


TOOLS: dict[str, Tool] = {"curl": curl, "wget": wget}
