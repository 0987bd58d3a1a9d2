"""TensorRT-LLM, as the mocker plays it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dyno.dynamo import Engine, MockerSpec, Role

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.mockers import REPLIES, MockerDisaggregationTests, MockerServingTests

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.trtllm,
    pytest.mark.trtllm_marker,
    pytest.mark.mocker,
]

# Not the mocker's own size for TensorRT-LLM, 32: so it is seen to heed it.
SPEC = MockerSpec(engine=Engine.TRTLLM, block_size=64, speedup=1.0)


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(SPEC, replies=REPLIES)


@pytest.fixture(scope="module")
def apart(deploy_module: Deploy) -> Deployment:
    prefill, decode = (replace(SPEC, role=role) for role in (Role.PREFILL, Role.DECODE))
    return deploy_module(prefill, decode, replies=REPLIES)


class TestServing(MockerServingTests):
    spec = SPEC
    preempts = False


@pytest.mark.router
class TestDisaggregation(MockerDisaggregationTests):
    pass
