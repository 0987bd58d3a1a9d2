"""Bodies that no well-meaning client sends: each is refused with an error that can be read, and
costs the frontend no more than its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from dyno.dynamo import Client, FrontendSpec, chat, completion, error_of

from tests.frontend.wire import Wire, request
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
TEXT = "/v1/completions"
MIB = 1 << 20

# What a frontend may grow by over all the tests of this file that refuse without a large body.
GROWTH = 64 * MIB


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module()


@pytest.fixture
def serving(served: Deployment) -> Iterator[Deployment]:
    """The deployment, which is to serve afterwards, with the same worker, and not to have grown."""
    before = served.frontend.process.usage().memory
    yield served
    reply = served.client.post(CHAT, chat("tiny", "go", max_tokens=2))
    assert reply.status == 200, reply.text
    grown = served.frontend.process.usage().memory - before
    assert grown < GROWTH, f"{grown / MIB:.0f} MiB more"


def body(content: bytes = b'"go"', **fields: bytes) -> bytes:
    """The body of a chat, from pieces of JSON."""
    told = {"model": b'"tiny"', "max_tokens": b"2", **fields}
    told["messages"] = b'[{"role":"user","content":' + content + b"}]"
    pairs = (b'"' + name.encode() + b'":' + value for name, value in told.items())
    return b"{" + b",".join(pairs) + b"}"


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def test_requests_are_sound_but_for_what_a_test_changes(served: Deployment) -> None:
    assert served.client.post(CHAT, body()).status == 200
    # What is not absurdly deep is taken: a schema may well be so.
    tools = b'[{"type":"function","function":{"name":"a","parameters":%s}}]' % nested(60)
    assert served.client.post(CHAT, body(tools=tools)).status == 200


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"[" * 100_000, "expected struct"),
        (b"[" * 100_000 + b"]" * 100_000, "expected struct"),
        (body(nested(100_000)), "recursion limit exceeded"),
        (body(metadata=nested(100_000)), "recursion limit exceeded"),
        (body(b"[" * 1_000_000), "recursion limit exceeded"),
        (body() + b"}", "trailing characters"),
        (body() + body(), "trailing characters"),
        (body()[:-1], "EOF while parsing"),
        (b"\xef\xbb\xbf" + body(), "expected value"),
        (body().decode().encode("utf-16"), "expected value"),
        (body().replace(b'"', b"'"), "key must be a string"),
        (body(b'"\\ud800"'), "hex escape"),
        (body(b'"\\x41"'), "invalid escape"),
        (body(model=b'"tiny","model":"other"'), "duplicate field `model`"),
        (body(temperature=b"NaN"), "expected value"),
        (body(temperature=b"1e400"), "number out of range"),
        (body(temperature=b"1e308"), "Temperature must be between 0 and 2"),
        (body(max_tokens=b"1e400"), "number out of range"),
        (body(max_tokens=b"9" * 10_000), "number out of range"),
        (body(max_tokens=b"-99999999999999999999"), "expected u32"),
        (body(max_tokens=b"0x10"), "expected"),
        (body(n=b"1000000"), "expected u8"),
        (body(top_logprobs=b"-1", logprobs=b"true"), "expected u8"),
        (body(messages_=b"1"), "Unsupported parameter.*messages_"),
        (body(**{"a" * 100_000: b"1"}), "Unsupported parameter"),
    ],
    ids=lambda value: repr(value[:40] if isinstance(value, bytes) else value)[:50],
)
def test_body_is_refused_with_the_reason(serving: Deployment, sent: bytes, message: str) -> None:
    error = error_of(serving.client.post(CHAT, sent))

    assert error.status == 400
    assert re.search(message, error.message), error.message[:300]


@pytest.mark.parametrize("length", [1_000, 1_000_000])
def test_name_of_a_model_may_be_of_any_length(serving: Deployment, length: int) -> None:
    error = error_of(serving.client.post(TEXT, completion("m" * length, "go")))

    assert (error.status, error.message) == (404, "Model not found")


def test_names_of_unknown_models_make_no_metrics(serving: Deployment) -> None:
    for number in range(20):
        serving.client.post(CHAT, chat(f"absent-{number}", "go"))

    page = serving.client.get("/metrics").text
    assert "absent-" not in page
    assert serving.metrics().total("dynamo_frontend_requests_total", error_type="not_found") >= 20


def test_many_small_parts_cost_no_more_than_their_size(serving: Deployment) -> None:
    messages = b'{"role":"user","content":[' + b"{}," * 1_000_000 + b"{}]}"
    sent = b'{"model":"tiny","max_tokens":2,"messages":[%s]}' % messages
    error = error_of(serving.client.post(CHAT, sent))

    assert error.status == 400


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 takes more than JSON: docs/findings.md, F55",
)
@pytest.mark.parametrize("text", [b"\xff\xfe", b"a\nb", b"a\x00b"], ids=["utf-8", "line", "nul"])
def test_text_that_is_no_json_is_refused(served: Deployment, text: bytes) -> None:
    reply = served.client.post(CHAT, body(b'"%s"' % text))

    assert reply.status == 400, reply.text


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 takes 200 bytes for each of a prompt: docs/findings.md, F56",
)
def test_prompt_far_too_long_costs_memory_in_proportion(deploy: Deploy) -> None:
    deployment = deploy()
    prompt = "a" * MIB
    before = deployment.frontend.process.usage().memory
    # It takes a processor 1 s.
    patient = Client(deployment.url, timeout=90.0)
    reply = patient.post(TEXT, completion("tiny", prompt))
    if reply.status != 400:
        pytest.fail(f"status {reply.status}")

    grown = deployment.frontend.process.usage().peak_memory - before
    assert grown < 50 * len(prompt), f"{grown / MIB:.0f} MiB for {len(prompt) / MIB:.0f}"


LIMIT = 1 * MIB


@pytest.fixture(scope="module")
def limited(deploy_module: Deploy) -> Deployment:
    """Takes bodies of one MiB."""
    return deploy_module(frontend=FrontendSpec(variables={"DYN_HTTP_BODY_LIMIT_MB": "1"}))


def padded(size: int) -> bytes:
    """A sound request of so many bytes."""
    sound = body()
    return sound + b" " * (size - len(sound))


def test_body_of_just_the_limit_is_taken(limited: Deployment) -> None:
    assert limited.client.post(CHAT, padded(LIMIT)).status == 200


@pytest.mark.parametrize("size", [LIMIT + 1, 20 * LIMIT])
def test_body_over_the_limit_is_refused(limited: Deployment, size: int) -> None:
    before = limited.frontend.process.usage().memory
    with Wire(limited.url) as wire:
        assert wire.ask(request(CHAT, padded(size))).status == 413

    assert limited.frontend.process.usage().memory - before < size / 2 + 8 * MIB
    assert limited.client.post(CHAT, body()).status == 200


def test_body_without_end_is_refused_at_the_limit(limited: Deployment) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    head += "transfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with Wire(limited.url) as wire:
        # No last chunk ever comes.
        assert wire.ask(head.encode() + chunk * (LIMIT // 0x10000 + 2)).status == 413

    assert limited.client.post(CHAT, body()).status == 200


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 says it in plain text: docs/findings.md, F57",
)
def test_refusal_of_a_large_body_is_an_error_of_the_api(limited: Deployment) -> None:
    with Wire(limited.url) as wire:
        reply = wire.ask(request(CHAT, padded(LIMIT + 1)))
    if reply.status != 413:
        pytest.fail(f"status {reply.status}")

    assert error_of(reply).status == 413
