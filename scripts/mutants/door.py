"""A door before the frontend, where what it answers is changed.

It speaks HTTP/1.1 on both sides, one thread a connection, and passes on as it comes what it is not
to change. When a client hangs up the door hangs up at the frontend, unless the breakage is that it
does not.
"""

from __future__ import annotations

import http.client
import selectors
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from breakages import Breakage
from replies import Reply

__all__ = ["serve"]

# What a connection has to itself, and what is sent anew.
BY_THE_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}

# The longest request of the suite takes a tenth of it.
SECONDS = 120.0

# Between two looks whether a request is over.
LOOK_SECONDS = 0.05


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
            with self._hung_up_for(there):
                answer = there.getresponse()
                if answer.headers.get_content_type() == "text/event-stream":
                    self._stream(answer)
                else:
                    self._whole(answer)
        except (OSError, http.client.HTTPException):
            # One of the two is not there, or no more: the other sees what it would see without the
            # door.
            self.close_connection = True
        finally:
            there.close()

    @contextmanager
    def _hung_up_for(self, there: http.client.HTTPConnection) -> Iterator[None]:
        """In the block a client that hangs up is heard, and the frontend is told."""
        is_over = threading.Event()
        # The connection forgets it where the frontend will close.
        inside = there.sock

        def listen() -> None:
            with selectors.DefaultSelector() as selector:
                selector.register(self.connection, selectors.EVENT_READ)
                while not is_over.is_set():
                    if not selector.select(LOOK_SECONDS):
                        continue
                    with suppress(OSError):
                        if self.connection.recv(1, socket.MSG_PEEK):
                            return
                    # It may have been hung up there too.
                    with suppress(OSError):
                        inside.shutdown(socket.SHUT_RDWR)
                    return

        if self.change.deaf:
            yield
            return
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield
        finally:
            is_over.set()
            listener.join()

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
                    if not self.change.deaf:
                        raise
                    heard = False
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
