"""What the router believes to be held: by the events of the workers, by prediction, or by both."""

from __future__ import annotations

import time

import pytest
from dyno.dynamo import FrontendSpec, KvRouterSpec, MockerSpec, Worker, eventually

from tests.kv_router.asking import ask, await_rate, blocks, hold, rate
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

# An engine that keeps no block, and so tells of none: what the router believes, it has predicted.
FORGETFUL = MockerSpec(prefix_caching=False)

# How long a predicted block is believed in, where a test waits for its end.
TTL_SECONDS = 2.0

# So many prompts are watched at most, one every 50 ms.
WATCHED = 300


class Watched:
    """Prompts that were sent once, together. To look at one is to send it again, so each is looked
    at once."""

    def __init__(self, deployment: Deployment, worker: Worker) -> None:
        self._client, self._worker = deployment.client, worker
        self._left = iter(range(200, 200 + WATCHED))
        for number in range(200, 200 + WATCHED):
            ask(self._client, blocks(number, 1), worker=worker)

    def forgotten(self) -> bool:
        """Whether the router believes in the next one no more."""
        return rate(self._client, blocks(next(self._left), 1), self._worker) == 0.0

    def await_end(self) -> None:
        """Waits until the router believes in them no more."""
        eventually(self.forgotten, what="a predicted block is forgotten", within=14.0)


def test_events_alone_claim_nothing_of_an_engine_that_keeps_nothing(deploy: Deploy) -> None:
    deployment = deploy(FORGETFUL)
    (worker,) = deployment.workers

    assert [rate(deployment.client, blocks(100), worker) for _ in range(4)] == [0.0] * 4
    stored = deployment.metrics().total(
        "dynamo_component_kv_cache_events_applied", event_type="stored"
    )
    assert stored == 0


def test_prediction_is_what_was_sent_there(deploy: Deploy) -> None:
    deployment = deploy(
        FORGETFUL, FORGETFUL, frontend=FrontendSpec(kv=KvRouterSpec(kv_events=False))
    )
    one, two = deployment.workers

    assert rate(deployment.client, blocks(100), one) == 0.0
    # At once, without an event.
    assert rate(deployment.client, blocks(100), one) == 1.0
    assert rate(deployment.client, [*blocks(100, 2), *blocks(101, 2)], one) == 0.5
    assert ask(deployment.client, blocks(100)).decode_worker == one.id
    assert rate(deployment.client, blocks(100), two) == 0.0


def test_prediction_does_not_hear_that_a_block_was_dropped(deploy: Deploy) -> None:
    # The same workers and prompts, seen by a router that hears events and by one that does not.
    predicting = FrontendSpec(kv=KvRouterSpec(kv_events=False))
    deployment = deploy(MockerSpec(blocks=10), frontends=(FrontendSpec(), predicting))
    (worker,) = deployment.workers
    hearing, guessing = (frontend.client for frontend in deployment.frontends)
    for number in (100, 101, 102, 103):
        ask(guessing, blocks(number), worker=worker)

    await_rate(hearing, blocks(103), worker, 1.0)
    assert rate(guessing, blocks(100), worker) == 1.0
    # What was just asked for is held again; the one after it is not.
    assert rate(hearing, blocks(101), worker) == 0.0


def test_prediction_is_forgotten_after_its_time(deploy: Deploy) -> None:
    kv = KvRouterSpec(kv_events=False, ttl_secs=TTL_SECONDS)
    deployment = deploy(FORGETFUL, frontend=FrontendSpec(kv=kv))
    (worker,) = deployment.workers
    assert rate(deployment.client, blocks(100), worker) == 0.0
    assert rate(deployment.client, blocks(100), worker) == 1.0

    Watched(deployment, worker).await_end()


def test_prompt_that_is_sent_again_lasts_longer(deploy: Deploy) -> None:
    kv = KvRouterSpec(kv_events=False, ttl_secs=TTL_SECONDS)
    deployment = deploy(FORGETFUL, frontend=FrontendSpec(kv=kv))
    (worker,) = deployment.workers
    ask(deployment.client, blocks(100), worker=worker)
    watched = Watched(deployment, worker)
    ask(deployment.client, blocks(100), worker=worker)
    sent = [time.monotonic()]
    forgotten_early = []

    def others_are_forgotten() -> bool:
        others = watched.forgotten()
        believed = rate(deployment.client, blocks(100), worker)
        sent.append(time.monotonic())
        # A machine that stands still for so long has not sent it again in time.
        if believed < 1.0 and sent[-1] - sent[-2] < TTL_SECONDS / 2:
            forgotten_early.append(believed)
        return others

    eventually(others_are_forgotten, what="what was sent once is forgotten", within=14.0)
    assert forgotten_early == []


def test_siblings_of_a_burst_find_each_other_by_prediction(deploy: Deploy) -> None:
    # Nothing of this comes by an event, for the engine keeps no block.
    kv = KvRouterSpec(predicted_ttl_secs=60.0)
    deployment = deploy(FORGETFUL, FORGETFUL, frontend=FrontendSpec(kv=kv))

    first = ask(deployment.client, blocks(100))
    siblings = [ask(deployment.client, [*blocks(100), tail]) for tail in range(6)]

    assert first.kv_hit_rate == 0.0
    assert {route.decode_worker for route in siblings} == {first.decode_worker}
    assert [route.kv_hit_rate for route in siblings] == [pytest.approx(4 / 5)] * 6


def test_event_outlives_the_prediction_beside_it(deploy: Deploy) -> None:
    kv = KvRouterSpec(predicted_ttl_secs=0.2)
    deployment = deploy(MockerSpec(), FORGETFUL, frontend=FrontendSpec(kv=kv))
    keeper, forgetful = deployment.workers
    hold(deployment, blocks(100), keeper)

    # What only was predicted is gone after its time; what an event told is not.
    Watched(deployment, forgetful).await_end()
    assert ask(deployment.client, blocks(100)).kv_hit_rate == 1.0
