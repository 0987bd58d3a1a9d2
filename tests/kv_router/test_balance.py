"""What weighs more, held blocks or load: where requests go under skew, by the options that say so.

The router takes the worker of least cost. In blocks, a prompt costs `prefill_load_scale` times what
has to be computed of it (its blocks less `kv_overlap_score_credit` times those that are held
there), and as many as it and the requests under way have in use.
"""

from __future__ import annotations

from itertools import count

import pytest
from dyno.dynamo import FrontendSpec, KvRouterSpec, MockerSpec, eventually

from tests.kv_router.asking import ask, blocks, busy, hold
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.kv_router,
    pytest.mark.router,
    pytest.mark.mocker,
]

# Slow enough that no reply ends while a test looks at it; leaving `busy` ends them.
SLOW = MockerSpec(speedup=0.25)
PROMPT_BLOCKS = 4


def deployed(deploy: Deploy, kv: KvRouterSpec | None = None, *, workers: int = 2) -> Deployment:
    return deploy(*[SLOW] * workers, frontend=FrontendSpec(kv=kv or KvRouterSpec()))


def one_block_each(requests: int) -> list[list[int]]:
    """Prompts of one block. (The router counts no block of a reply, unless it is told to.)"""
    return [blocks(300 + number, 1) for number in range(requests)]


def test_requests_that_share_nothing_spread_evenly(deploy: Deploy) -> None:
    deployment = deployed(deploy, workers=3)
    numbers = count(100)

    # Each stays under way, so that each is seen when the next one is placed.
    with busy(deployment.client, None, [blocks(next(numbers)) for _ in range(9)]):
        assert [worker.in_flight() for worker in deployment.workers] == [3, 3, 3]


@pytest.mark.parametrize(
    ("kv", "outweighed_by"),
    [
        (KvRouterSpec(), PROMPT_BLOCKS),
        (KvRouterSpec(kv_overlap_score_credit=0.5), PROMPT_BLOCKS / 2),
        (KvRouterSpec(prefill_load_scale=2.0), PROMPT_BLOCKS * 2),
        # Each request weighs two blocks more than the one that it has.
        (KvRouterSpec(decode_active_request_weight=2.0), PROMPT_BLOCKS / 3),
    ],
    ids=["by default", "half credit", "double prefill", "weighted requests"],
)
def test_held_blocks_outweigh_so_much_load_and_no_more(
    deploy: Deploy, kv: KvRouterSpec, outweighed_by: float
) -> None:
    deployment = deployed(deploy, kv)
    holder, idle = deployment.workers
    prompt = blocks(100, PROMPT_BLOCKS)
    hold(deployment, prompt, holder)

    def chosen_under(load: int) -> int:
        with busy(deployment.client, holder, one_block_each(load)):
            assert holder.in_flight() == load
            eventually(
                lambda: deployment.frontend.active_blocks(holder.id) == load,
                what="the router counts the load",
            )
            worker = ask(deployment.client, prompt).decode_worker
        eventually(
            lambda: deployment.frontend.active_blocks(holder.id) == 0, what="the load has gone"
        )
        return worker

    # At the very balance either may be chosen.
    below, above = int(outweighed_by - 0.01), int(outweighed_by) + 1
    assert chosen_under(below) == holder.id
    assert chosen_under(above) == idle.id


def test_load_aware_routing_looks_at_load_alone(deploy: Deploy) -> None:
    deployment = deployed(deploy, KvRouterSpec(load_aware=True))
    holder, idle = deployment.workers
    for _ in range(3):
        assert ask(deployment.client, blocks(100), worker=holder).kv_hit_rate == 0.0

    with busy(deployment.client, holder, one_block_each(1)):
        routes = [ask(deployment.client, blocks(100)) for _ in range(8)]

    assert [(route.decode_worker, route.kv_hit_rate) for route in routes] == [(idle.id, 0.0)] * 8
