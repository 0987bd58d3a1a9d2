"""Two real vLLMs on the CPU, one that prefills and one that decodes; what the one has computed goes
to the other through NIXL.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import dyno
import pytest
from dyno.dynamo import Role, VllmSpec, eventually

from tests.utils.alone import tokens_alone
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.engines import DisaggregationTests, ask
from tests.utils.model import TinyModel

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.router,
    # It is the start that takes long, a minute or two.
    pytest.mark.slow,
    # An engine has 2.2 GiB.
    pytest.mark.resources(memory="7 GiB"),
]

NIXL: dict[str, object] = {
    "kv_connector": "NixlConnector",
    "kv_role": "kv_both",
    "kv_buffer_device": "cpu",
}

SPEC = VllmSpec(block_size=32)

# Whole blocks, and part of one.
PROMPT = list(range(300, 300 + 3 * SPEC.block_size + 7))
GREEDY: dict[str, Any] = {"temperature": 0.0, "max_tokens": 48, "ignore_eos": True}


@pytest.fixture(scope="module")
def spec(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> VllmSpec:
    return replace(SPEC, python=vllm_python, cache=tmp_path_factory.getbasetemp() / "vllm")


@pytest.fixture(scope="module")
def alone(
    bench_module: dyno.Bench,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: TinyModel,
    spec: VllmSpec,
) -> list[int]:
    """What one engine says that does it all, without Dynamo."""
    folder = tmp_path_factory.mktemp("alone")
    told = tokens_alone(bench_module, folder, spec, tiny_model.path, PROMPT, {"greedy": GREEDY})
    return told["greedy"]


@pytest.fixture(scope="module")
def apart(bench_module: dyno.Bench, deploy_module: Deploy, spec: VllmSpec) -> Deployment:
    prefill, decode = (
        replace(spec, role=role, transfer=NIXL, nixl_port=bench_module.port())
        for role in (Role.PREFILL, Role.DECODE)
    )
    return deploy_module(prefill, decode)


class TestDisaggregation(DisaggregationTests):
    steady: ClassVar[dict[str, Any]] = {"temperature": 0.0}
    endless: ClassVar[dict[str, Any]] = {"ignore_eos": True}


def test_decoding_worker_goes_on_from_what_it_was_given(
    alone: list[int], apart: Deployment
) -> None:
    (_, decode) = apart.workers

    def given() -> float:
        return decode.metrics().total("vllm:external_prefix_cache_hits_total")

    before = given()
    reply = ask(apart, PROMPT, **GREEDY, nvext={"extra_fields": ["completion_token_ids"]})

    # With another's memory, or none, it would say something else.
    assert reply["nvext"]["completion_token_ids"] == alone
    # Had it computed the prompt itself it would say the same: it has not.
    eventually(lambda: given() - before >= 3 * SPEC.block_size, what="the blocks were given")
