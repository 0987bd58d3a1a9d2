"""Real SGLang on the CPU: what holds for every engine holds for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
from dyno.dynamo import Role, SglangSpec

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.engines import DisaggregationTests, ServingTests

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.sglang,
    # It is the start that takes long, a minute or two.
    pytest.mark.slow,
    # An engine has 2.2 GiB.
    pytest.mark.resources(memory="3 GiB"),
]

SPEC = SglangSpec(block_size=1, max_model_len=2048, device="cpu", memory=0.3)


@pytest.fixture(scope="module")
def spec(sglang_python: str) -> SglangSpec:
    return replace(SPEC, python=sglang_python)


@pytest.fixture(scope="module")
def served(deploy_module: Deploy, spec: SglangSpec) -> Deployment:
    return deploy_module(spec)


@pytest.fixture(scope="module")
def apart(deploy_module: Deploy, spec: SglangSpec) -> Deployment:
    prefill, decode = (replace(spec, role=role) for role in (Role.PREFILL, Role.DECODE))
    return deploy_module(prefill, decode)


class TestServing(ServingTests):
    steady: ClassVar[dict[str, Any]] = {"temperature": 0.0}
    endless: ClassVar[dict[str, Any]] = {"ignore_eos": True}
    long: ClassVar[int] = 300


@pytest.mark.router
class TestDisaggregation(DisaggregationTests):
    steady: ClassVar[dict[str, Any]] = {"temperature": 0.0}
    endless: ClassVar[dict[str, Any]] = {"ignore_eos": True}
