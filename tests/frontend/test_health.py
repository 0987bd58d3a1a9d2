"""What the frontend says of its health while workers come and go, and while it ends."""

from __future__ import annotations

import signal

import pytest
from dyno.dynamo import (
    Client,
    MockerSpec,
    completion,
    error_of,
    eventually,
    read_completion_stream,
    streamed,
)

from tests.utils.deploying import Deploy

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.mocker,
]

TEXT = "/v1/completions"

# At this speed a token takes 7 ms, so a stream of so many is open for 6 s.
SPEED = 1.0
LONG = 900


def status_of(client: Client, path: str) -> tuple[int, str]:
    reply = client.get(path)
    return reply.status, reply.json()["status"]


def test_health_names_the_workers_that_are_there(deploy: Deploy) -> None:
    deployment = deploy()
    (first,) = deployment.workers
    frontend, client = deployment.frontend, deployment.client
    assert frontend.discovered_workers() == {first.id}

    deployment.stop(first)
    eventually(lambda: not frontend.discovered_workers(), what="health forgets the worker")
    assert client.get("/health").json()["endpoints"] == []
    assert client.get("/v1/models").json()["data"] == []
    # It lives, whether or not anything is behind it.
    assert status_of(client, "/live") == (200, "live")
    assert client.post(TEXT, completion("tiny", "go", max_tokens=1)).status == 404

    second = deployment.add(MockerSpec())
    assert second.id != first.id
    assert frontend.discovered_workers() == {second.id}
    assert status_of(client, "/health") == (200, "healthy")
    assert client.post(TEXT, completion("tiny", "go", max_tokens=1)).status == 200


def test_frontend_that_ends_says_so_and_finishes_its_streams(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(speedup=SPEED))
    client, process = deployment.client, deployment.frontend.process
    asked = streamed(completion("tiny", "go", max_tokens=LONG))
    with client.stream(TEXT, asked) as events:
        next(events)
        process.signal(signal.SIGTERM)

        eventually(
            lambda: status_of(client, "/live") == (503, "shutting_down"), what="/live says so"
        )
        eventually(
            lambda: status_of(client, "/health") == (503, "not_ready"), what="/health says so"
        )
        refused = client.post(TEXT, completion("tiny", "go", max_tokens=1))
        assert (refused.status, error_of(refused).message) == (503, "Service is not ready")

        reply = read_completion_stream(events)

    assert reply.usage is not None
    assert (reply.finish, reply.usage.completion_tokens) == ("length", LONG)
    assert process.wait(30.0) == 0


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 says nothing: docs/findings.md, F57",
)
def test_refusal_without_any_model_says_why(deploy: Deploy) -> None:
    deployment = deploy()
    deployment.stop(deployment.workers[0])
    # Until then the answer may still be that of a frontend with models.
    deployment.frontend.process.wait_for_log("completion endpoints disabled")
    reply = deployment.client.post(TEXT, completion("tiny", "go", max_tokens=1))
    if reply.status != 404:
        pytest.fail(f"status {reply.status}")

    assert error_of(reply).message == "Model not found"
