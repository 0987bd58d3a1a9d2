"""The engines that a mocker imitates, each behind the same API."""

from __future__ import annotations

import pytest
from dyno.dynamo import Engine, MockerSpec, eventually, nvext

from tests.utils.deploying import Deploy

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.mocker,
]

FOX = "the quick brown fox jumps over the lazy dog."


@pytest.mark.parametrize(
    "engine", [pytest.param(e, marks=getattr(pytest.mark, e.value), id=e.value) for e in Engine]
)
def test_engine_serves_and_tells_its_own_metrics(deploy: Deploy, engine: Engine) -> None:
    deployment = deploy(MockerSpec(engine=engine), replies={"fox": FOX})
    (worker,) = deployment.workers
    before = worker.metrics()

    for _ in range(2):
        completion = deployment.openai.completions.create(
            model=deployment.model.name, prompt="go", max_tokens=100, extra_body=nvext(reply="fox")
        )
        assert [choice.text for choice in completion.choices] == [FOX]

    def moved(name: str) -> float:
        return worker.metrics().total(name) - before.total(name)

    first = f"{engine.value}:time_to_first_token_seconds_count"
    eventually(lambda: moved(first) == 2, what=f"{first} moves by 2")
    later = f"{engine.value}:inter_token_latency_seconds_count"
    gaps = 2 * (len(deployment.model.encode(FOX)) - 1)
    eventually(lambda: moved(later) == gaps, what=f"{later} moves by {gaps}")
