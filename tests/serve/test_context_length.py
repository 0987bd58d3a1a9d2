"""Prompts as long as the context, and one token longer."""

from __future__ import annotations

import pytest
from dyno.dynamo import Usage, completion, error_of, usage_of

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.frontend,
    pytest.mark.mocker,
]


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module()


def context(served: Deployment) -> int:
    return served.workers[0].spec.max_model_len


@pytest.mark.parametrize(("room", "tokens"), [(2, 2), (1, 1)])
def test_prompt_that_leaves_room_is_answered_to_the_end_of_the_context(
    served: Deployment, room: int, tokens: int
) -> None:
    length = context(served) - room
    asked = completion("tiny", [5] * length, max_tokens=10)
    reply = served.client.post("/v1/completions", asked)

    assert reply.status == 200, reply.text
    assert usage_of(reply.json()) == Usage(length, tokens)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("over", [0, 1])
def test_prompt_that_leaves_no_room_is_refused(served: Deployment, over: int, stream: bool) -> None:
    length, before = context(served) + over, served.workers[0].served()
    asked = completion("tiny", [5] * length, max_tokens=1, stream=stream)
    reply = served.client.post("/v1/completions", asked)

    error = error_of(reply)
    assert error.status == 400
    assert f"maximum context length is {context(served)} tokens" in error.message
    assert f"resulted in {length} tokens" in error.message
    assert served.workers[0].served() == before
