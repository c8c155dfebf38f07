"""What HTTP servers on a node or behind a Service answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

REASONS = {200: "OK", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

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
