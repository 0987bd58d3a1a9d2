"""HTTP/1.1 as bytes on a connection: for requests that no client library would send, and for
clients that stop in the middle.
"""

from __future__ import annotations

import json
import socket
import ssl
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO
from urllib.parse import urlsplit

from dyno.dynamo import Reply

__all__ = ["ConnectionEnded", "Wire", "request"]

# No reply of these tests takes a tenth of this on an idle machine.
TIMEOUT_SECONDS = 20.0


class ConnectionEnded(Exception):
    """The server hung up, and not after a whole reply."""


def request(
    path: str,
    body: object = b"",
    *,
    method: str = "POST",
    headers: tuple[str, ...] = ("content-type: application/json",),
    length: int | None = None,
) -> bytes:
    """A request as bytes; what is no bytes goes as JSON.

    Args:
        headers: whole lines, beside those that each request has.
        length: what `content-length` says, if not the truth.
    """
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: frontend", *headers]
    lines.append(f"content-length: {len(sent) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + sent


class Wire:
    """One connection to a server, which stays open until its `with` block ends.

    Args:
        receive_buffer: bytes that the kernel keeps for a client that does not read.
        tls: how to speak TLS; by default plain TCP, whatever the address says.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None and parts.port is not None, url
        plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            # Before the connection is made, or the kernel has promised more already.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(timeout)
        try:
            plain.connect((parts.hostname, parts.port))
            self._socket = plain if tls is None else tls.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
        self._reader: BinaryIO = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Sends bytes.

        Raises:
            ConnectionEnded: the server has hung up.
        """
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ConnectionEnded(str(error)) from error

    def ask(self, data: bytes) -> Reply:
        """Sends a request and reads its reply, which may come, as the end of the connection may,
        before all of the request is taken."""
        with suppress(ConnectionEnded):
            self.send(data)
        return self.receive()

    def receive(self) -> Reply:
        """Reads one whole reply.

        Raises:
            ConnectionEnded: the server hung up before its end.
            TimeoutError: it does not come.
        """
        words = self._line().split(" ", 2)
        assert words[0] in ("HTTP/1.1", "HTTP/1.0"), words
        headers = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Reply(int(words[1]), headers, self._body(headers))

    def has_ended(self) -> bool:
        """Whether the server hangs up, without a further byte, before the timeout."""
        try:
            return self._reader.read(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def hang_up(self) -> None:
        """Closes the connection."""
        self._reader.close()
        self._socket.close()

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._exactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int(self._line(), 16):
            body += self._exactly(size)
            self._line()
        self._line()
        return body

    def _exactly(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) != size:
            raise ConnectionEnded(f"{len(data)} of {size} bytes came")
        return data

    def _line(self) -> str:
        try:
            line = self._reader.readline()
        except ConnectionResetError as error:
            raise ConnectionEnded(str(error)) from error
        if not line.endswith(b"\r\n"):
            raise ConnectionEnded(f"the last that came was {line!r}")
        return line[:-2].decode("latin-1")

    def __enter__(self) -> Wire:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.hang_up()
