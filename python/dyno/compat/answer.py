"""An answer over HTTP with the shape of `requests.Response`, without requests.

It is asked for by this process, as requests did, and not by the agent, which gives up after five
seconds and follows no redirect.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, cast

__all__ = ["Answer", "Headers", "Unanswered", "check_url", "fetch", "is_unanswered"]

# No model list or metrics page is longer; a stream without end is not read further.
_LONGEST_BODY = 64 << 20

# The least that a request is given, in seconds, so that the last one can still be answered.
_LEAST = 0.05


class Unanswered(OSError):
    """Nothing answered, or not in time, or with a status that the caller takes for a failure."""


class Headers(Mapping[str, str]):
    """Headers, whatever the case of their names."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs: dict[str, tuple[str, str]] = {}
        for name, value in pairs:
            before = self._pairs.get(name.lower())
            joined = f"{before[1]}, {value}" if before else value
            self._pairs[name.lower()] = (name, joined)

    def __getitem__(self, name: str) -> str:
        return self._pairs[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._pairs.values())

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        return repr(dict(self))


class Answer:
    """What a health check's function is given."""

    def __init__(
        self, url: str, status: int, reason: str, pairs: list[tuple[str, str]], content: bytes
    ) -> None:
        #: The URL that answered, after redirects.
        self.url = url
        self.status_code = status
        self.reason = reason
        self.headers = Headers(pairs)
        #: The body's bytes.
        self.content = content
        self.encoding = _charset(self.headers.get("Content-Type", ""))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.status_code}]>"

    def __bool__(self) -> bool:
        return self.ok

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def text(self) -> str:
        """The body as text."""
        try:
            return self.content.decode(self.encoding, errors="replace")
        except LookupError:
            return self.content.decode(errors="replace")

    def json(self, **options: Any) -> Any:
        """The body, read as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.content, **options)

    def raise_for_status(self) -> None:
        """Raise for a status of 400 or more, what requests raises where it is in use."""
        if not self.ok:
            message = f"{self.status_code} {self.reason} for {self.url}"
            kind = getattr(sys.modules.get("requests"), "HTTPError", Unanswered)
            raise cast("type[OSError]", kind)(message)


def check_url(url: str) -> None:
    """Refuse what can never be asked for."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"a health check needs an http:// or https:// URL, not {url!r}")


def fetch(url: str, timeout: float) -> Answer:
    """GET a URL, through redirects, whatever the status.

    Raises:
        Unanswered: there was no answer within ``timeout`` seconds.
    """
    # Here, because every worker of dyno's loads this module, and few need it.
    import http.client
    import urllib.error
    import urllib.request

    timeout = max(timeout, _LEAST)
    deadline = time.monotonic() + timeout
    request = urllib.request.Request(url, headers={"Accept": "*/*", "User-Agent": "dyno"})
    try:
        try:
            came = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            if error.fp is None:
                raise
            came = error
        with came:
            content = _body(came, deadline)
            pairs = list(came.headers.items())
            return Answer(came.url, came.status, came.reason or "", pairs, content)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise Unanswered(str(why)) from None


def is_unanswered(error: Exception) -> bool:
    """Whether it says that a request failed, from here or from requests."""
    kind = getattr(sys.modules.get("requests"), "RequestException", None)
    return isinstance(error, Unanswered) or (kind is not None and isinstance(error, kind))


def _body(came: Any, deadline: float) -> bytes:
    pieces: list[bytes] = []
    length = 0
    while piece := came.read1(1 << 16):
        pieces.append(piece)
        length += len(piece)
        if length > _LONGEST_BODY:
            raise Unanswered(f"its answer is longer than {_LONGEST_BODY >> 20} MiB")
        if time.monotonic() > deadline and came.length != 0:
            raise Unanswered("its answer did not end in time")
    return b"".join(pieces)


def _charset(kind: str) -> str:
    for part in kind.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ")
    return "utf-8"
