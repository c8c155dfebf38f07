"""`curl` and `wget` against the ports of the node itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.lab.shell.process import Call

COULD_NOT_RESOLVE, REFUSED, HTTP_ERROR, WRITE_ERROR = 6, 7, 22, 23
WGET_NETWORK, WGET_SERVER = 4, 8
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
REASONS = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}
BAD = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server on the node answers."""

    status: int
    content_type: str
    body: str

    def head(self) -> str:
        """Status line and headers."""
        now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return (
            f"HTTP/1.1 {self.status} {REASONS[self.status]}\r\n"
            f"Content-Type: {self.content_type}\r\n"
            f"X-Content-Type-Options: nosniff\r\nDate: {now}\r\n"
            f"Content-Length: {len(self.body.encode())}\r\n\r\n"
        )


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


def _ask(url: str, ask: Callable[[int, str], Answer | None]) -> Answer | None:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    return ask(parts.port or 80, parts.path or "/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


async def curl(call: Call, ask: Callable[[int, str], Answer | None]) -> int:
    """`curl`: -s -S -f -i -m -o -w."""
    flags, urls = _parse(call.args, CURL_WITH_VALUE)
    quiet = bool({"-s", "--silent"} & set(flags)) and not {"-S", "--show-error"} & set(flags)
    output = flags.get("-o", flags.get("--output"))
    template = flags.get("-w", flags.get("--write-out", ""))
    status = 0
    for url in urls:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        answer = _ask(url, ask) if _is_loopback(url) else None
        if answer is None:
            status = REFUSED
            why = f"Failed to connect to {parts.hostname} port {parts.port or 80} after 0 ms"
            if not quiet:
                await call.stderr.write(f"curl: (7) {why}: Couldn't connect to server\n")
        elif answer.status >= BAD and {"-f", "--fail"} & set(flags):
            status = HTTP_ERROR
            if not quiet:
                message = f"The requested URL returned error: {answer.status}"
                await call.stderr.write(f"curl: (22) {message}\n")
        else:
            text = (answer.head() if {"-i", "--include"} & set(flags) else "") + answer.body
            if output is None or output == "-":
                await call.out(text)
            else:
                call.machine.files.write(call.path(output), text, root=call.root)
        code = f"{answer.status if answer else 0:03d}"
        shown = template.replace("%{http_code}", code).replace("%{response_code}", code)
        await call.out(shown.replace("\\n", "\n"))
    return status


async def wget(call: Call, ask: Callable[[int, str], Answer | None]) -> int:
    """`wget`: -q -O -T."""
    flags, urls = _parse(call.args, WGET_WITH_VALUE)
    for url in urls:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        answer = _ask(url, ask) if _is_loopback(url) else None
        if answer is None:
            if "-q" not in flags:
                await call.stderr.write(
                    f"Connecting to {parts.netloc}... failed: Connection refused.\n"
                )
            return WGET_NETWORK
        if answer.status >= BAD:
            return WGET_SERVER
        output = flags.get("-O", "index.html")
        if output == "-":
            await call.out(answer.body)
        else:
            call.machine.files.write(call.path(output), answer.body, root=call.root)
    return 0
