"""Events of workers that never reach the router: it notices the gap, and asks the worker."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from dyno.dynamo import FrontendSpec, MockerSpec, Worker, eventually

from tests.kv_router.asking import ask, await_rate, blocks, hold, queries, rate
from tests.kv_router.broker import Broker
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
    pytest.mark.fault_tolerance,
]

EVENTS = "kv-events"

# A worker of so few blocks holds two prompts of four, with room for a reply.
FEW_BLOCKS = 10


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def deployed(deploy: Deploy, broker: Broker, *, blocks_each: int = 1000) -> Deployment:
    """A worker whose events come through the broker, and come through."""
    deployment = deploy(
        MockerSpec(blocks=blocks_each, variables=broker.environment),
        frontend=FrontendSpec(variables=broker.environment),
    )
    (worker,) = deployment.workers
    # The first events of a publisher are lost, until its connection is there.
    numbers = count(500)

    def heard() -> bool:
        prompt = blocks(next(numbers), 1)
        ask(deployment.client, prompt, worker=worker)
        return rate(deployment.client, prompt, worker) == 1.0

    eventually(heard, what="events come through the broker", within=30.0)
    return deployment


def lose(deployment: Deployment, broker: Broker, worker: Worker, *prompts: list[int]) -> None:
    """Has a worker take prompts of which the router hears nothing."""
    broker.losing.set()
    lost = broker.lost[EVENTS]
    for prompt in prompts:
        ask(deployment.client, prompt, worker=worker)
    # Of each at least one, and in order, so none is left behind.
    eventually(
        lambda: broker.lost[EVENTS] >= lost + len(prompts),
        what="the events of the prompts are lost",
    )
    broker.losing.clear()


def test_blocks_of_a_lost_event_are_known_after_the_next_one(
    deploy: Deploy, broker: Broker
) -> None:
    deployment = deployed(deploy, broker)
    (worker,) = deployment.workers
    asked = queries(worker)

    lose(deployment, broker, worker, blocks(100), blocks(101))
    # Nothing shows the router yet that it has missed something.
    assert rate(deployment.client, blocks(100), worker) == 0.0
    assert queries(worker) == asked

    hold(deployment, blocks(102), worker)
    for number in (100, 101, 102):
        assert rate(deployment.client, blocks(number), worker) == 1.0
    assert queries(worker) == asked + 1


def test_blocks_whose_removal_was_lost_are_claimed_no_more_after_the_next_event(
    deploy: Deploy, broker: Broker
) -> None:
    deployment = deployed(deploy, broker, blocks_each=FEW_BLOCKS)
    (worker,) = deployment.workers
    hold(deployment, blocks(100), worker)
    asked = queries(worker)

    # These push the first prompt out.
    lose(deployment, broker, worker, blocks(101), blocks(102))
    hold(deployment, blocks(103), worker)

    assert queries(worker) > asked
    assert rate(deployment.client, blocks(100), worker) == 0.0


def test_worker_that_joins_unheard_is_known_by_its_next_event(
    deploy: Deploy, broker: Broker
) -> None:
    deployment = deployed(deploy, broker)
    broker.losing.set()
    joiner = deployment.add(MockerSpec(variables=broker.environment))
    broker.losing.clear()
    lose(deployment, broker, joiner, blocks(100))

    hold(deployment, blocks(101), joiner)

    assert rate(deployment.client, blocks(100), joiner) == 1.0
    assert rate(deployment.client, blocks(100), deployment.workers[0]) == 0.0


def test_nothing_is_asked_while_nothing_is_lost(deploy: Deploy, broker: Broker) -> None:
    deployment = deployed(deploy, broker)
    (worker,) = deployment.workers
    asked = queries(worker)

    for number in range(100, 120):
        hold(deployment, blocks(number, 1), worker)

    assert queries(worker) == asked
    await_rate(deployment.client, blocks(100, 1), worker, 1.0)
