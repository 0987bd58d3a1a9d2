"""Disaggregated serving: one worker prefills, another decodes."""

from __future__ import annotations

import pytest
from dyno.dynamo import MockerSpec, Role, Worker, eventually, nvext, route_of

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.router,
    pytest.mark.mocker,
]

FOX = "the quick brown fox jumps over the lazy dog."
PREFILL = MockerSpec(role=Role.PREFILL)
DECODE = MockerSpec(role=Role.DECODE)


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(PREFILL, DECODE, replies={"fox": FOX})


def generated(worker: Worker) -> float:
    """How many tokens after the first a worker has generated, by its engine's own count."""
    return worker.metrics().total("vllm:inter_token_latency_seconds_count")


def test_prefill_and_decode_happen_on_their_workers(served: Deployment) -> None:
    prefill, decode = served.workers
    before = [(worker.served(), generated(worker)) for worker in served.workers]

    completion = served.openai.completions.create(
        model=served.model.name,
        prompt=[7] * 40,
        max_tokens=6,
        extra_body=nvext(tell_route=True),
    )

    route = route_of(completion.to_dict())
    assert (route.prefill_worker, route.decode_worker) == (prefill.id, decode.id)
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 6
    # Each took the request once, and only the decode worker went on after the first token.
    after = [(worker.served(), generated(worker)) for worker in served.workers]
    assert after[0] == (before[0][0] + 1, before[0][1])
    assert after[1] == (before[1][0] + 1, before[1][1] + 5)


def test_prefill_worker_is_the_one_that_gets_the_prompt(served: Deployment) -> None:
    prefill, decode = served.workers
    served.openai.completions.create(model=served.model.name, prompt=[8] * 77, max_tokens=2)

    def prompt_tokens(worker: Worker, kind: str) -> float:
        return served.metrics().total(
            "dynamo_frontend_worker_last_input_sequence_tokens",
            worker_id=str(worker.id),
            worker_type=kind,
        )

    assert prompt_tokens(prefill, "prefill") == 77
    assert prompt_tokens(decode, "decode") != 77


def test_reply_comes_whole_from_the_decode_worker(served: Deployment) -> None:
    completion = served.openai.chat.completions.create(
        model=served.model.name,
        messages=[{"role": "user", "content": "go"}],
        max_tokens=100,
        extra_body=nvext(reply="fox"),
    )

    assert [choice.message.content for choice in completion.choices] == [FOX]


@pytest.mark.kv_router
def test_prefill_worker_remembers_a_prefix(served: Deployment) -> None:
    def hit_rate() -> float:
        completion = served.openai.completions.create(
            model=served.model.name,
            prompt=[9] * (4 * PREFILL.block_size),
            max_tokens=2,
            extra_body=nvext(tell_route=True),
        )
        return route_of(completion.to_dict()).kv_hit_rate

    assert hit_rate() == 0.0
    assert eventually(hit_rate, what="the router hears of the blocks") == 1.0


@pytest.mark.fault_tolerance
def test_decode_alone_is_refused_until_a_prefill_worker_is_there(deploy: Deploy) -> None:
    deployment = deploy(PREFILL, DECODE)
    prefill, decode = deployment.workers
    ready = f"/v1/models/{deployment.model.name}/ready"
    request = {"model": deployment.model.name, "prompt": "go", "max_tokens": 3}

    deployment.stop(prefill)
    (namespace,) = deployment.client.get(ready).json()["namespaces"].values()
    assert namespace["missing_worker_types"] == ["prefill"]
    reply = deployment.client.post("/v1/completions", request)
    assert (reply.status, reply.json()["code"]) == (503, 503)
    assert "not ready to serve requests" in reply.json()["message"]

    substitute = deployment.add(PREFILL)
    before = (substitute.served(), decode.served())
    assert deployment.client.post("/v1/completions", request).status == 200
    assert (substitute.served(), decode.served()) == (before[0] + 1, before[1] + 1)
