"""How fast the frontend is, with an engine that answers at once."""

from __future__ import annotations

import pytest
from dyno.dynamo import FrontendSpec, MockerSpec, RouterMode, chat, completion, streamed

from tests.benchmark.conftest import Keep
from tests.benchmark.measuring import assert_valid, latency, streaming, throughput
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
REQUESTS = 600


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(
        MockerSpec(speedup=0.0, max_model_len=8192),
        frontend=FrontendSpec(router=RouterMode.ROUND_ROBIN),
    )


def measure(served: Deployment, ask: Ask, *, requests: int = REQUESTS) -> Load:
    """The load of one request sent again and again, when the servers are warm."""
    put_load(served.url, lambda _: ask, clients=CLIENTS, until=lambda sent, _: sent >= WARM_UP)
    return put_load(
        served.url, lambda _: ask, clients=CLIENTS, until=lambda sent, _: sent >= requests
    )


def test_whole_replies(served: Deployment, keep: Keep) -> None:
    load = measure(served, Ask(CHAT, chat(served.model.name, "hello, fox", max_tokens=8)))

    assert_valid(load, 8)
    keep(throughput(load) | latency(load))


def test_streamed_replies(served: Deployment, keep: Keep) -> None:
    body = streamed(chat(served.model.name, "hello, fox", max_tokens=64))
    load = measure(served, Ask(CHAT, body))

    assert_valid(load, 64)
    keep(throughput(load) | streaming(load))


def test_long_prompts(served: Deployment, keep: Keep) -> None:
    prompt = "the quick brown fox jumps over the lazy dog " * 200
    load = measure(served, Ask(TEXT, completion(served.model.name, prompt, max_tokens=1)))

    assert_valid(load, 1)
    keep(throughput(load) | latency(load))
