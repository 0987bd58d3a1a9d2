"""The client, against a server that says what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from dyno.dynamo import Client, Refused, Reply, StreamCut

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """One that answers every request as the test says, and keeps the last one's body."""

    def __init__(self) -> None:
        self.body = b""
        self.hung_up = threading.Event()
        self.answer: Answer = lambda handler: send(handler, b"{}", "application/json")
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                server.body = self.rfile.read(length)
                server.answer(self)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.client = Client(f"http://127.0.0.1:{self.http.server_port}", timeout=10.0)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def send(
    handler: BaseHTTPRequestHandler, body: bytes, content_type: str, status: int = 200
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def start_stream(handler: BaseHTTPRequestHandler) -> Callable[[bytes], None]:
    """Sends the head of a stream; returns what sends a chunk of it, an empty one being the end."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    return lambda data: (handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data)), None)[1]


def test_reply_is_whole_and_headers_have_small_letters(server: Server) -> None:
    server.answer = lambda handler: send(handler, b'{"a": 1}', "application/json", 404)

    reply = server.client.get("/")

    assert (reply.status, reply.json(), reply.text) == (404, {"a": 1}, '{"a": 1}')
    assert reply.content_type == reply.headers["content-type"] == "application/json"
    assert Reply(204, {}, b"").content_type == ""


def test_bytes_are_sent_as_they_are_and_the_rest_as_json(server: Server) -> None:
    server.client.post("/", b"\xff{")
    assert server.body == b"\xff{"
    server.client.post("/", {"a": None})
    assert server.body == b'{"a": null}'


def test_metrics_are_parsed_and_other_pages_refused(server: Server) -> None:
    server.answer = lambda handler: send(handler, b"up 1\n", "text/plain; version=0.0.4")
    assert server.client.scrape().only("up").value == 1

    server.answer = lambda handler: send(handler, b"{}", "application/json")
    with pytest.raises(Refused, match="no page of metrics: 200"):
        server.client.scrape()


def test_events_come_as_they_are_sent(server: Server) -> None:
    go_on = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        chunk = start_stream(handler)
        chunk(b"data: 1\n\nda")
        assert go_on.wait(10)
        chunk(b"ta: 2\n\n")
        chunk(b"")

    server.answer = answer
    with server.client.stream("/", {}) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        assert next(stream).data == "1"
        go_on.set()
        assert [event.data for event in stream] == ["2"]


def test_refusal_of_a_stream_has_the_reply(server: Server) -> None:
    server.answer = lambda handler: send(handler, b'{"message": "no"}', "application/json", 400)

    with pytest.raises(Refused, match="POST / streams nothing: 400") as refused:
        server.client.stream("/", {})
    assert refused.value.reply.json() == {"message": "no"}


@pytest.mark.parametrize("sent", [b"data: 1\n\n", b"data: 1\n\ndata: 2\n"])
def test_stream_that_breaks_off_is_not_taken_for_whole(server: Server, sent: bytes) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        start_stream(handler)(sent)
        handler.close_connection = True

    server.answer = answer
    with server.client.stream("/", {}) as stream, pytest.raises(StreamCut):
        list(stream)


def test_stream_that_ends_within_an_event_is_cut(server: Server) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        chunk = start_stream(handler)
        chunk(b"data: 1\n")
        chunk(b"")

    server.answer = answer
    with server.client.stream("/", {}) as stream, pytest.raises(StreamCut, match="within an event"):
        list(stream)


def test_stream_ends_at_its_deadline(server: Server) -> None:
    over = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        start_stream(handler)(b"data: 1\n\n")
        over.wait(10)

    server.answer = answer
    with server.client.stream("/", {}, within=0.3) as stream:
        assert next(stream).data == "1"
        with pytest.raises(TimeoutError, match="no further event before its deadline"):
            next(stream)
    over.set()


def test_server_sees_a_client_that_hangs_up(server: Server) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        start_stream(handler)(b"data: 1\n\n")
        if handler.connection.recv(1) == b"":
            server.hung_up.set()
        handler.close_connection = True

    server.answer = answer
    with server.client.stream("/", {}) as stream:
        next(stream)

    assert server.hung_up.wait(10)
