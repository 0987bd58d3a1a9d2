"""The planner as a process, beside the deployment that it looks at."""

from __future__ import annotations

import pytest
from dyno.dynamo import Discovery, MockerSpec, Planes, PlannerSpec, completion, eventually, streamed

from tests.utils.deploying import Deploy

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.planner,
    pytest.mark.mocker,
]

# In per cent of a worker's cache.
LOAD = {
    "optimization_target": "load",
    "decode_scale_up_kv_rate": 30,
    "decode_scale_down_kv_rate": 5,
}

# An interval of the planner is a second.
DECIDED_SECONDS = 30.0


@pytest.fixture(autouse=True)
def _process_imports() -> None:
    # ai-dynamo 1.4.2 asks for none of them.
    for name in ("prometheus_api_client", "plotly", "pandas", "pmdarima", "filterpy", "prophet"):
        pytest.importorskip(name, reason=f"the process of dynamo.planner needs {name}")


def test_idle_worker_is_to_go(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), MockerSpec(), planes=Planes(Discovery.ETCD))
    planner = deployment.add_planner(PlannerSpec(settings=LOAD))

    decision = eventually(planner.decision, what="the planner decides", within=DECIDED_SECONDS)
    assert decision is not None
    assert (decision.number, decision.decode) == (0, 1)
    # It says so, and does nothing.
    assert deployment.live_workers() == 2


def test_full_worker_is_to_get_another(deploy: Deploy) -> None:
    # 64 blocks of 16 tokens; half of them are the prompt's. The reply takes half a minute.
    full = MockerSpec(blocks=64, speedup=0.1)
    deployment = deploy(full, planes=Planes(Discovery.ETCD))
    planner = deployment.add_planner(PlannerSpec(settings=LOAD))
    assert planner.decision() is None

    asked = streamed(completion(deployment.model.name, [5] * 512, max_tokens=400))
    with deployment.client.stream("/v1/completions", asked, within=60.0) as events:
        next(events)
        decision = eventually(planner.decision, what="the planner decides", within=DECIDED_SECONDS)
    assert decision is not None
    assert decision.decode == 2
