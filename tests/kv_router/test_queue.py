"""Requests that wait in the router while every worker has prefill enough to do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from dyno.dynamo import FrontendSpec, KvRouterSpec, MockerSpec, completion, eventually
from dyno.dynamo.router import QueuePolicy

from tests.kv_router.asking import blocks
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.kv_router,
    pytest.mark.router,
    pytest.mark.mocker,
]

# The prefill of a prompt takes about 1 s.
SLOW = MockerSpec(speedup=0.02)

REQUESTS = 4

ATTEMPTS = 4


def deployed(deploy: Deploy, kv: KvRouterSpec) -> Deployment:
    return deploy(SLOW, frontend=FrontendSpec(kv=kv))


@pytest.fixture(scope="module")
def queueing(deploy_module: Deploy) -> Deployment:
    """A deployment where a request waits as long as the one before it is in its prefill."""
    return deployed(deploy_module, KvRouterSpec(queue_threshold=0.0))


class Asked:
    """Requests under way, and the order in which they were answered."""

    def __init__(self, deployment: Deployment, pool: ThreadPoolExecutor) -> None:
        self._deployment = deployment
        self._pool = pool
        self._replies: list[Future[None]] = []
        self.answered: list[str] = []

    def send(self, name: str, prompt: list[int], **hints: Any) -> None:
        """Sends a request; returns when the frontend has it."""
        started = self._started()
        self.throw(name, prompt, **hints)
        eventually(lambda: self._started() > started, what="the frontend has the request")

    def throw(self, name: str, prompt: list[int], **hints: Any) -> None:
        """Sends a request, and does not look after it."""

        def asked() -> None:
            payload = completion("tiny", prompt, max_tokens=1, nvext={"agent_hints": hints})
            reply = self._deployment.client.post("/v1/completions", payload)
            assert reply.status == 200, reply.text
            self.answered.append(name)

        self._replies.append(self._pool.submit(asked))

    def under_way(self) -> bool:
        """Whether one is left."""
        return not all(reply.done() for reply in self._replies)

    def wait(self) -> None:
        """Waits for all replies."""
        for reply in self._replies:
            reply.result()

    def _started(self) -> float:
        return self._deployment.metrics().total("dynamo_frontend_requests_started_total")


@contextmanager
def asking(deployment: Deployment) -> Iterator[Asked]:
    with ThreadPoolExecutor(REQUESTS) as pool:
        yield Asked(deployment, pool)


def test_without_a_threshold_no_request_waits(deploy: Deploy) -> None:
    deployment = deployed(deploy, KvRouterSpec())
    (worker,) = deployment.workers

    with asking(deployment) as asked:
        for number in range(REQUESTS):
            asked.throw(str(number), blocks(100 + number))
        eventually(lambda: worker.in_flight() > 1, what="the worker has several at a time")
        asked.wait()


def test_with_a_threshold_requests_wait_for_the_prefill_before_them(queueing: Deployment) -> None:
    (worker,) = queueing.workers
    before, most = worker.served(), 0

    with asking(queueing) as asked:
        for number in range(REQUESTS):
            asked.throw(str(number), blocks(100 + number))
        while asked.under_way():
            most = max(most, worker.in_flight())
        asked.wait()

    assert most == 1
    assert worker.served() == before + REQUESTS
    assert queueing.metrics().total("dynamo_frontend_router_queue_pending_requests") == 0


def order_of(deployment: Deployment, number: int, **hints: int) -> list[str]:
    """In which order a long and a short prompt are answered, sent in this order while another one
    is in its prefill; the hints are the short one's."""
    (worker,) = deployment.workers
    # Beside much else the two may come too late for the first one: then once more.
    for first in range(number, number + 3 * ATTEMPTS, 3):
        with asking(deployment) as asked:
            asked.send("first", blocks(first, 60))
            eventually(lambda: worker.in_flight() == 1, what="the first one is at work")
            asked.send("long", blocks(first + 1, 6))
            asked.send("short", blocks(first + 2, 1), **hints)
            waited = not asked.answered
            asked.wait()
        if waited:
            return asked.answered
    pytest.fail("the first one was answered each time before the others could wait for it")


@pytest.mark.parametrize(
    ("number", "hints", "order"),
    [
        (200, {}, ["first", "long", "short"]),
        (300, {"priority": 1000}, ["first", "short", "long"]),
        (400, {"strict_priority": 1}, ["first", "short", "long"]),
    ],
    ids=["first come", "priority", "strict priority"],
)
def test_hints_say_who_is_next(
    queueing: Deployment, number: int, hints: dict[str, int], order: list[str]
) -> None:
    assert order_of(queueing, number, **hints) == order


def test_policy_says_who_is_next(deploy: Deploy) -> None:
    kv = KvRouterSpec(queue_threshold=0.0, queue_policy=QueuePolicy.SHORTEST)
    deployment = deployed(deploy, kv)

    assert order_of(deployment, 200) == ["first", "short", "long"]
