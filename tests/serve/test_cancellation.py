"""Clients that go away, by whatever request, and what they leave: nothing in the worker, nothing in
the router.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from dyno.dynamo import Client, MockerSpec, Overdue, Role, Worker, chat, completion, eventually

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.frontend,
    pytest.mark.router,
    pytest.mark.kv_router,
    pytest.mark.mocker,
]

# A whole reply takes about half a minute.
SLOW = 0.2
TOKENS = 900

CHAT = ("/v1/chat/completions", chat("tiny", "hi " * 20, max_tokens=TOKENS))
TEXT = ("/v1/completions", completion("tiny", [5] * 40, max_tokens=TOKENS))


@pytest.fixture(scope="module", params=[False, True], ids=["aggregated", "disaggregated"])
def served(request: pytest.FixtureRequest, deploy_module: Deploy) -> Deployment:
    if not request.param:
        return deploy_module(MockerSpec(speedup=SLOW))
    return deploy_module(MockerSpec(role=Role.PREFILL), MockerSpec(role=Role.DECODE, speedup=SLOW))


@contextmanager
def asked(url: str, path: str, body: dict[str, object]) -> Iterator[None]:
    """A request that is sent and whose answer nobody reads; leaving the block hangs up."""
    address, content = urlsplit(url), json.dumps(body).encode()
    assert address.hostname and address.port
    head = [
        f"POST {path} HTTP/1.1",
        f"Host: {address.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    with socket.create_connection((address.hostname, address.port), 20.0) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + content)
        yield


def decoder(deployment: Deployment) -> Worker:
    return deployment.workers[-1]


def counted(deployment: Deployment) -> tuple[int, int, int]:
    """How many requests the frontend counts: as cancelled, as ended by it, and at all."""
    metrics = deployment.metrics()
    ended = "dynamo_frontend_requests_total"
    return (
        int(metrics.total("dynamo_frontend_model_cancellation_total")),
        int(metrics.total(ended, error_type="cancelled")),
        int(metrics.total(ended)),
    )


def settles(what: str, condition: Callable[[], bool]) -> None:
    """Waits for something that has to come about long before the reply would have ended."""
    eventually(condition, what=what, within=10.0)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("path", "body"), [CHAT, TEXT], ids=["chat", "completions"])
def test_client_that_goes_away_leaves_nothing(
    served: Deployment, path: str, body: dict[str, object], stream: bool
) -> None:
    worker, before = decoder(served), counted(served)
    with asked(served.url, path, {**body, "stream": stream}):
        eventually(lambda: worker.in_flight() == 1, what="the worker has the request")
        eventually(
            lambda: served.frontend.active_blocks(worker.id) > 0, what="the router has booked it"
        )

    settles(
        "no worker has a request",
        lambda: all(worker.in_flight() == 0 for worker in served.workers),
    )
    settles(
        "the router has freed its blocks",
        lambda: all(served.frontend.active_blocks(worker.id) == 0 for worker in served.workers),
    )
    cancelled, ended, all_ended = before
    settles("the request is counted once", lambda: counted(served)[2] == all_ended + 1)
    assert counted(served)[0] == cancelled + 1
    # One that is not streamed now and then counts as a success besides, by a race of Dynamo's.
    assert counted(served)[1] == ended + 1 or not stream
    assert served.metrics().total("dynamo_frontend_inflight_requests") == 0


def test_client_that_runs_out_of_patience_leaves_nothing(served: Deployment) -> None:
    worker, before = decoder(served), counted(served)
    path, body = TEXT

    with pytest.raises(TimeoutError):
        Client(served.url, timeout=1.0).post(path, body)

    settles("the request counts as cancelled", lambda: counted(served)[0] == before[0] + 1)
    settles("the worker is idle", lambda: worker.in_flight() == 0)


def blocks_are_freed(deploy: Deploy, *workers: MockerSpec) -> None:
    """Has a request cancelled, and waits until its worker's engine uses no block."""
    deployment = deploy(*workers)
    worker = decoder(deployment)
    path, body = TEXT
    with asked(deployment.url, path, body):
        eventually(lambda: worker.kv_usage() > 0, what="the engine uses blocks")
    settles("the worker is idle", lambda: worker.in_flight() == 0)

    try:
        settles("the engine uses no block", lambda: worker.kv_usage() == 0)
    except Overdue as error:
        raise AssertionError(str(error)) from None


def test_decode_engine_frees_the_blocks_of_a_cancelled_request(deploy: Deploy) -> None:
    decode = MockerSpec(role=Role.DECODE, speedup=SLOW, prefix_caching=False)
    blocks_are_freed(deploy, MockerSpec(role=Role.PREFILL), decode)


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="the engine of a mocker that does both goes on with a cancelled request in Dynamo "
    "1.4.2: docs/findings.md, F35",
)
def test_engine_frees_the_blocks_of_a_cancelled_request(deploy: Deploy) -> None:
    blocks_are_freed(deploy, MockerSpec(speedup=SLOW, prefix_caching=False))
