"""HTTP that no well-meaning client speaks: the frontend refuses it and goes on serving."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from dyno.dynamo import chat, error_of, tokens_of

from tests.frontend.wire import ConnectionEnded, Wire, request
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.mocker,
]

CHAT = "/v1/chat/completions"
SOUND = chat("tiny", "go", max_tokens=2)
BODY = json.dumps(SOUND).encode()
JSON = "content-type: application/json"

CHUNKED = (
    f"POST {CHAT} HTTP/1.1\r\nhost: a\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
)
WHOLE_CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)
LAST_CHUNK = b"0\r\n\r\n"

GET_LIVE = request("/live", method="GET")


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module()


@pytest.fixture
def serving(served: Deployment) -> Iterator[Deployment]:
    """The deployment, which is to serve afterwards."""
    yield served
    reply = served.client.post(CHAT, SOUND)
    assert reply.status == 200, reply.text
    assert tokens_of(reply.json()) == 2


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\x01\x02\r\n\r\n", 400),
        # A client that takes the port for one of TLS.
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500, 400),
        (head("GET /live HTTP/9.9", "host: a"), 400),
        (head("GET /live", "host: a"), 400),
        (head("GET /li ve HTTP/1.1", "host: a"), 400),
        (head("GET /live HTTP/1.1", "host a"), 400),
        (head("GET /live HTTP/1.1", "host : a"), 400),
        (head("GET /live HTTP/1.1", "host: a\x00b"), 400),
        (head(f"POST {CHAT} HTTP/1.1", "host: a", "content-length: -1"), 400),
        (head(f"POST {CHAT} HTTP/1.1", "host: a", f"content-length: {10**30}"), 400),
        (head(f"POST {CHAT} HTTP/1.1", "content-length: 1", "content-length: 2"), 400),
        (head(f"POST {CHAT} HTTP/1.1", "host: a", JSON, "transfer-encoding: gzip"), 400),
        (request("/v1/models/" + "m" * 70_000, method="GET"), 414),
        (request(CHAT, SOUND, headers=(JSON, "x: " + "a" * 1_000_000)), 431),
        (request(CHAT, SOUND, headers=(JSON, *(f"x{n}: a" for n in range(200)))), 431),
        (request("/v1/models/" + "m" * 1_000_000, method="GET"), 431),
    ],
    ids=lambda value: repr(value[:50])[:60] if isinstance(value, bytes) else str(value),
)
def test_what_is_no_request_ends_the_connection(
    serving: Deployment, sent: bytes, status: int
) -> None:
    with Wire(serving.url) as wire:
        assert wire.ask(sent).status == status
        assert wire.has_ended()


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n" + BODY + b"\r\n" + LAST_CHUNK,
        b"-5\r\n" + BODY + b"\r\n" + LAST_CHUNK,
        b"f" * 17 + b"\r\n" + BODY + b"\r\n" + LAST_CHUNK,
        b"%x\r\n%sXX" % (len(BODY), BODY) + LAST_CHUNK,
        b"%x;%s\r\n%s\r\n" % (len(BODY), b"a" * 100_000, BODY) + LAST_CHUNK,
        WHOLE_CHUNK + b"\r\n\r\n",
    ],
    ids=["no-number", "negative", "overflow", "no-line-end", "long-extension", "no-size"],
)
def test_broken_chunks_are_refused(serving: Deployment, chunks: bytes) -> None:
    with Wire(serving.url) as wire:
        assert wire.ask(CHUNKED + chunks).status == 400
        assert wire.has_ended()


def test_chunks_of_any_size_are_taken(serving: Deployment) -> None:
    bytewise = b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in BODY)
    with Wire(serving.url) as wire:
        for chunks in (WHOLE_CHUNK, bytewise):
            reply = wire.ask(CHUNKED + chunks + LAST_CHUNK)
            assert reply.status == 200, reply.text


def test_request_within_a_request_is_not_answered(serving: Deployment) -> None:
    """Of two lengths the chunks count (RFC 9112, 6.3), so a proxy that goes by them, too, sees the
    same requests."""
    hidden = request("/metrics", method="GET")
    both = CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 4\r\n\r\n")
    chunk = b"%x\r\n%s\r\n" % (len(hidden), hidden)
    with Wire(serving.url) as wire:
        wire.send(both + chunk + LAST_CHUNK)
        assert wire.receive().status == 400
        # The connection is at its end, or at the next request and no other.
        with suppress(ConnectionEnded):
            assert wire.ask(GET_LIVE).json()["status"] == "live"


def test_pipelined_requests_are_answered_in_order(serving: Deployment) -> None:
    with Wire(serving.url) as wire:
        wire.send(request(CHAT, SOUND) + GET_LIVE + request(CHAT, b"{") + request(CHAT, SOUND))
        replies = [wire.receive() for _ in range(4)]

    assert [reply.status for reply in replies] == [200, 200, 400, 200]
    assert [tokens_of(replies[n].json()) for n in (0, 3)] == [2, 2]
    assert replies[1].json()["status"] == "live"


def test_request_that_comes_byte_by_byte_is_answered(serving: Deployment) -> None:
    with Wire(serving.url) as wire:
        for byte in request(CHAT, SOUND):
            wire.send(bytes([byte]))
        assert wire.receive().status == 200


def test_client_that_waits_to_be_asked_for_its_body_is(serving: Deployment) -> None:
    sent = request(CHAT, SOUND, headers=(JSON, "expect: 100-continue"))
    with Wire(serving.url) as wire:
        wire.send(sent[: -len(BODY)])
        assert wire.receive().status == 100
        assert wire.ask(BODY).status == 200


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_client_that_leaves_within_its_request_counts_nowhere(
    serving: Deployment, share: float
) -> None:
    sent = request(CHAT, SOUND)
    before = serving.workers[0].served()
    for _ in range(10):
        with Wire(serving.url) as wire:
            wire.send(sent[: int(share * len(sent))])
    # On another connection, when all of theirs are closed.
    assert serving.client.post(CHAT, SOUND).status == 200

    assert serving.workers[0].served() == before + 1


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FROB"])
def test_method_that_a_path_does_not_have(serving: Deployment, method: str) -> None:
    with Wire(serving.url) as wire:
        reply = wire.ask(request(CHAT, SOUND, method=method))
        assert (reply.status, reply.headers["allow"]) == (405, "POST")
        # The connection is sound.
        assert wire.ask(GET_LIVE).status == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/nothing", "/v1/chat/completions/", "/../../etc/passwd", "/%2e%2e/", "/v1//"],
)
def test_path_that_is_not_there(serving: Deployment, path: str) -> None:
    with Wire(serving.url) as wire:
        for method in ("GET", "POST"):
            assert wire.ask(request(path, SOUND, method=method)).status == 404


def test_path_that_is_no_utf_8(serving: Deployment) -> None:
    with Wire(serving.url) as wire:
        assert wire.ask(request("/v1/models/%ff%00", method="GET")).status == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 415),
        (("content-type: text/plain",), 415),
        (("content-type: application/x-www-form-urlencoded",), 415),
        (("content-type: /",), 415),
        (("content-type: application/json; charset=utf-8",), 200),
        (("content-type: APPLICATION/JSON",), 200),
        (("content-type: application/vnd.api+json",), 200),
    ],
)
def test_type_of_the_content_is_looked_at(
    serving: Deployment, headers: tuple[str, ...], status: int
) -> None:
    with Wire(serving.url) as wire:
        reply = wire.ask(request(CHAT, SOUND, headers=headers))

    assert reply.status == status
    if status != 200:
        assert error_of(reply).message == "Expected request with Content-Type application/json"


def test_content_that_is_compressed_is_not_guessed_at(serving: Deployment) -> None:
    packed = request(CHAT, gzip.compress(BODY), headers=(JSON, "content-encoding: gzip"))
    with Wire(serving.url) as wire:
        assert error_of(wire.ask(packed)).status == 400
