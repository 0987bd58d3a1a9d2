"""The frontend's metrics in detail: names, labels, and histograms that hold what was sent."""

from __future__ import annotations

import pytest
from dyno.dynamo import (
    Exposition,
    FrontendSpec,
    MockerSpec,
    chat,
    completion,
    error_of,
    eventually,
    streamed,
)

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.mocker,
]

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
PREFIX = "dynamo_frontend"
REQUESTS = f"{PREFIX}_requests_total"
STARTED = f"{PREFIX}_requests_started_total"


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module()


@pytest.fixture
def before(served: Deployment) -> Exposition:
    """What the frontend said before the test's requests."""
    return served.metrics()


def settled(served: Deployment, before: Exposition, requests: int) -> Exposition:
    """What the frontend says when it has counted so many requests more."""
    goal = before.total(REQUESTS) + requests
    eventually(lambda: served.metrics().total(REQUESTS) >= goal, what="all are counted")
    after = served.metrics()
    assert after.total(REQUESTS) == goal
    return after


def below(page: Exposition, histogram: str) -> dict[float, float]:
    """How many values a histogram counts up to each bound."""
    return {float(s.labels["le"]): s.value for s in page.find(f"{PREFIX}_{histogram}_bucket")}


@pytest.mark.parametrize(
    ("histogram", "values"),
    [("input_sequence_tokens", [1, 60, 300, 900]), ("output_sequence_tokens", [1, 7, 120, 60])],
)
def test_histogram_has_each_value_in_its_bucket(
    served: Deployment, before: Exposition, histogram: str, values: list[int]
) -> None:
    for value in values:
        prompt, limit = ([5] * value, 1) if histogram.startswith("input") else ([5], value)
        assert served.client.post(TEXT, completion("tiny", prompt, max_tokens=limit)).status == 200

    after, was = below(settled(served, before, len(values)), histogram), below(before, histogram)
    assert {bound: after[bound] - was[bound] for bound in after} == {
        bound: sum(value <= bound for value in values) for bound in after
    }
    # The bounds tell the values apart.
    assert len({after[bound] - was[bound] for bound in after}) > 2


def test_each_stage_of_a_request_is_timed_once(served: Deployment, before: Exposition) -> None:
    for number in range(4):
        assert served.client.post(CHAT, chat("tiny", f"go {number}", max_tokens=3)).status == 200

    after = settled(served, before, 4)

    def moved(name: str, **labels: str) -> float:
        name = f"{PREFIX}_{name}"
        return after.total(name, **labels) - before.total(name, **labels)

    assert moved("request_duration_seconds_count", model="tiny") == 4
    assert moved("time_to_first_token_seconds_count", model="tiny") == 4
    for stage in ("preprocess", "route", "transport_roundtrip"):
        assert moved("stage_duration_seconds_count", stage=stage) == 4, stage
    assert moved("tokenize_seconds_count") == 4
    assert moved("template_seconds_count") == 4
    # A request is longer than what was before its first token, and longer than each stage.
    whole = moved("request_duration_seconds_sum", model="tiny")
    assert whole >= moved("time_to_first_token_seconds_sum", model="tiny") > 0
    assert whole >= moved("tokenize_seconds_sum") > 0


def test_requests_are_counted_when_they_start_and_when_they_end(
    served: Deployment, before: Exposition
) -> None:
    asked = streamed(completion("tiny", "go", max_tokens=900))
    with served.client.stream(TEXT, asked) as events:
        next(events)
        during = served.metrics()
        labels = {"endpoint": "completions", "model": "tiny", "request_type": "stream"}
        assert during.total(STARTED, **labels) == before.total(STARTED, **labels) + 1
        assert during.total(REQUESTS) == before.total(REQUESTS)
        for gauge in ("inflight_requests", "active_requests"):
            assert during.total(f"{PREFIX}_{gauge}", model="tiny") == 1
        assert len(list(events)) > 1

    after = settled(served, before, 1)
    assert after.total(REQUESTS, status="success", **labels) == (
        before.total(REQUESTS, status="success", **labels) + 1
    )


def test_router_counts_what_the_frontend_routes(served: Deployment, before: Exposition) -> None:
    for _ in range(3):
        assert served.client.post(CHAT, chat("tiny", "go", max_tokens=1)).status == 200
    # These are not routed.
    assert served.client.post(CHAT, chat("tiny", "go", max_tokens=0)).status == 400
    assert served.client.post(CHAT, chat("absent", "go")).status == 404

    after = settled(served, before, 5)
    for name in ("router_requests_started_total", "router_requests_total"):
        name = f"dynamo_component_{name}"
        assert after.total(name) - before.total(name) == 3, name


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 takes it for a fault of its own: docs/findings.md, F58",
)
def test_prompt_longer_than_the_context_counts_as_refused(
    served: Deployment, before: Exposition
) -> None:
    long = chat("tiny", "fox " * served.workers[0].spec.max_model_len, max_tokens=1)
    if served.client.post(CHAT, long).status != 400:
        pytest.fail("the prompt is not refused")

    after = settled(served, before, 1)
    kinds = {s.labels["error_type"]: s.value for s in after.find(REQUESTS, status="error")}
    was = {s.labels["error_type"]: s.value for s in before.find(REQUESTS, status="error")}
    assert kinds["validation"] == was.get("validation", 0) + 1, kinds


def test_names_have_the_prefix_and_labels_the_name_of_the_model(deploy: Deploy) -> None:
    name = "Some.Org/Mixed-Case_1"
    deployment = deploy(
        MockerSpec(namespace="elsewhere", model_name=name),
        frontend=FrontendSpec(extra=("--metrics-prefix", "mine")),
    )
    assert deployment.client.post(TEXT, completion(name, "go", max_tokens=2)).status == 200
    # The prefix is no part of any other name.
    assert error_of(deployment.client.post(TEXT, completion("tiny", "go"))).status == 404

    def counted() -> float:
        return deployment.metrics().total("mine_requests_total", model=name, status="success")

    eventually(lambda: counted() >= 2, what="the request is counted")
    assert list(deployment.metrics().find(REQUESTS)) == []
