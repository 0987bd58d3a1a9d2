"""What can go wrong with a Hub's answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = [
    "Cut",
    "Echo",
    "Fault",
    "Hold",
    "IgnoreRange",
    "Redirect",
    "Silence",
    "Slow",
    "Status",
    "Wrong",
    "gated",
    "rate_limit",
]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong."""


@dataclass(frozen=True)
class Status(Fault):
    """Another status than 200."""

    status: int
    code: str = ""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Echo(Fault):
    """A status whose headers and body hold the Authorization header of the request."""

    status: int = 500


@dataclass(frozen=True)
class Cut(Fault):
    """The connection ends after some bytes of the body, in order or by a reset."""

    after: int
    reset: bool = False


@dataclass(frozen=True)
class Wrong(Fault):
    """A byte of the body is another; with `more`, too many come, with `less`, too few."""

    at: int = 0
    more: bytes = b""
    less: int = 0


@dataclass(frozen=True)
class Slow(Fault):
    """The body comes in pieces of this size, with a pause before each."""

    piece: int
    pause: float


@dataclass(frozen=True)
class Silence(Fault):
    """After some bytes of the body nothing comes any more, and the connection stays open."""

    after: int = 0


@dataclass(frozen=True)
class Hold(Fault):
    """The body comes once somebody has set `until`."""

    until: threading.Event


@dataclass(frozen=True)
class IgnoreRange(Fault):
    """The whole comes, whatever part was asked for."""


@dataclass(frozen=True)
class Redirect(Fault):
    """Another address; without one, the same again."""

    to: str = ""
    status: int = 302


def gated(status: int = 403) -> Status:
    """The answer for a model that is gated."""
    return Status(status, "GatedRepo", "Access to this model is restricted.")


def rate_limit(wait: int | str = 1, header: str = "Retry-After") -> Status:
    """Too many requests."""
    value = f'"api";r=0;t={wait}' if header == "RateLimit" else str(wait)
    return Status(429, message="We had to rate limit you", headers={header: value})
