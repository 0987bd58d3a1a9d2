"""KV-aware routing: a prompt goes to the worker that holds its beginning."""

from __future__ import annotations

import pytest
from dyno.dynamo import MockerSpec, Route, Worker, eventually, nvext, route_of

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

BLOCK = MockerSpec().block_size
# A prefix fills these blocks; what a test adds makes one more, partial, which no worker holds.
PREFIX_BLOCKS = 4
WARM = pytest.approx(PREFIX_BLOCKS / (PREFIX_BLOCKS + 1))
COLD = 0.0


def prefix(number: int) -> list[int]:
    """Token ids that share not one block with the prefix of another number."""
    return [100 + number] * (PREFIX_BLOCKS * BLOCK)


def ask(deployment: Deployment, prompt: list[int], *, worker: Worker | None = None) -> Route:
    """Sends a prompt, to the given worker if one is given, and tells where it went."""
    completion = deployment.openai.completions.create(
        model=deployment.model.name,
        prompt=prompt,
        max_tokens=1,
        extra_body=nvext(tell_route=True, worker=None if worker is None else worker.id),
    )
    return route_of(completion.to_dict())


def blocks_known(deployment: Deployment) -> float:
    """How many stored-blocks events of workers the router has taken in."""
    return deployment.metrics().total(
        "dynamo_component_kv_cache_events_applied", event_type="stored", status="ok"
    )


def warm(deployment: Deployment, prompt: list[int], worker: Worker) -> None:
    """Makes a worker hold a prompt, and waits until the router has heard of it."""
    before = blocks_known(deployment)
    assert ask(deployment, prompt, worker=worker).decode_worker == worker.id
    eventually(lambda: blocks_known(deployment) > before, what="the router hears of the blocks")


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(MockerSpec(), MockerSpec())


def test_repeated_prefix_goes_to_the_worker_that_holds_it(served: Deployment) -> None:
    first, second = served.workers
    held = {1: first, 2: second, 3: second, 4: first}
    for number, worker in held.items():
        warm(served, prefix(number), worker)

    before = {worker.id: worker.served() for worker in served.workers}
    for repeat in range(3):
        for number, worker in held.items():
            route = ask(served, [*prefix(number), 50 + repeat])
            assert route.decode_worker == worker.id
            assert route.kv_hit_rate == WARM

    # The workers say the same as the replies did.
    assert {worker.id: worker.served() - before[worker.id] for worker in served.workers} == {
        first.id: 6,
        second.id: 6,
    }


def test_prompt_that_no_worker_holds_hits_nothing(served: Deployment) -> None:
    warm(served, prefix(10), served.workers[0])

    assert ask(served, [*prefix(11), 50]).kv_hit_rate == COLD


def test_only_whole_blocks_from_the_start_count(served: Deployment) -> None:
    warm(served, prefix(20), served.workers[1])

    half = [*prefix(20)[: 2 * BLOCK], *prefix(21)[: 2 * BLOCK], 50]
    assert ask(served, half).kv_hit_rate == pytest.approx(2 / 5)
    shifted = [50, *prefix(22)[:-1], *prefix(20)]
    assert ask(served, shifted).kv_hit_rate == COLD


def test_hit_rate_is_in_the_routers_metrics(served: Deployment) -> None:
    warm(served, prefix(30), served.workers[0])

    name = "dynamo_component_router_kv_hit_rate"
    before = served.metrics()
    ask(served, [*prefix(30), 50])
    after = served.metrics()

    assert after.total(f"{name}_count") - before.total(f"{name}_count") == 1
    assert after.total(f"{name}_sum") - before.total(f"{name}_sum") == WARM


@pytest.mark.fault_tolerance
def test_prefix_of_a_worker_that_left_is_forgotten(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), MockerSpec())
    leaver, stayer = deployment.workers
    warm(deployment, prefix(1), leaver)

    deployment.stop(leaver)

    route = ask(deployment, [*prefix(1), 50])
    assert (route.decode_worker, route.kv_hit_rate) == (stayer.id, COLD)
