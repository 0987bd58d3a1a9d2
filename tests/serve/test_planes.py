"""Every way in which the processes of a deployment can find each other and talk.

Discovery in memory joins no two processes, Kubernetes needs a cluster, and the HTTP request plane
of older documents is gone from 1.4.2: they are not here.
"""

from __future__ import annotations

from itertools import product

import pytest
from dyno.dynamo import (
    Client,
    Discovery,
    EventPlane,
    MockerSpec,
    Planes,
    RequestPlane,
    Usage,
    chat,
    completion,
    eventually,
    nvext,
    read_chat_stream,
    route_of,
    streamed,
)

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.router,
    pytest.mark.kv_router,
    pytest.mark.mocker,
]

COMBINATIONS = [
    Planes(*kinds) for kinds in product((Discovery.FILE, Discovery.ETCD), RequestPlane, EventPlane)
]

BLOCKS = 4
PROMPT = [100] * (BLOCKS * MockerSpec().block_size)


def hit_rate(deployment: Deployment, tail: int) -> float:
    """Sends the prompt and one token more; tells which share of its blocks the router knew of."""
    asked = completion("tiny", [*PROMPT, tail], max_tokens=1, **nvext(tell_route=True))
    reply = deployment.client.post("/v1/completions", asked)
    assert reply.status == 200, reply.text
    return route_of(reply.json()).kv_hit_rate


def assert_used(deployment: Deployment) -> None:
    """The planes are in use that the deployment was told to use, by what others say of them."""
    planes, services = deployment.planes, deployment.services
    (worker,) = deployment.workers
    transports = [
        each["transport"]
        for each in deployment.frontend.instances()
        if each["instance_id"] == worker.id and each["endpoint"] == "generate"
    ]
    assert [planes.requests.value in str(transport) for transport in transports] == [True]
    if services.etcd is not None:
        # All keys there are, from the first byte on (base64).
        everything = {"key": "AA==", "range_end": "AA==", "count_only": True}
        found = Client(services.etcd.url).post("/v3/kv/range", everything).json()
        assert int(found["count"]) > 0
    if services.nats is not None:
        told = Client(services.nats.monitor).get("/subsz?subs=1").json()
        subjects = [each["subject"] for each in told["subscriptions_list"]]
        by_nats = any(subject.startswith("dynamo_backend.generate-") for subject in subjects)
        assert by_nats == (planes.requests is RequestPlane.NATS)
        by_nats = any(subject.endswith(".kv-events") for subject in subjects)
        assert by_nats == (planes.events is EventPlane.NATS)


@pytest.mark.parametrize("planes", COMBINATIONS, ids=str)
def test_requests_and_events_get_through(deploy: Deploy, planes: Planes) -> None:
    deployment = deploy(MockerSpec(), planes=planes)
    (worker,) = deployment.workers
    before = worker.served()

    # A request to the worker and its reply; then its event to the router, which knows the blocks.
    assert hit_rate(deployment, 1) == 0.0
    known = BLOCKS / (BLOCKS + 1)
    tails = iter(range(2, 10_000))
    eventually(
        lambda: hit_rate(deployment, next(tails)) == pytest.approx(known),
        what="the router hears of the blocks",
    )
    sent = next(tails) - 1

    with deployment.client.stream(
        "/v1/chat/completions", streamed(chat("tiny", "hello, fox", max_tokens=5))
    ) as events:
        reply = read_chat_stream(events)
    assert reply.finish == "length"
    assert reply.usage is not None
    assert reply.usage == Usage(reply.usage.prompt_tokens, 5)
    eventually(lambda: worker.served() == before + sent + 1, what="the worker has served all")
    eventually(lambda: worker.in_flight() == 0, what="the worker is idle")
    assert_used(deployment)
