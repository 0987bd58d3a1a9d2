"""Prompts made of blocks, and where a frontend sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from dyno.dynamo import (
    Client,
    Frontend,
    MockerSpec,
    Route,
    Worker,
    completion,
    eventually,
    nvext,
    route_of,
    streamed,
)

from tests.utils.deployment import Deployment

__all__ = ["BLOCK", "ask", "await_rate", "blocks", "busy", "hold", "queries", "rate"]

BLOCK = MockerSpec().block_size

# Tokens of a reply that goes on for longer than a test looks at it: 6 s at the speed of the GPU
# that is simulated.
LONG = 800


def blocks(number: int, count: int = 4, *, size: int = BLOCK) -> list[int]:
    """A prompt of whole blocks that shares not one with the prompt of another number."""
    return [number] * (count * size)


def ask(
    client: Client, prompt: Sequence[int], *, worker: Worker | None = None, max_tokens: int = 1
) -> Route:
    """Sends a prompt, to the given worker if one is given, and tells where it went and how much of
    it the router knew to be there."""
    asked = nvext(tell_route=True, worker=None if worker is None else worker.id)
    payload = completion("tiny", prompt, max_tokens=max_tokens, **asked)
    reply = client.post("/v1/completions", payload)
    assert reply.status == 200, reply.text
    return route_of(reply.json())


def rate(client: Client, prompt: Sequence[int], worker: Worker) -> float:
    """Which share of a prompt the router believes a worker to hold. The worker holds it from then
    on."""
    route = ask(client, prompt, worker=worker)
    assert route.decode_worker == worker.id
    return route.kv_hit_rate


def await_rate(
    client: Client, prompt: Sequence[int], worker: Worker, expected: float, *, within: float = 20.0
) -> None:
    """Waits until the router believes a worker to hold so much of a prompt."""
    eventually(
        lambda: abs(rate(client, prompt, worker) - expected) < 1e-9,
        what=f"the router believes {worker.process.name} to hold {expected:.3f} of the prompt",
        within=within,
    )


def hold(deployment: Deployment, prompt: Sequence[int], worker: Worker) -> None:
    """Makes a worker hold a prompt of whole blocks; returns when every frontend that runs knows."""
    running: list[Frontend] = [each for each in deployment.frontends if each.process.is_running()]
    ask(running[0].client, prompt, worker=worker)
    for frontend in running:
        await_rate(frontend.client, prompt, worker, 1.0)


def queries(worker: Worker) -> int:
    """How often a worker has been asked what it holds, by a router that had missed something."""
    return int(
        sum(
            sample.value
            for sample in worker.metrics().find("dynamo_component_requests_total")
            if sample.labels["dynamo_endpoint"].startswith("worker_kv_query")
        )
    )


@contextmanager
def busy(client: Client, worker: Worker | None, prompts: Sequence[Sequence[int]]) -> Iterator[None]:
    """In the block some prompts, whose prefill is over, are being replied to, by the given worker
    if one is given. They were sent one after another."""
    with ExitStack() as stack:
        for prompt in prompts:
            asked = nvext(worker=None if worker is None else worker.id)
            payload = streamed(completion("tiny", prompt, max_tokens=LONG, **asked))
            events = stack.enter_context(client.stream("/v1/completions", payload))
            next(events)
        yield
