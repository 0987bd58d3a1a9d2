"""A door before the frontend, where what it answers is changed.

It speaks HTTP/1.1 on both sides, one thread a connection, and passes on as it comes what it is not
to change. A client that hangs up during a stream is hung up for at the frontend, unless the
breakage is that it is not.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from breakages import Breakage
from replies import Reply

__all__ = ["serve"]

# What a connection has to itself, and what is sent anew.
BY_THE_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}

# The longest request of the suite takes a tenth of it.
SECONDS = 120.0


def serve(breakage: Breakage, outside: tuple[str, int], inside: tuple[str, int]) -> None:
    """Serves at one address what is answered at another, changed; does not return."""

    class Door(_Door):
        change = breakage
        frontend = inside

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    Server(outside, Door).serve_forever()


class _Door(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    change: Breakage
    frontend: tuple[str, int]

    def do_GET(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the frontend logs each request."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        there = http.client.HTTPConnection(*self.frontend, timeout=SECONDS)
        try:
            sent = {n: v for n, v in self.headers.items() if n.lower() not in BY_THE_HOP}
            there.request(self.command, self.path, body, sent)
            answer = there.getresponse()
        except (OSError, http.client.HTTPException):
            # It is not up yet, or no more: the client sees what it would see without the door.
            self.close_connection = True
            return
        try:
            if answer.headers.get_content_type() == "text/event-stream":
                self._stream(answer)
            else:
                self._whole(answer)
        finally:
            there.close()

    def _whole(self, answer: http.client.HTTPResponse) -> None:
        reply = Reply(answer.status, answer.headers.get("content-type", ""), answer.read())
        if self.change.reply is not None:
            reply = self.change.reply(reply)
        self._head(reply.status, answer, "content-length", str(len(reply.body)))
        self.wfile.write(reply.body)

    def _stream(self, answer: http.client.HTTPResponse) -> None:
        self._head(answer.status, answer, "transfer-encoding", "chunked")
        change: Callable[[str], Sequence[str]] = lambda event: [event]  # noqa: E731
        if self.change.event is not None:
            change = self.change.event()
        heard = True
        for event in _events(answer):
            for instead in change(event):
                chunk = f"{instead}\n\n".encode()
                try:
                    if heard:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                except OSError:
                    self.close_connection = True
                    heard = False
                    if not self.change.deaf:
                        return
        if heard:
            self.wfile.write(b"0\r\n\r\n")

    def _head(self, status: int, answer: http.client.HTTPResponse, name: str, value: str) -> None:
        self.send_response_only(status)
        for header, its in answer.headers.items():
            if header.lower() not in BY_THE_HOP:
                self.send_header(header, its)
        self.send_header(name, value)
        self.end_headers()


def _events(answer: http.client.HTTPResponse) -> Iterator[str]:
    """The events of a stream as they come, each without the empty line that ends it."""
    lines: list[str] = []
    for line in iter(answer.readline, b""):
        text = line.decode().rstrip("\r\n")
        if text:
            lines.append(text)
        elif lines:
            yield "\n".join(lines)
            lines.clear()
