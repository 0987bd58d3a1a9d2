"""Clients that hold connections and do nothing with them: others are served all the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from dyno.dynamo import MockerSpec, Overdue, completion, eventually, streamed, tokens_of

from tests.frontend.wire import Wire, request
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.mocker,
]

TEXT = "/v1/completions"
CROWD = 500

# Connections that others are about to open or close, such as those of the deployment's start.
SPARE = 10

TOKENS = 3
# Requests that are to be answered beside the crowd.
SOME = 5

# A stream of so many tokens is 14 MB, and the kernel keeps 3 MB of it for a client that does not
# read. The mocker makes them in 4 s at this speed.
ENDLESS = 60000
SPEED = 100.0
SLOW = 5


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(MockerSpec(speedup=SPEED, max_model_len=1 << 16, blocks=1 << 15))


@contextmanager
def crowd(served: Deployment, sent: bytes) -> Iterator[list[Wire]]:
    """Many connections on each of which the same bytes were sent."""
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(served.url)) for _ in range(CROWD)]
        for wire in wires:
            wire.send(sent)
        yield wires


def open_files(served: Deployment) -> int:
    """How many files and connections the frontend has open."""
    return len(os.listdir(f"/proc/{served.frontend.process.pid}/fd"))


def assert_serves(served: Deployment) -> None:
    """A few requests, each on a connection of its own, are answered."""
    for _ in range(SOME):
        reply = served.client.post(TEXT, completion("tiny", "go", max_tokens=TOKENS))
        assert reply.status == 200, reply.text
        assert tokens_of(reply.json()) == TOKENS


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9], ids=["silent", "half-a-head", "half-a-body"])
def test_crowd_that_sends_no_whole_request_blocks_nobody(served: Deployment, share: float) -> None:
    before = open_files(served)
    whole = request(TEXT, completion("tiny", "go", max_tokens=TOKENS))
    cut = int(share * len(whole))

    with crowd(served, whole[:cut]) as wires:
        eventually(lambda: open_files(served) >= before + CROWD - SPARE, what="they are connected")
        assert_serves(served)
        # They were not turned away: who goes on is answered.
        reply = wires[CROWD // 2].ask(whole[cut:])
        assert reply.status == 200
        assert tokens_of(reply.json()) == TOKENS

    eventually(lambda: open_files(served) <= before + SPARE, what="their connections are closed")


def must(condition: Callable[[], bool], what: str) -> None:
    """Waits for what is not the point of a test that is expected to be overdue."""
    try:
        eventually(condition, what=what, within=3.0)
    except Overdue as error:
        pytest.fail(str(error))


@pytest.mark.xfail(
    strict=True,
    raises=Overdue,
    reason="the mocker of Dynamo 1.4.2 goes on to the end: docs/findings.md, F35",
)
def test_engine_drops_a_request_that_nobody_waits_for(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(speedup=1.0))
    (worker,) = deployment.workers
    # It takes 7 s.
    asked = streamed(completion("tiny", "go", max_tokens=1000))
    with deployment.client.stream(TEXT, asked) as events:
        next(events)
        must(lambda: worker.kv_usage() > 0.0, "the request has blocks")
    must(lambda: worker.in_flight() == 0, "the worker drops the request")

    eventually(lambda: worker.kv_usage() == 0.0, what="its blocks are free", within=1.0)


def test_clients_that_do_not_read_block_nobody_and_free_the_worker(served: Deployment) -> None:
    (worker,) = served.workers
    asked = request(TEXT, streamed(completion("tiny", "go", max_tokens=ENDLESS)))

    def cancelled() -> float:
        return served.metrics().total("dynamo_frontend_requests_total", error_type="cancelled")

    def sent() -> float:
        return served.metrics().total("dynamo_frontend_output_tokens_total")

    def only_others_are_sent_anything() -> bool:
        before = sent()
        assert_serves(served)
        return sent() - before == SOME * TOKENS

    gone, before = cancelled(), sent()
    with ExitStack() as stack:
        for _ in range(SLOW):
            wire = stack.enter_context(Wire(served.url, receive_buffer=4096))
            wire.send(asked)
        # All buffers on the way to them are full.
        eventually(only_others_are_sent_anything, what="the streams stand still", within=30.0)
        assert SLOW <= sent() - before < SLOW * ENDLESS
        assert worker.in_flight() == SLOW

    eventually(lambda: worker.in_flight() == 0, what="the worker drops the streams")
    eventually(lambda: cancelled() == gone + SLOW, what="they count as cancelled")
    assert_serves(served)
