"""HTTP as bytes: for endpoints outside the OpenAI API, and for requests that a client refuses to
send.

No proxy is ever asked, whatever the environment says: every server of the suite is on loopback.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tests.utils.prometheus import Exposition, parse

__all__ = ["Reply", "get", "post", "scrape"]

# No request of the suite takes a tenth of this on an idle machine.
TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Reply:
    """A whole response."""

    status: int
    content_type: str
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def get(url: str) -> Reply:
    """Sends a GET."""
    return _send("GET", url, None, {})


def post(url: str, body: object, *, content_type: str = "application/json") -> Reply:
    """Sends a POST: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _send("POST", url, data, {"content-type": content_type})


def scrape(url: str) -> Exposition:
    """Fetches and parses a `/metrics` page."""
    reply = get(url)
    assert reply.status == 200, f"{url} answered {reply.status}: {reply.text}"
    assert reply.content_type.startswith("text/plain"), reply.content_type
    return parse(reply.text)


def _send(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Reply:
    parts = urlsplit(url)
    assert parts.hostname is not None, f"no host in {url}"
    connection = HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, parts.path, body, headers)
        response = connection.getresponse()
        content_type = response.getheader("content-type", "")
        return Reply(response.status, content_type, response.read())
    finally:
        connection.close()
