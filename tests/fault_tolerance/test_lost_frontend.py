"""Frontends that die or hang while workers work for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dyno.dynamo import (
    FrontendSpec,
    MockerSpec,
    RouterMode,
    StreamCut,
    completion,
    eventually,
    nvext,
    route_of,
)

from tests.utils.counting import CountingSpec, counted
from tests.utils.deploying import Deploy
from tests.utils.midstream import caught, holder

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.router,
    pytest.mark.fault_tolerance,
]

ROUND_ROBIN = FrontendSpec(router=RouterMode.ROUND_ROBIN)
PROMPT = list(range(20, 30))
TOKENS = 40


def test_workers_drop_what_a_dead_frontend_has_asked(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(CountingSpec(gate), frontend=ROUND_ROBIN)
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=8) as stream:
        worker = holder(deployment.workers)
        deployment.frontend.process.kill()

        with pytest.raises(StreamCut):
            stream.finish()
        eventually(lambda: worker.in_flight() == 0, what="the worker drops the request")
    assert len(stream.pieces) == 8


def test_frontend_that_comes_back_knows_its_workers(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(CountingSpec(gate), CountingSpec(gate), frontend=ROUND_ROBIN)
    frontend, url = deployment.frontend.process, deployment.url
    before = deployment.frontend.discovered_workers()
    frontend.kill()
    with pytest.raises(ConnectionRefusedError):
        deployment.client.get("/health")

    frontend.restart()

    deployment.await_workers()
    assert (deployment.url, deployment.frontend.discovered_workers()) == (url, before)
    served = [worker.served() for worker in deployment.workers]
    for _ in range(4):
        asked = completion("tiny", PROMPT, max_tokens=3)
        assert deployment.client.post("/v1/completions", asked).status == 200
    assert [worker.served() - b for worker, b in zip(deployment.workers, served, strict=True)] == [
        2,
        2,
    ]


@pytest.mark.kv_router
@pytest.mark.vllm
@pytest.mark.mocker
def test_frontend_that_comes_back_learns_what_workers_hold(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), MockerSpec())
    prompt = [100] * (4 * MockerSpec().block_size)
    held_by = deployment.workers[1]

    def ask(worker: int | None = None) -> tuple[int, float]:
        asked = completion("tiny", prompt, max_tokens=1, **nvext(tell_route=True, worker=worker))
        route = route_of(deployment.client.post("/v1/completions", asked).json())
        return route.decode_worker, route.kv_hit_rate

    assert ask(held_by.id) == (held_by.id, 0.0)
    eventually(lambda: ask() == (held_by.id, 1.0), what="the router hears of the blocks")

    deployment.frontend.process.kill()
    deployment.frontend.process.restart()

    eventually(lambda: ask() == (held_by.id, 1.0), what="the new router learns of the blocks")


def test_other_frontends_go_on(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(CountingSpec(gate), frontends=(ROUND_ROBIN, ROUND_ROBIN))
    dying, other = deployment.frontends
    with (
        caught(dying.client, PROMPT, tokens=TOKENS, after=8) as lost,
        caught(other.client, PROMPT, tokens=TOKENS, after=8) as stream,
    ):
        (worker,) = deployment.workers
        assert worker.in_flight() == 2
        dying.process.kill()
        with pytest.raises(StreamCut):
            lost.finish()
        eventually(lambda: worker.in_flight() == 1, what="one request is dropped")
        gate.touch()
        assert stream.finish().pieces == counted(deployment.model, len(PROMPT), TOKENS)


def test_stream_of_a_frontend_that_hangs_goes_on_with_it(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(CountingSpec(gate), frontend=ROUND_ROBIN)
    frontend, (worker,) = deployment.frontend.process, deployment.workers
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=8) as stream:
        frontend.pause()
        assert frontend.state() == "paused"
        gate.touch()
        # The worker is done with it while the frontend hangs.
        eventually(lambda: worker.in_flight() == 0, what="the worker has said all")
        assert len(stream.pieces) == 8
        frontend.resume()
        reply = stream.finish()

    assert reply.pieces == counted(deployment.model, len(PROMPT), TOKENS)
