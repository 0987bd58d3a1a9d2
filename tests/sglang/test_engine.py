"""Real SGLang on the CPU: what holds for every engine holds for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
from dyno.dynamo import SglangSpec

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.engines import ServingTests

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


class TestServing(ServingTests):
    steady: ClassVar[dict[str, Any]] = {"temperature": 0.0}
    endless: ClassVar[dict[str, Any]] = {"ignore_eos": True}
    long: ClassVar[int] = 100
