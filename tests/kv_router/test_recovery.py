"""A router that comes back knows what the workers hold, without an event."""

from __future__ import annotations

import signal

import pytest
from dyno.dynamo import (
    EventPlane,
    FrontendSpec,
    KvRouterSpec,
    MockerSpec,
    Planes,
)

from tests.kv_router.asking import ask, await_rate, blocks, hold, queries, rate
from tests.utils.deploying import Deploy

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

# A worker of so few blocks holds two prompts of four, with room for a reply.
FEW_BLOCKS = 10


@pytest.mark.parametrize("events", EventPlane, ids=lambda plane: plane.value)
def test_restarted_frontend_asks_the_workers_what_they_hold(
    deploy: Deploy, events: EventPlane
) -> None:
    deployment = deploy(MockerSpec(), MockerSpec(), planes=Planes(events=events))
    one, two = deployment.workers
    hold(deployment, blocks(100), one)
    hold(deployment, blocks(101), two)
    asked = [queries(worker) for worker in deployment.workers]

    assert deployment.frontend.process.kill() == -signal.SIGKILL
    deployment.frontend.process.restart()
    deployment.await_workers()

    # The workers hold these blocks and tell nothing of them again, whoever asks.
    await_rate(deployment.client, blocks(100), one, 1.0)
    await_rate(deployment.client, blocks(101), two, 1.0)
    assert all(
        queries(worker) > before for worker, before in zip(deployment.workers, asked, strict=True)
    )
    assert ask(deployment.client, blocks(101)).decode_worker == two.id
    assert rate(deployment.client, [*blocks(100, 2), *blocks(200, 2)], one) == 0.5
    # And it hears again.
    hold(deployment, blocks(102), two)


def test_restarted_frontend_does_not_claim_what_was_dropped(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(blocks=FEW_BLOCKS))
    (worker,) = deployment.workers
    for number in (100, 101, 102, 103):
        hold(deployment, blocks(number), worker)

    deployment.frontend.process.kill()
    deployment.frontend.process.restart()
    deployment.await_workers()

    await_rate(deployment.client, blocks(103), worker, 1.0)
    assert rate(deployment.client, blocks(100), worker) == 0.0


def test_without_events_a_restarted_frontend_knows_nothing(deploy: Deploy) -> None:
    deployment = deploy(frontend=FrontendSpec(kv=KvRouterSpec(kv_events=False)))
    (worker,) = deployment.workers
    hold(deployment, blocks(100), worker)

    deployment.frontend.process.kill()
    deployment.frontend.process.restart()
    deployment.await_workers()

    assert rate(deployment.client, blocks(100), worker) == 0.0


def test_frontend_that_stood_still_hears_what_it_has_missed(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(blocks=FEW_BLOCKS), frontends=(FrontendSpec(), FrontendSpec()))
    (worker,) = deployment.workers
    sleeper, other = deployment.frontends
    hold(deployment, blocks(100), worker)

    sleeper.process.pause()
    assert sleeper.process.state() == "paused"
    for number in (101, 102, 103):
        ask(other.client, blocks(number), worker=worker)
        await_rate(other.client, blocks(number), worker, 1.0)
    sleeper.process.resume()

    await_rate(sleeper.client, blocks(103), worker, 1.0)
    assert rate(sleeper.client, blocks(100), worker) == 0.0


def test_worker_that_comes_back_holds_nothing(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), MockerSpec())
    comer, stayer = deployment.workers
    hold(deployment, blocks(100), comer)
    hold(deployment, blocks(101), stayer)
    before = comer.id

    comer.process.stop()
    deployment.await_workers()
    again = deployment.add(MockerSpec())

    assert again.id != before
    # Asked of both: neither the old worker's blocks nor any under the new one's name.
    assert rate(deployment.client, blocks(100), again) == 0.0
    assert rate(deployment.client, blocks(100), stayer) == 0.0
    assert rate(deployment.client, blocks(101), stayer) == 1.0


@pytest.mark.post_merge
def test_crashed_worker_that_comes_back_holds_nothing(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), MockerSpec())
    crasher, stayer = deployment.workers
    hold(deployment, blocks(100), crasher)

    assert crasher.process.kill() == -signal.SIGKILL
    # Until its lease has ended, 10 s later: workers are counted, not told apart.
    deployment.await_workers()
    again = deployment.add(MockerSpec())

    route = ask(deployment.client, blocks(100))
    assert route.decode_worker in (again.id, stayer.id)
    assert route.kv_hit_rate == 0.0
