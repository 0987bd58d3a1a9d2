"""A mocker whose blocks the KV block manager keeps, behind the KV router."""

from __future__ import annotations

import pytest
from dyno.dynamo import MockerSpec, Overdue, completion, eventually, streamed

from tests.kv_router.asking import ask, blocks, busy, hold, rate
from tests.utils.deploying import Deploy

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.kvbm,
    pytest.mark.kv_router,
    pytest.mark.router,
    pytest.mark.mocker,
]

KVBM = ("--g1-backend", "kvbm")

# Two prompts of four blocks, and room for a reply.
FEW_BLOCKS = 10


def test_router_hears_what_it_keeps_and_what_it_lets_go(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(blocks=FEW_BLOCKS, extra=KVBM), MockerSpec(extra=KVBM))
    small, large = deployment.workers
    for worker in (small, large):
        hold(deployment, blocks(100), worker)
    for number in (101, 102, 103):
        hold(deployment, blocks(number), small)

    assert ask(deployment.client, [*blocks(100), 50]).decode_worker == large.id
    assert rate(deployment.client, blocks(103), small) == 1.0
    assert rate(deployment.client, blocks(100), small) == 0.0


def test_blocks_in_use_are_counted_and_freed(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(blocks=100, speedup=1.0, extra=KVBM))
    (worker,) = deployment.workers
    assert worker.kv_usage() == 0.0

    long = streamed(completion("tiny", blocks(100, 8), max_tokens=200))
    with deployment.client.stream("/v1/completions", long) as events:
        next(events)
        # The prompt's blocks, and one for each 16 tokens of the reply as they come.
        assert 0.08 <= worker.kv_usage() <= 0.08 + 0.13
        assert list(events)
    # What is only kept for later is not in use.
    eventually(lambda: worker.kv_usage() == 0.0, what="the blocks are free")
    assert rate(deployment.client, blocks(100, 8), worker) == 1.0


@pytest.mark.parametrize("backend", ["kvbm", "native"])
@pytest.mark.xfail(
    strict=True,
    raises=Overdue,
    reason="the mocker of Dynamo 1.4.2 goes on with a request whose client has gone: "
    "docs/findings.md, F35",
)
def test_blocks_are_freed_when_the_client_goes(deploy: Deploy, backend: str) -> None:
    extra = ("--g1-backend", backend)
    deployment = deploy(MockerSpec(blocks=100, speedup=0.25, extra=extra))
    (worker,) = deployment.workers
    try:
        with busy(deployment.client, worker, [blocks(100, 8)]):
            eventually(lambda: worker.kv_usage() >= 0.08, what="the prompt's blocks are in use")
        eventually(lambda: worker.in_flight() == 0, what="the worker drops the request")
    except Overdue as error:
        pytest.fail(f"this is not what is looked for here: {error}")

    # The whole reply would take 20 s.
    eventually(lambda: worker.kv_usage() == 0.0, what="the blocks are free", within=4.0)


def test_more_than_it_has_room_for_waits_and_is_served(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(blocks=FEW_BLOCKS, extra=KVBM))
    (worker,) = deployment.workers
    before = worker.served()

    with busy(deployment.client, worker, [blocks(100, 2)]):
        for number in range(101, 105):
            assert ask(deployment.client, blocks(number), worker=worker).decode_worker == worker.id

    eventually(lambda: worker.served() == before + 5, what="all have been served")
    eventually(lambda: worker.in_flight() == 0, what="the worker is idle")
