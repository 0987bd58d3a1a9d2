"""The share of a prompt that the router says a worker holds is that which was sent before."""

from __future__ import annotations

import math
from itertools import count

import pytest
from dyno.dynamo import Engine, MockerSpec, completion, nvext

from tests.kv_router.asking import ask, blocks, hold
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.sglang,
    pytest.mark.trtllm,
    pytest.mark.kv_router,
    pytest.mark.router,
    pytest.mark.mocker,
]

SPECS = [
    MockerSpec(block_size=16),
    MockerSpec(block_size=64),
    MockerSpec(engine=Engine.SGLANG, block_size=1),
    MockerSpec(engine=Engine.TRTLLM, block_size=32),
]

HELD_BLOCKS = 4

# A number for each prompt of this file, so that no test meets what another has left behind.
fresh = count(100)


def name(spec: MockerSpec) -> str:
    return f"{spec.engine.value}-{spec.block_size}"


@pytest.fixture(scope="module", params=SPECS, ids=name)
def served(deploy_module: Deploy, request: pytest.FixtureRequest) -> Deployment:
    return deploy_module(request.param, request.param, replies={"fox": "the quick brown fox " * 12})


def test_rate_is_the_share_of_blocks_that_were_sent_before(served: Deployment) -> None:
    size, holder = served.workers[0].spec.block_size, served.workers[0]

    for shared in range(HELD_BLOCKS + 1):
        for tail in (0, 1, size + 1):
            held = blocks(next(fresh), HELD_BLOCKS, size=size)
            hold(served, held, holder)
            prompt = held[: shared * size] + [next(fresh)] * tail
            if not prompt:
                continue

            route = ask(served.client, prompt, worker=holder)

            expected = shared / math.ceil(len(prompt) / size)
            assert route.kv_hit_rate == pytest.approx(expected), (shared, tail)


def test_a_broken_block_breaks_all_after_it(served: Deployment) -> None:
    size, holder = served.workers[0].spec.block_size, served.workers[0]
    for place in range(HELD_BLOCKS):
        held = blocks(next(fresh), HELD_BLOCKS, size=size)
        hold(served, held, holder)

        prompt = list(held)
        prompt[place * size + size // 2] = 99
        assert ask(served.client, prompt, worker=holder).kv_hit_rate == place / HELD_BLOCKS


def test_rate_is_that_of_the_worker_that_is_asked(served: Deployment) -> None:
    size = served.workers[0].spec.block_size
    one, two = served.workers
    held = blocks(next(fresh), HELD_BLOCKS, size=size)
    hold(served, held, one)

    # The one that holds it is chosen, with a rate of 1; the other one has nothing of it.
    assert ask(served.client, held) == ask(served.client, held, worker=one)
    assert ask(served.client, held, worker=two).kv_hit_rate == 0.0


def test_router_counts_the_rates_that_it_tells(served: Deployment) -> None:
    size, holder = served.workers[0].spec.block_size, served.workers[0]
    held = blocks(next(fresh), HELD_BLOCKS, size=size)
    hold(served, held, holder)
    before = served.metrics()

    told = [
        ask(
            served.client, [*held[: shared * size], *[next(fresh)] * size], worker=holder
        ).kv_hit_rate
        for shared in (4, 3, 2, 1)
    ]

    after = served.metrics()
    name = "dynamo_component_router_kv_hit_rate"
    assert told == pytest.approx([4 / 5, 3 / 4, 2 / 3, 1 / 2])
    assert after.total(f"{name}_count") - before.total(f"{name}_count") == len(told)
    assert after.total(f"{name}_sum") - before.total(f"{name}_sum") == pytest.approx(sum(told))


def test_a_reply_is_part_of_the_next_prompt(served: Deployment) -> None:
    size, holder = served.workers[0].spec.block_size, served.workers[0]
    opening = blocks(next(fresh), 2, size=size)
    reply = served.model.script({"fox": "the quick brown fox " * 12})["fox"]
    asked = completion("tiny", opening, **nvext(reply="fox", worker=holder.id))
    answer = served.client.post("/v1/completions", asked).json()
    assert answer["usage"]["completion_tokens"] == len(reply)

    # The last token of a reply was never an engine's input, so it holds no more than the others.
    whole = (len(opening) + len(reply) - 1) // size
    turn = [*opening, *reply][: whole * size]
    assert whole > 2
    # A worker's events come in order: when this is known, so is the reply.
    hold(served, blocks(next(fresh), size=size), holder)
    assert ask(served.client, turn, worker=holder).kv_hit_rate == 1.0
