"""Real vLLM on the CPU: Dynamo in front of it changes no token, and lets go what it lets go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import dyno
import pytest
from dyno.dynamo import VllmSpec, completion, eventually, finish_of, streamed

from tests.utils.alone import tokens_alone
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.engines import ServingTests, ask
from tests.utils.model import TinyModel

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    # It is the start that takes long, a minute or two.
    pytest.mark.slow,
    # An engine has 2.2 GiB.
    pytest.mark.resources(memory="3 GiB"),
]

SPEC = VllmSpec(block_size=32, max_model_len=2048)

# Shorter than a block, so that nothing of it is ever cached: a prompt of which a part is cached is
# computed in other pieces, and rounded otherwise.
PROMPT = list(range(300, 331))

TELL_TOKENS = {"nvext": {"extra_fields": ["completion_token_ids"]}}

# The same in the API and in vLLM's SamplingParams.
REQUESTS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0.0},
    "seeded": {"temperature": 0.9, "seed": 7},
    "another-seed": {"temperature": 0.9, "seed": 8},
    "top-p": {"temperature": 1.0, "seed": 7, "top_p": 0.3},
    "top-k": {"temperature": 1.0, "seed": 7, "top_k": 3},
    "min-p": {"temperature": 1.0, "seed": 7, "min_p": 0.5},
    "frequency-penalty": {"temperature": 0.0, "frequency_penalty": 1.5},
    "presence-penalty": {"temperature": 0.0, "presence_penalty": 1.5},
    "repetition-penalty": {"temperature": 0.0, "repetition_penalty": 1.5},
    "logit-bias": {"temperature": 0.0, "logit_bias": {"42": 100}},
}
for fields in REQUESTS.values():
    fields |= {"max_tokens": 48, "ignore_eos": True}


@pytest.fixture(scope="module")
def spec(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> VllmSpec:
    return replace(SPEC, python=vllm_python, cache=tmp_path_factory.getbasetemp() / "vllm")


@pytest.fixture(scope="module")
def alone(
    bench_module: dyno.Bench,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: TinyModel,
    spec: VllmSpec,
) -> dict[str, list[int]]:
    """What the engine says without Dynamo."""
    folder: Path = tmp_path_factory.mktemp("alone")
    return tokens_alone(bench_module, folder, spec, tiny_model.path, PROMPT, REQUESTS)


@pytest.fixture(scope="module")
def served(deploy_module: Deploy, spec: VllmSpec) -> Deployment:
    return deploy_module(spec)


class TestServing(ServingTests):
    steady: ClassVar[dict[str, Any]] = {"temperature": 0.0}
    endless: ClassVar[dict[str, Any]] = {"ignore_eos": True}
    long: ClassVar[int] = 2000


@pytest.mark.parametrize("name", [name for name in REQUESTS if name != "logit-bias"])
def test_tokens_are_those_of_the_engine_alone(
    alone: dict[str, list[int]], served: Deployment, name: str
) -> None:
    reply = ask(served, PROMPT, **REQUESTS[name], nvext={"extra_fields": ["completion_token_ids"]})
    assert reply["nvext"]["completion_token_ids"] == alone[name]
    assert name == "greedy" or alone[name] != alone["greedy"]


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 accepts logit_bias and tells the engine nothing of it: "
    "docs/findings.md, F62",
)
def test_logit_bias_gets_to_the_engine(alone: dict[str, list[int]], served: Deployment) -> None:
    reply = ask(served, PROMPT, **REQUESTS["logit-bias"], **TELL_TOKENS)

    assert reply["nvext"]["completion_token_ids"] == alone["logit-bias"]


def test_cached_tokens_are_counted_in_whole_blocks(served: Deployment) -> None:
    (worker,) = served.workers
    block = worker.spec.block_size
    prompt = [200] * (3 * block) + [201] * 5

    def cached(prompt: list[int]) -> int:
        reply = ask(served, prompt, max_tokens=1)
        return int(reply["usage"]["prompt_tokens_details"]["cached_tokens"])

    def hits() -> float:
        return worker.metrics().total("vllm:prefix_cache_hits_total")

    before = hits()
    assert cached(prompt) == 0
    assert cached(prompt) == 3 * block
    # One token less in common than two blocks have.
    assert cached([*prompt[: 2 * block - 1], 202, 203]) == block
    eventually(lambda: hits() - before == 4 * block, what="the engine counts the same")


def test_client_that_hangs_up_frees_the_engine(served: Deployment) -> None:
    (worker,) = served.workers

    def generated() -> float:
        return worker.metrics().total("vllm:generation_tokens_total")

    before, limit = generated(), TestServing.long
    asked = streamed(completion(served.model.name, "go", max_tokens=limit, **TestServing.endless))
    with served.client.stream("/v1/completions", asked) as events:
        next(events)
        eventually(lambda: worker.running() == 1, what="the engine works at it")
    eventually(lambda: worker.running() == 0, what="the engine is idle")

    # It has not come to the end: it was stopped.
    assert 0 < generated() - before < limit


def test_reply_ends_at_a_stop_token(alone: dict[str, list[int]], served: Deployment) -> None:
    (worker,) = served.workers
    greedy = alone["greedy"]
    end = greedy.index(greedy[10])
    # Not with `ignore_eos`: to Dynamo that is to ignore every stop.
    stopping = {"temperature": 0.0, "max_tokens": 48, "stop_token_ids": [greedy[end]]}

    reply = ask(served, PROMPT, **stopping, **TELL_TOKENS)

    assert finish_of(reply) == "stop"
    # The token that it stops at may be told or not.
    assert reply["nvext"]["completion_token_ids"] in (greedy[:end], greedy[: end + 1])
    eventually(lambda: worker.running() == 0, what="the engine is idle")
