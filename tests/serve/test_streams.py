"""Many streams at once, over two workers that take turns."""

from __future__ import annotations

import asyncio

import openai
import pytest
from dyno.dynamo import FrontendSpec, MockerSpec, RouterMode, eventually, nvext

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

STREAMS = 32
# At this speed they take about 2 s to stream, so that all are seen open at once, and in so few
# chunks that the client keeps up.
SPEED = 0.4
REPLIES = {f"reply-{n}": f"this is the reply of stream {n}: {'fox ' * 50}." for n in range(STREAMS)}


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    worker = MockerSpec(speedup=SPEED)
    return deploy_module(
        worker, worker, frontend=FrontendSpec(router=RouterMode.ROUND_ROBIN), replies=REPLIES
    )


def test_streams_at_once_each_get_their_own_reply(served: Deployment) -> None:
    before = [worker.served() for worker in served.workers]

    def open_streams() -> int:
        return int(served.metrics().total("dynamo_frontend_inflight_requests"))

    async def stream(client: openai.AsyncOpenAI, reply: str) -> str:
        chunks = await client.completions.create(
            model=served.model.name,
            prompt="go",
            max_tokens=1000,
            stream=True,
            extra_body=nvext(reply=reply),
        )
        return "".join([choice.text async for chunk in chunks for choice in chunk.choices])

    async def stream_all() -> list[str]:
        async with served.async_openai() as client:
            replies = asyncio.gather(*(stream(client, reply) for reply in REPLIES))
            await asyncio.to_thread(
                eventually, lambda: open_streams() == STREAMS, what=f"{STREAMS} streams are open"
            )
            return await replies

    assert asyncio.run(stream_all()) == list(REPLIES.values())
    taken = [worker.served() - b for worker, b in zip(served.workers, before, strict=True)]
    assert taken == [STREAMS // 2, STREAMS // 2]


def test_workers_take_turns(served: Deployment) -> None:
    before = [worker.served() for worker in served.workers]
    for _ in range(6):
        served.openai.completions.create(model=served.model.name, prompt="turn", max_tokens=1)

    taken = [worker.served() - b for worker, b in zip(served.workers, before, strict=True)]
    assert taken == [3, 3]


def test_client_that_goes_away_frees_its_worker(served: Deployment) -> None:
    def in_flight() -> int:
        return sum(worker.in_flight() for worker in served.workers)

    def cancelled() -> int:
        ended = served.metrics().total("dynamo_frontend_requests_total", error_type="cancelled")
        return int(ended)

    before = cancelled()
    stream = served.openai.completions.create(
        model=served.model.name, prompt="go", max_tokens=300, stream=True
    )
    eventually(lambda: in_flight() == 1, what="the request reaches a worker")
    stream.close()

    # The whole reply would have taken 5 s.
    eventually(lambda: in_flight() == 0, what="the worker drops the request", within=3.0)
    eventually(lambda: cancelled() == before + 1, what="the request counts as cancelled")
