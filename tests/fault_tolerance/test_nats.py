"""NATS that hangs or is restarted, where it carries requests and events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dyno
import pytest
from dyno.dynamo import (
    Client,
    Discovery,
    EventPlane,
    FrontendSpec,
    MockerSpec,
    Planes,
    Reply,
    RequestPlane,
    RouterMode,
    completion,
    error_of,
    eventually,
    nvext,
    route_of,
)

from tests.utils.counting import CountingSpec, counted
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.midstream import caught

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.router,
    pytest.mark.frontend,
    pytest.mark.mocker,
    pytest.mark.fault_tolerance,
]

PLANES = Planes(Discovery.FILE, RequestPlane.NATS, EventPlane.NATS)
# A request that NATS does not take is given up after a second, not after ten.
IMPATIENT = {"DYN_NATS_REQUEST_TIMEOUT_SECS": "1"}
ROUND_ROBIN = FrontendSpec(router=RouterMode.ROUND_ROBIN, variables=IMPATIENT)
PROMPT = list(range(20, 30))
TOKENS = 40


def nats_of(deployment: Deployment) -> dyno.Process:
    assert deployment.services.nats is not None
    return deployment.services.nats.process


def monitor_of(deployment: Deployment) -> Client:
    """A client of NATS's monitoring that soon loses patience."""
    assert deployment.services.nats is not None
    return Client(deployment.services.nats.monitor, timeout=0.5)


def ask(deployment: Deployment) -> Reply:
    return deployment.client.post("/v1/completions", completion("tiny", PROMPT, max_tokens=1))


def test_stream_does_not_need_nats_any_more(deploy: Deploy, gate: Path) -> None:
    """NATS brings the request; the reply comes straight from the worker."""
    deployment = deploy(CountingSpec(gate), frontend=ROUND_ROBIN, planes=PLANES)
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=8) as stream:
        nats_of(deployment).kill()
        with pytest.raises(ConnectionRefusedError):
            monitor_of(deployment).get("/healthz")
        gate.touch()
        reply = stream.finish()

    assert reply.pieces == counted(deployment.model, len(PROMPT), TOKENS)


def test_requests_are_refused_without_nats_and_served_when_it_is_back(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), frontend=ROUND_ROBIN, planes=PLANES)
    (worker,) = deployment.workers
    before = worker.served()
    nats_of(deployment).kill()

    refused = ask(deployment)
    assert error_of(refused).status >= 500
    assert worker.served() == before

    nats_of(deployment).restart()
    eventually(
        lambda: ask(deployment).status == 200, what="requests are answered again", within=30.0
    )
    assert worker.served() > before


def test_request_waits_for_nats_that_hangs(deploy: Deploy) -> None:
    frontend = FrontendSpec(router=RouterMode.ROUND_ROBIN)
    deployment = deploy(MockerSpec(), frontend=frontend, planes=PLANES)
    (worker,) = deployment.workers
    before = worker.served()
    nats_of(deployment).pause()
    with pytest.raises(TimeoutError):
        monitor_of(deployment).get("/healthz")

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, deployment)
        active = "dynamo_frontend_inflight_requests"
        eventually(lambda: deployment.metrics().total(active) == 1, what="the request is there")
        assert worker.served() == before
        nats_of(deployment).resume()
        assert answer.result().status == 200
    assert worker.served() == before + 1


@pytest.mark.kv_router
def test_router_hears_of_blocks_again_when_nats_is_back(deploy: Deploy) -> None:
    planes = Planes(Discovery.FILE, RequestPlane.TCP, EventPlane.NATS)
    deployment = deploy(MockerSpec(), planes=planes)
    length = 4 * MockerSpec().block_size

    def hit_rate(prompt: int, tail: int) -> float:
        """Sends one of the prompts, each of other tokens, and a token more."""
        tokens = [*[100 + prompt] * length, tail]
        asked = completion("tiny", tokens, max_tokens=1, **nvext(tell_route=True))
        return route_of(deployment.client.post("/v1/completions", asked).json()).kv_hit_rate

    nats_of(deployment).kill()
    assert hit_rate(0, 1) == hit_rate(0, 2) == 0.0

    nats_of(deployment).restart()
    prompts = iter(range(1, 1000))

    def hears() -> float:
        # A worker tells of blocks once, so that each time there must be new ones.
        prompt = next(prompts)
        hit_rate(prompt, 1)
        return hit_rate(prompt - 1, 2)

    assert eventually(hears, what="the router hears of the blocks", within=30.0) == pytest.approx(
        4 / 5
    )
