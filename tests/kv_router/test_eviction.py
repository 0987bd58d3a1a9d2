"""The index follows an engine that has no room: it claims what is held, and nothing else."""

from __future__ import annotations

import pytest
from dyno.dynamo import Engine, MockerSpec

from tests.kv_router.asking import ask, blocks, hold, rate
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

# Two prompts of four blocks, and room for a reply.
FEW_BLOCKS = 10
EVENTS = "dynamo_component_kv_cache_events_applied"


def deployed(deploy: Deploy, engine: Engine) -> Deployment:
    return deploy(MockerSpec(engine=engine, blocks=FEW_BLOCKS), MockerSpec(engine=engine))


def removals(deployment: Deployment) -> float:
    return deployment.metrics().total(EVENTS, event_type="removed", status="ok")


@pytest.mark.parametrize("engine", Engine, ids=lambda engine: engine.value)
def test_what_was_pushed_out_is_claimed_no_more(deploy: Deploy, engine: Engine) -> None:
    deployment = deployed(deploy, engine)
    small, large = deployment.workers
    for worker in (small, large):
        hold(deployment, blocks(100), worker)
    assert removals(deployment) == 0

    for number in (101, 102, 103):
        hold(deployment, blocks(number), small)

    # The events of a worker come in order: its removals are older than the last of these.
    assert removals(deployment) > 0
    assert rate(deployment.client, blocks(103), small) == 1.0
    assert rate(deployment.client, blocks(100), large) == 1.0
    # Last, because to ask is to push out another one.
    assert rate(deployment.client, blocks(100), small) == 0.0


def test_prompt_goes_where_it_still_is(deploy: Deploy) -> None:
    deployment = deployed(deploy, Engine.VLLM)
    small, large = deployment.workers
    hold(deployment, blocks(100), large)
    hold(deployment, blocks(100), small)
    for number in (101, 102, 103):
        hold(deployment, blocks(number), small)

    routes = [ask(deployment.client, [*blocks(100), tail]) for tail in range(4)]

    assert {route.decode_worker for route in routes} == {large.id}
    assert [route.kv_hit_rate for route in routes] == [pytest.approx(4 / 5)] * 4


def test_prompt_that_is_used_stays_and_the_oldest_goes(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(blocks=FEW_BLOCKS))
    (worker,) = deployment.workers
    hold(deployment, blocks(100), worker)

    for number in (101, 102, 103, 104):
        hold(deployment, blocks(number), worker)
        # Used again between any two others, it is never the one that was used longest ago.
        assert rate(deployment.client, blocks(100), worker) == 1.0, number
