"""What a routing mode costs and, for the one that looks at caches, what it gains."""

from __future__ import annotations

import pytest
from dyno.dynamo import FrontendSpec, MockerSpec, RouterMode, completion, nvext, streamed

from tests.benchmark.conftest import Keep
from tests.benchmark.history import Better, Figure
from tests.benchmark.measuring import assert_valid, first_tokens, throughput
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
REQUESTS = 400
REPLIES = {"fox": "the quick brown fox"}

# Each conversation has a prompt of its own; its requests differ in the last block alone.
CONVERSATIONS = 40
PREFIX_BLOCKS = 12

HIT_RATE = "dynamo_component_router_kv_hit_rate"

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
    deployment = deploy(*[WORKER] * 3, frontend=FrontendSpec(router=mode), replies=REPLIES)

    def ask(number: int) -> Ask:
        prompt = turn_of(number, WORKER.block_size)
        return Ask(TEXT, streamed(completion("tiny", prompt, **nvext(reply="fox"))))

    # Every conversation's first request finds no cache anywhere; it is no part of the measure.
    put_load(deployment.url, ask, clients=CLIENTS, until=lambda sent, _: sent >= 2 * CONVERSATIONS)
    before = deployment.metrics()
    load = put_load(deployment.url, ask, clients=CLIENTS, until=lambda sent, _: sent >= REQUESTS)

    assert_valid(load, len(deployment.model.encode(REPLIES["fox"])))
    after = deployment.metrics()
    figures = throughput(load) | first_tokens(load)
    if mode is RouterMode.KV:
        hits, requests = (
            after.total(f"{HIT_RATE}_{part}") - before.total(f"{HIT_RATE}_{part}")
            for part in ("sum", "count")
        )
        assert requests == REQUESTS
        figures["hit_rate"] = Figure(hits / requests, Better.HIGHER)
    keep(figures)
