"""How fast the frontend is, with an engine that answers at once."""

from __future__ import annotations

import pytest
from dyno.dynamo import FrontendSpec, MockerSpec, RouterMode, chat, completion, nvext, streamed

from tests.benchmark.conftest import Keep
from tests.benchmark.measuring import assert_valid, first_tokens, gaps, latency, throughput
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.load import Ask, Load, put_load

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.benchmark,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.frontend,
    pytest.mark.mocker,
    pytest.mark.resources(exclusive=True),
]

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"

CLIENTS = 16
WARM_UP = 100
REQUESTS = 400

# Each of their tokens has text, so that each is an event of a stream.
REPLIES = {"short": "the fox", "long": "the quick brown fox " * 4}


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(
        MockerSpec(speedup=0.0, max_model_len=8192),
        frontend=FrontendSpec(router=RouterMode.ROUND_ROBIN),
        replies=REPLIES,
    )


def measure(served: Deployment, ask: Ask, reply: str) -> Load:
    """The load of one request sent again and again, when the servers are warm."""
    put_load(served.url, lambda _: ask, clients=CLIENTS, until=lambda sent, _: sent >= WARM_UP)
    load = put_load(
        served.url, lambda _: ask, clients=CLIENTS, until=lambda sent, _: sent >= REQUESTS
    )
    assert_valid(load, len(served.model.encode(REPLIES[reply])))
    return load


def test_whole_replies(served: Deployment, keep: Keep) -> None:
    body = chat(served.model.name, "hello, fox", **nvext(reply="short"))
    load = measure(served, Ask(CHAT, body), "short")

    keep(throughput(load) | latency(load))


def test_streamed_replies(served: Deployment, keep: Keep) -> None:
    body = streamed(chat(served.model.name, "hello, fox", **nvext(reply="long")))
    load = measure(served, Ask(CHAT, body), "long")

    keep(throughput(load) | first_tokens(load) | gaps(load))


def test_long_prompts(served: Deployment, keep: Keep) -> None:
    prompt = "the quick brown fox jumps over the lazy dog " * 200
    body = completion(served.model.name, prompt, **nvext(reply="short"))
    load = measure(served, Ask(TEXT, body), "short")

    keep(throughput(load) | latency(load))
