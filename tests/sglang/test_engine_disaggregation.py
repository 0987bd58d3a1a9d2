"""Two real SGLangs, one that prefills and one that decodes. Not on the CPU: SGLang 0.5.16 has its
blocks handed over as memory of a GPU.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from dyno.dynamo import Role, SglangSpec

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.engines import DisaggregationTests

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.e2e,
    pytest.mark.gpu_1,
    pytest.mark.sglang,
    pytest.mark.router,
    # It is the start that takes long, a minute or two.
    pytest.mark.slow,
]

# Two of them share one GPU.
SPEC = SglangSpec(block_size=16, max_model_len=2048, memory=0.3)


@pytest.fixture(scope="module")
def apart(deploy_module: Deploy, sglang_python: str) -> Deployment:
    if not Path("/dev/nvidiactl").exists():
        pytest.skip("needs a GPU: SGLang hands blocks over from one to another")
    spec = replace(SPEC, python=sglang_python)
    prefill, decode = (replace(spec, role=role) for role in (Role.PREFILL, Role.DECODE))
    return deploy_module(prefill, decode)


class TestDisaggregation(DisaggregationTests):
    steady: ClassVar[dict[str, Any]] = {"temperature": 0.0}
    endless: ClassVar[dict[str, Any]] = {"ignore_eos": True}
