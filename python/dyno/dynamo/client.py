"""A small HTTP client: for endpoints outside the OpenAI API, for requests that the official client
refuses to send, and for streams as they are on the wire.

It never retries, keeps no connection, and asks no proxy, whatever the environment says: every
server of a deployment is on loopback.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from dyno.dynamo.events import SseEvent, sse_event
from dyno.dynamo.prometheus import Exposition, parse

__all__ = ["Client", "EventStream", "Refused", "Reply", "StreamCut"]

# No request of the suite takes a tenth of this on an idle machine.
TIMEOUT_SECONDS = 20.0

# From a request to the end of its stream.
STREAM_SECONDS = 30.0

READ_BYTES = 65536


@dataclass(frozen=True)
class Reply:
    """A whole response. The names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The header, or nothing."""
        return self.headers.get("content-type", "")

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Refused(Exception):
    """A request that was to be answered otherwise; `reply` is what came."""

    def __init__(self, what: str, reply: Reply) -> None:
        super().__init__(f"{what}: {reply.status}, {reply.body[:500]!r}")
        self.reply = reply


class StreamCut(Exception):
    """The connection ended in mid-stream."""


class Client:
    """Sends requests to one server.

    Args:
        url: where it is; paths are appended.
        timeout: seconds for a connection, and for each piece of a reply.
        trust: a certificate (PEM) to trust besides those of the system, for `https`.
    """

    def __init__(
        self, url: str, *, timeout: float = TIMEOUT_SECONDS, trust: Path | None = None
    ) -> None:
        self.url = url
        self._timeout = timeout
        self._trust = trust

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        """Sends a GET."""
        return self._whole("GET", path, None, dict(headers or {}))

    def post(
        self,
        path: str,
        body: object,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Sends a POST: bytes as they are, anything else as JSON."""
        return self._whole(
            "POST", path, _encoded(body), {"content-type": content_type, **(headers or {})}
        )

    def stream(
        self,
        path: str,
        body: object,
        *,
        within: float = STREAM_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> EventStream:
        """Sends a POST, as JSON, that is answered with a stream; returns when its head is there.

        Args:
            within: seconds from now to the end of the stream.

        Raises:
            Refused: it is answered with another status than 200, or with no event stream.
        """
        deadline = time.monotonic() + within
        connection = self._connect(within)
        sent = {"content-type": "application/json", **(headers or {})}
        try:
            response = self._send(connection, "POST", path, _encoded(body), sent)
            kind = response.getheader("content-type", "")
            if response.status != 200 or not kind.startswith("text/event-stream"):
                raise Refused(f"POST {path} streams nothing", _reply(response))
        except BaseException:
            connection.close()
            raise
        return EventStream(connection, response, deadline)

    def scrape(self, path: str = "/metrics") -> Exposition:
        """Fetches and parses what the server tells Prometheus.

        Raises:
            Refused: that is no page of metrics.
            InvalidExposition: a scraper would not take it.
        """
        reply = self.get(path)
        if reply.status != 200 or not reply.content_type.startswith("text/plain"):
            raise Refused(f"{self.url}{path} is no page of metrics", reply)
        return parse(reply.text)

    def _whole(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        connection = self._connect(self._timeout)
        try:
            return _reply(self._send(connection, method, path, body, headers))
        finally:
            connection.close()

    def _connect(self, timeout: float) -> HTTPConnection:
        parts = urlsplit(self.url)
        if parts.hostname is None:
            raise ValueError(f"no host in {self.url}")
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._trust)
            return HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
        return HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    def _send(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
    ) -> HTTPResponse:
        connection.request(method, urlsplit(self.url).path + path, body, headers)
        return connection.getresponse()


class EventStream:
    """The events of a stream, in the order in which they come.

    Leaving its `with` block, or `close`, hangs up, in mid-stream too: the server sees a client that
    goes away.
    """

    def __init__(self, connection: HTTPConnection, response: HTTPResponse, deadline: float) -> None:
        self._connection = connection
        self._response = response
        self._deadline = deadline
        self._received = b""
        #: The response's headers, their names in lower case.
        self.headers: Mapping[str, str] = _headers(response)

    def __iter__(self) -> Iterator[SseEvent]:
        return self

    def __next__(self) -> SseEvent:
        """The next event.

        Raises:
            TimeoutError: it has not come before the deadline.
            StreamCut: the connection ended, and not between two events.
            ValueError: it is no event.
        """
        while (end := self._received.find(b"\n\n")) < 0:
            more = self._receive()
            self._received += more
            if not more:
                self.close()
                if self._received:
                    raise StreamCut(f"the stream ends within an event: {self._received!r}")
                raise StopIteration
        block, self._received = self._received[:end], self._received[end + 2 :]
        return sse_event(block.decode())

    def _receive(self) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the stream goes on after its deadline")
        # A response that closes the connection has taken the socket over.
        if isinstance(self._connection.sock, socket.socket):
            self._connection.sock.settimeout(left)
        try:
            # Not `readline`: to that a connection that breaks between two chunks is a sound end.
            return self._response.read1(READ_BYTES)
        except TimeoutError:
            raise TimeoutError("the stream has no further event before its deadline") from None
        except (HTTPException, OSError) as error:
            raise StreamCut(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Hangs up."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> EventStream:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _encoded(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def _reply(response: HTTPResponse) -> Reply:
    return Reply(response.status, _headers(response), response.read())


def _headers(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
