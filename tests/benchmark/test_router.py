"""What a routing mode costs and, for the one that looks at caches, what it gains."""

from __future__ import annotations

import pytest
from dyno.dynamo import FrontendSpec, MockerSpec, RouterMode, completion, streamed

from tests.benchmark.conftest import Keep
from tests.benchmark.history import Better, Figure
from tests.benchmark.measuring import assert_valid, streaming, throughput
from tests.utils.deploying import Deploy
from tests.utils.load import Ask, put_load

pytestmark = [
    pytest.mark.weekly,
    pytest.mark.benchmark,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.router,
    pytest.mark.mocker,
    pytest.mark.resources(exclusive=True),
]

TEXT = "/v1/completions"

CLIENTS = 16
REQUESTS = 600
TOKENS = 8

# Each conversation has a prompt of its own; its requests differ in the last block alone.
CONVERSATIONS = 40
PREFIX_BLOCKS = 12

CACHED = "dynamo_frontend_cached_tokens"
INPUT = "dynamo_frontend_input_sequence_tokens"

# As fast as a request needs, so that what the router costs is seen beside what it saves.
WORKER = MockerSpec(speedup=10.0)

MODES = [
    pytest.param(RouterMode.ROUND_ROBIN, id="round-robin"),
    pytest.param(RouterMode.LEAST_LOADED, id="least-loaded"),
    pytest.param(RouterMode.KV, id="kv", marks=pytest.mark.kv_router),
]


def turn_of(number: int, block_size: int) -> list[int]:
    """The prompt of a request, as token ids."""
    conversation = number % CONVERSATIONS
    return [conversation + 1] * (PREFIX_BLOCKS * block_size) + [number % 500] * block_size


@pytest.mark.parametrize("mode", MODES)
def test_conversations(deploy: Deploy, keep: Keep, mode: RouterMode) -> None:
    deployment = deploy(*[WORKER] * 3, frontend=FrontendSpec(router=mode))

    def ask(number: int) -> Ask:
        prompt = turn_of(number, WORKER.block_size)
        return Ask(TEXT, streamed(completion("tiny", prompt, max_tokens=TOKENS)))

    # Every conversation's first request finds no cache anywhere; it is no part of the measure.
    put_load(deployment.url, ask, clients=CLIENTS, until=lambda sent, _: sent >= 2 * CONVERSATIONS)
    before = deployment.metrics()
    load = put_load(deployment.url, ask, clients=CLIENTS, until=lambda sent, _: sent >= REQUESTS)

    assert_valid(load, TOKENS)
    after = deployment.metrics()
    figures = throughput(load) | streaming(load)
    if mode is RouterMode.KV:
        cached = after.total(f"{CACHED}_sum") - before.total(f"{CACHED}_sum")
        prompts = after.total(f"{INPUT}_sum") - before.total(f"{INPUT}_sum")
        figures["cached_share"] = Figure(cached / prompts, Better.HIGHER)
    keep(figures)
