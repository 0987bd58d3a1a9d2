"""Many clients at once for a time: every request comes to its end, and leaves nothing behind."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest
from dyno.dynamo import FrontendSpec, MockerSpec, RouterMode

from tests.stress.ledger import counted, held, let_go
from tests.stress.mixed import REPLIES, ROUTED, Mixed, expected_counts, lost, tokens_wrong
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.load import Load, put_load

pytestmark = [
    pytest.mark.stress,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.frontend,
    pytest.mark.router,
    pytest.mark.mocker,
]

CLIENTS = 16

# As many as a server needs to have opened and allocated what it keeps.
WARM_UP = 400

# The nightly load lasts so long, if `DYNO_STRESS_SECONDS` does not say otherwise.
SECONDS = float(os.environ.get("DYNO_STRESS_SECONDS", "30"))

# Few, so that workers evict blocks all the time and the router hears of it.
WORKER = MockerSpec(blocks=2048, max_model_len=8192)

MIB = 1 << 20

ROUND_ROBIN = pytest.param(RouterMode.ROUND_ROBIN, id="round-robin")
KV = pytest.param(RouterMode.KV, id="kv", marks=pytest.mark.kv_router)

# What a server may grow by, after a warm-up, whatever the number of requests. Seen: 6 MiB in 40 s.
GROWTH = 64 * MIB


def endure(
    deployment: Deployment, until: Callable[[int, float], bool], *, clients: int = CLIENTS
) -> Load:
    """Puts mixed load on a deployment and holds it to its account, request by request."""
    ask = Mixed(deployment.model.name)
    put_load(deployment.url, ask, clients=clients, until=lambda sent, _: sent >= WARM_UP)
    before, counts = let_go(deployment, held(deployment)), counted(deployment)
    served = sum(worker.served() for worker in deployment.workers)

    load = put_load(deployment.url, ask, clients=clients, until=until)

    assert lost(load) == []
    assert tokens_wrong(load, deployment) == []
    assert_counted(load, counted(deployment, counts.total() + len(load.answers)) - counts)
    taken = sum(worker.served() for worker in deployment.workers) - served
    assert taken == sum(answer.ask.kind in ROUTED for answer in load.answers)
    after = let_go(deployment, before)
    grown = {name: after[name].memory - before[name].memory for name in before}
    assert max(grown.values()) < GROWTH, grown
    return load


def assert_counted(load: Load, counts: Counter[str]) -> None:
    """The frontend has counted each request as what it was."""
    expected = expected_counts(load)
    # A stream may be whole on its way before the frontend hears that its client has left.
    late = expected["cancelled"] - counts["cancelled"]
    assert 0 <= late < expected["cancelled"]
    assert counts == expected - Counter(cancelled=late) + Counter(success=late)


@pytest.mark.pre_merge
@pytest.mark.kv_router
def test_short_load_loses_nothing(deploy: Deploy) -> None:
    deployment = deploy(WORKER, WORKER, replies=REPLIES)

    load = endure(deployment, lambda sent, _: sent >= 1000)

    assert len(load.answers) == 1000


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("mode", [ROUND_ROBIN, KV])
def test_long_load_loses_nothing(deploy: Deploy, mode: RouterMode) -> None:
    deployment = deploy(WORKER, WORKER, frontend=FrontendSpec(router=mode), replies=REPLIES)

    load = endure(deployment, lambda _, seconds: seconds >= SECONDS)

    assert load.seconds >= SECONDS
    assert len(load.answers) > 1000
