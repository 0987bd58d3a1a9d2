"""Workers that join, leave and crash while requests run."""

from __future__ import annotations

import pytest
from dyno.dynamo import FrontendSpec, MockerSpec, RouterMode, Worker, eventually

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.traffic import Traffic

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.router,
    pytest.mark.mocker,
    pytest.mark.fault_tolerance,
]

# A reply takes about 0.4 s: long enough to be caught in the middle.
WORKER = MockerSpec(speedup=1.0)
TOKENS = 60
CLIENTS = 4

ROUND_ROBIN = pytest.param(RouterMode.ROUND_ROBIN, id="round-robin")
KV = pytest.param(RouterMode.KV, id="kv", marks=pytest.mark.kv_router)


def serve_more(worker: Worker, requests: int = CLIENTS) -> None:
    """Waits until a worker has taken so many requests more."""
    goal = worker.served() + requests
    eventually(lambda: worker.served() >= goal, what=f"{worker.process.name} serves")


def all_at_work(deployment: Deployment) -> None:
    """Waits until every worker has a request in hand."""
    eventually(
        lambda: all(worker.in_flight() for worker in deployment.workers),
        what="every worker has a request in hand",
    )


@pytest.mark.pre_merge
@pytest.mark.parametrize("mode", [ROUND_ROBIN, KV])
def test_worker_that_joins_gets_requests_and_none_is_lost(deploy: Deploy, mode: RouterMode) -> None:
    deployment = deploy(WORKER, frontend=FrontendSpec(router=mode))
    with Traffic(deployment, clients=CLIENTS, max_tokens=TOKENS) as traffic:
        joiner = deployment.add(WORKER)
        serve_more(joiner)

    assert traffic.whole(), traffic.outcomes


@pytest.mark.pre_merge
@pytest.mark.parametrize("mode", [ROUND_ROBIN, KV])
def test_worker_that_leaves_finishes_its_requests(deploy: Deploy, mode: RouterMode) -> None:
    deployment = deploy(WORKER, WORKER, frontend=FrontendSpec(router=mode))
    leaver, stayer = deployment.workers
    with Traffic(deployment, clients=CLIENTS, max_tokens=TOKENS) as traffic:
        all_at_work(deployment)
        deployment.stop(leaver)
        serve_more(stayer)

    assert traffic.whole(), traffic.outcomes


@pytest.mark.pre_merge
@pytest.mark.parametrize(
    "mode",
    [
        ROUND_ROBIN,
        pytest.param(
            RouterMode.KV,
            id="kv",
            marks=[
                pytest.mark.kv_router,
                pytest.mark.xfail(
                    strict=True,
                    raises=AssertionError,
                    reason="the KV router of Dynamo 1.4.2 goes on sending requests to a worker "
                    "that crashed: docs/findings.md, F5",
                ),
            ],
        ),
    ],
)
def test_requests_of_a_crashed_worker_move_to_another(deploy: Deploy, mode: RouterMode) -> None:
    deployment = deploy(WORKER, WORKER, frontend=FrontendSpec(router=mode, migration_limit=3))
    crasher, stayer = deployment.workers
    with Traffic(deployment, clients=CLIENTS, max_tokens=TOKENS) as traffic:
        all_at_work(deployment)
        crasher.process.kill()
        serve_more(stayer, 2 * CLIENTS)

    assert traffic.whole(), traffic.outcomes


@pytest.mark.pre_merge
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 takes the refusal for a lost worker, and the model is gone for 5 s: "
    "docs/findings.md, F7",
)
def test_worker_that_refuses_a_request_is_not_taken_for_lost(deploy: Deploy) -> None:
    deployment = deploy(frontend=FrontendSpec(router=RouterMode.ROUND_ROBIN))
    request = {"model": deployment.model.name, "prompt": "go"}
    # A mocker refuses a request without max_tokens.
    if deployment.client.post("/v1/completions", request).status < 400:
        pytest.fail("the worker took the request that it was to refuse")

    assert deployment.client.post("/v1/completions", {**request, "max_tokens": 1}).status == 200


@pytest.mark.post_merge
@pytest.mark.kv_router
def test_crashed_worker_is_forgotten_when_its_lease_ends(deploy: Deploy) -> None:
    deployment = deploy(WORKER, WORKER)
    crasher, stayer = deployment.workers
    crasher.process.kill()
    # The lease is 10 s.
    deployment.await_workers()

    with Traffic(deployment, clients=CLIENTS, max_tokens=5) as traffic:
        serve_more(stayer, 2 * CLIENTS)

    assert traffic.whole(), traffic.outcomes
