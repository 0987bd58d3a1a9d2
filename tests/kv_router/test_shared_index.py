"""One frontend's index, asked by others."""

from __future__ import annotations

import pytest
from dyno.dynamo import FrontendSpec, MockerSpec

from tests.kv_router.asking import ask, blocks, hold, queries, rate
from tests.utils.deploying import Deploy

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.kv_router,
    pytest.mark.router,
    pytest.mark.mocker,
]

EVENTS = "dynamo_component_kv_cache_events_applied"


def test_frontend_without_an_index_asks_the_one_that_has_it(deploy: Deploy) -> None:
    deployment = deploy(
        MockerSpec(), MockerSpec(), frontend=FrontendSpec(extra=("--serve-indexer",))
    )
    one, two = deployment.workers
    hold(deployment, blocks(100), two)

    asker = deployment.add_frontend(FrontendSpec(extra=("--use-remote-indexer",)))

    assert ask(asker.client, blocks(100)).decode_worker == two.id
    assert rate(asker.client, [*blocks(100, 2), *blocks(200, 2)], two) == 0.5
    assert rate(asker.client, blocks(101), one) == 0.0
    # What the workers tell, it does not hear itself, and of what they hold it has asked none.
    assert asker.metrics().total(EVENTS, event_type="stored", status="ok") == 0
    assert [queries(worker) for worker in (one, two)] == [1, 1]
    hold(deployment, blocks(102), one)
    assert rate(asker.client, blocks(102), one) == 1.0
