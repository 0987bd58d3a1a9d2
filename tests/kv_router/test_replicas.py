"""Two routers before the same workers: what one has under way, the other one sees, if told to."""

from __future__ import annotations

import pytest
from dyno.dynamo import Frontend, FrontendSpec, KvRouterSpec, MockerSpec, eventually

from tests.kv_router.asking import ask, await_rate, blocks, busy, hold
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

SLOW = MockerSpec(speedup=0.25)
REQUESTS = 3


def deployed(deploy: Deploy, *, sync: bool) -> Deployment:
    spec = FrontendSpec(kv=KvRouterSpec(replica_sync=sync))
    return deploy(SLOW, SLOW, frontends=(spec, spec))


def load(deployment: Deployment, frontend: Frontend) -> list[int]:
    """The blocks in use that a frontend counts, of each worker."""
    return [frontend.active_blocks(worker.id) for worker in deployment.workers]


def prompts(first: int) -> list[list[int]]:
    return [blocks(first + number) for number in range(REQUESTS)]


def test_load_that_one_router_has_sent_is_seen_by_the_other(deploy: Deploy) -> None:
    deployment = deployed(deploy, sync=True)
    busy_one, idle = deployment.workers
    here, there = deployment.frontends
    blocks_each = len(blocks(0)) // SLOW.block_size

    with busy(here.client, busy_one, prompts(200)):
        eventually(
            lambda: load(deployment, there) == [REQUESTS * blocks_each, 0],
            what="the other router sees the load",
        )
        assert load(deployment, here) == load(deployment, there)
        chosen = [ask(there.client, blocks(300 + n)).decode_worker for n in range(8)]
        assert chosen == [idle.id] * 8

    eventually(
        lambda: load(deployment, here) == load(deployment, there) == [0, 0],
        what="the load has gone for both",
    )


def test_routers_share_a_burst_evenly(deploy: Deploy) -> None:
    deployment = deployed(deploy, sync=True)
    here, there = deployment.frontends

    with busy(here.client, None, prompts(200)):
        eventually(
            lambda: sum(load(deployment, there)) == sum(load(deployment, here)) > 0,
            what="the other router sees the load",
        )
        with busy(there.client, None, prompts(300)):
            assert [worker.in_flight() for worker in deployment.workers] == [REQUESTS, REQUESTS]


def test_unsynced_router_sees_its_own_load_alone(deploy: Deploy) -> None:
    deployment = deployed(deploy, sync=False)
    worker, _ = deployment.workers
    here, there = deployment.frontends

    with busy(here.client, worker, prompts(200)):
        eventually(lambda: load(deployment, here)[0] > 0, what="the router sees its own load")
        # What comes later over the events of the worker has come: so would the load have.
        hold(deployment, blocks(300), worker)
        eventually(lambda: load(deployment, there) == [0, 0], what="the other router sees no load")
        # What workers hold is known to both all the same.
        await_rate(there.client, blocks(300), worker, 1.0)


@pytest.mark.fault_tolerance
def test_router_that_comes_later_sees_the_load_that_comes_later(deploy: Deploy) -> None:
    spec = FrontendSpec(kv=KvRouterSpec(replica_sync=True))
    deployment = deploy(SLOW, SLOW, frontend=spec)
    worker, _ = deployment.workers
    hold(deployment, blocks(300), worker)

    later = deployment.add_frontend(spec)
    deployment.await_workers()

    def seen() -> bool:
        with busy(deployment.client, worker, [blocks(400, 1)]):
            return load(deployment, later)[0] > 0

    eventually(seen, what="the new router sees the load of the old one", within=30.0)
    await_rate(later.client, blocks(300), worker, 1.0)
