"""Ages as `kubectl get` shows them."""

from __future__ import annotations

from datetime import UTC, datetime

from nftwave.lab.machinery.objects import parse_time

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY


def age(moment: str | None) -> str:
    """How long ago a metav1.Time was: `5m3s`, `2d`; `<unknown>` without one."""
    if not moment:
        return "<unknown>"
    return human_duration(int((datetime.now(UTC) - parse_time(moment)).total_seconds()))


# How much of the smaller unit is still worth a word, by Kubernetes 1.36 source
# (apimachinery/pkg/util/duration): (below so many seconds, unit, smaller unit or 0).
_STEPS = (
    (2 * _MINUTE, 1, 0),
    (10 * _MINUTE, _MINUTE, 1),
    (3 * _HOUR, _MINUTE, 0),
    (8 * _HOUR, _HOUR, _MINUTE),
    (2 * _DAY, _HOUR, 0),
    (8 * _DAY, _DAY, _HOUR),
    (2 * _YEAR, _DAY, 0),
    (8 * _YEAR, _YEAR, _DAY),
)
_LETTERS = {1: "s", _MINUTE: "m", _HOUR: "h", _DAY: "d", _YEAR: "y"}


def human_duration(seconds: int) -> str:
    """A length of time in at most two units: `119s`, `9m59s`, `47h`, `7d23h`."""
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    unit, smaller = next(
        ((unit, smaller) for below, unit, smaller in _STEPS if seconds < below), (_YEAR, 0)
    )
    text = f"{seconds // unit}{_LETTERS[unit]}"
    rest = seconds % unit // smaller if smaller else 0
    return text + (f"{rest}{_LETTERS[smaller]}" if rest else "")
