"""Replies that do not come: the frontend gives them up after the time that it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from dyno.dynamo import FrontendSpec, RouterMode, completion, error_of, eventually, nvext

from tests.utils.counting import CountingSpec, counted, wait_at
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.midstream import caught

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.router,
]

PROMPT = list(range(20, 30))
TOKENS = 40


@pytest.fixture
def served(deploy: Deploy, gate: Path) -> Deployment:
    """A frontend that waits a second for the next token."""
    frontend = FrontendSpec(
        router=RouterMode.ROUND_ROBIN, variables={"DYN_HTTP_BACKEND_STREAM_TIMEOUT_SECS": "1"}
    )
    return deploy(CountingSpec(gate), CountingSpec(gate), frontend=frontend)


def failed(deployment: Deployment) -> int:
    name = "dynamo_frontend_requests_total"
    return int(deployment.metrics().total(name, status="error", request_type="stream"))


def is_idle(deployment: Deployment) -> bool:
    return all(worker.in_flight() == 0 for worker in deployment.workers)


def test_stream_that_stalls_is_given_up(served: Deployment) -> None:
    with caught(served.client, PROMPT, tokens=TOKENS, after=8) as stream:
        assert "error" in stream.error()

    assert stream.pieces == counted(served.model, len(PROMPT), 8)
    eventually(lambda: is_idle(served), what="the worker drops the request")
    eventually(lambda: failed(served) == 1, what="the request counts as failed")


def test_reply_that_is_not_streamed_is_given_up_too(served: Deployment) -> None:
    asked = completion(
        "tiny", PROMPT, max_tokens=TOKENS, **nvext(annotations=wait_at(len(PROMPT) + 8))
    )

    refused = served.client.post("/v1/completions", asked)

    assert error_of(refused).status >= 500
    eventually(lambda: is_idle(served), what="the worker drops the request")


def test_reply_that_comes_steadily_may_take_longer(served: Deployment, gate: Path) -> None:
    """The time is from token to token, not of the whole."""
    with caught(served.client, PROMPT, tokens=TOKENS, after=8) as stream:
        gate.touch()
        assert stream.finish().pieces == counted(served.model, len(PROMPT), TOKENS)
    assert failed(served) == 0
