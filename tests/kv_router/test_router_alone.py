"""The router that runs alone: it has no HTTP, and is asked over the request plane."""

from __future__ import annotations

from typing import Any

import dyno
import pytest
from dyno.dynamo import KvRouterSpec, MockerSpec, Router, RouterSpec, eventually

from tests.kv_router.asking import BLOCK, blocks, hold
from tests.kv_router.calling_endpoints import Caller
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.kv_router,
    pytest.mark.router,
    pytest.mark.mocker,
]


@pytest.fixture(scope="module")
def deployment(deploy_module: Deploy) -> Deployment:
    return deploy_module(MockerSpec(), MockerSpec())


@pytest.fixture(scope="module")
def router(deployment: Deployment) -> Router:
    return deployment.add_router(RouterSpec(block_size=BLOCK, kv=KvRouterSpec(temperature=0.0)))


@pytest.fixture(scope="module")
def call(
    bench_module: dyno.Bench, deployment: Deployment, router: Router, dynamo_python: str
) -> Caller:
    del router
    return Caller(bench_module, deployment, dynamo_python)


def best(call: Caller, tokens: list[int]) -> int:
    (worker,) = call("dynamo.router.best_worker_id", tokens)
    assert isinstance(worker, int)
    return worker


def held(call: Caller, tokens: list[int]) -> dict[int, int]:
    """How many blocks of a prompt the router believes each worker to hold on its device."""
    (scores,) = call("dynamo.router.get_overlap_scores", {"token_ids": tokens})
    return {row["worker_id"]: row["device_blocks"] for row in scores["workers"]}


@pytest.mark.parametrize("number", [0, 1])
def test_prompt_goes_to_the_worker_that_holds_it(
    deployment: Deployment, call: Caller, number: int
) -> None:
    worker = deployment.workers[number]
    prompt = blocks(40 + number)
    hold(deployment, prompt, worker)

    eventually(lambda: held(call, prompt).get(worker.id) == 4, what="the router hears of it")
    assert best(call, prompt) == worker.id


def test_asking_for_the_best_worker_loads_none(deployment: Deployment, call: Caller) -> None:
    before = [worker.served() for worker in deployment.workers]
    prompt = blocks(50)

    for _ in range(3):
        best(call, prompt)

    assert [worker.served() for worker in deployment.workers] == before
    assert not any(held(call, prompt).values())


def test_request_through_it_is_answered_by_the_worker_that_it_chose(
    deployment: Deployment, call: Caller
) -> None:
    worker = deployment.workers[1]
    prompt = blocks(60)
    hold(deployment, prompt, worker)
    eventually(lambda: held(call, prompt).get(worker.id) == 4, what="the router hears of it")
    before = [each.served() for each in deployment.workers]
    request: dict[str, Any] = {
        "model": deployment.model.name,
        "token_ids": prompt,
        "stop_conditions": {"max_tokens": 5, "ignore_eos": True},
    }

    answers = call("dynamo.router.generate", request)

    tokens = [token for answer in answers for token in answer["token_ids"]]
    assert len(tokens) == 5
    assert [answer["finish_reason"] for answer in answers if answer["finish_reason"]] == ["length"]
    served = [each.served() - was for each, was in zip(deployment.workers, before, strict=True)]
    assert served == [0, 1]
