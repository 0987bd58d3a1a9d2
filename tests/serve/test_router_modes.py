"""How each router mode chooses among workers that are alike, as the workers' own counters tell."""

from __future__ import annotations

from itertools import pairwise
from math import comb

import pytest
from dyno.dynamo import (
    FrontendSpec,
    MockerSpec,
    RouterMode,
    Worker,
    completion,
    error_of,
    eventually,
    nvext,
    streamed,
)

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.router,
    pytest.mark.mocker,
]

# A sound random router fails a test of it in fewer than one of a million runs.
CHANCE = 1e-6
DRAWS = 200

# About 6 s: longer than the requests that are sent beside it.
LONG = 800
SLOW = MockerSpec(speedup=1.0)


def two_workers(deploy: Deploy, mode: RouterMode, spec: MockerSpec | None = None) -> Deployment:
    spec = spec or MockerSpec()
    return deploy(spec, spec, frontend=FrontendSpec(router=mode))


def served(deployment: Deployment) -> list[int]:
    return [worker.served() for worker in deployment.workers]


def ask(deployment: Deployment, prompt: list[int]) -> Worker:
    """Sends a request for one token, and tells which worker has served it."""
    before = served(deployment)
    reply = deployment.client.post("/v1/completions", completion("tiny", prompt, max_tokens=1))
    assert reply.status == 200, reply.text

    def moved() -> list[int]:
        return [now - then for now, then in zip(served(deployment), before, strict=True)]

    eventually(lambda: sum(moved()) > 0, what="a worker counts the request")
    assert sorted(moved()) == [0] * (len(before) - 1) + [1]
    return deployment.workers[moved().index(1)]


def test_round_robin_goes_round(deploy: Deploy) -> None:
    frontend = FrontendSpec(router=RouterMode.ROUND_ROBIN)
    deployment = deploy(MockerSpec(), MockerSpec(), MockerSpec(), frontend=frontend)

    turns = [ask(deployment, [7, 8, 9]) for _ in range(9)]

    assert len({worker.id for worker in turns[:3]}) == 3
    assert turns[3:6] == turns[:3]
    assert turns[6:] == turns[:3]


def least(draws: int) -> int:
    """The fewest heads of so many tosses that are taken for a fair coin's: that it shows fewer, or
    as many more, has at most `CHANCE` to come about."""
    likelihood, heads = 0.0, -1
    while likelihood <= CHANCE:
        heads += 1
        likelihood += 2 * comb(draws, heads) / 2**draws
    return heads


def test_random_is_a_fair_coin(deploy: Deploy) -> None:
    deployment = two_workers(deploy, RouterMode.RANDOM)
    first = deployment.workers[0]

    drawn = [ask(deployment, [7, 8, 9]) is first for _ in range(DRAWS)]

    heads = sum(drawn)
    assert least(DRAWS) <= heads <= DRAWS - least(DRAWS)
    # To take turns is not to draw: of two draws the second differs half of the time.
    changes = sum(one != other for one, other in pairwise(drawn))
    assert least(DRAWS - 1) <= changes <= DRAWS - 1 - least(DRAWS - 1)


@pytest.mark.parametrize(
    "mode",
    [RouterMode.LEAST_LOADED, RouterMode.POWER_OF_TWO, RouterMode.DEVICE_AWARE],
    ids=lambda mode: mode.value,
)
def test_load_sends_requests_to_the_idle_worker(deploy: Deploy, mode: RouterMode) -> None:
    deployment = two_workers(deploy, mode, SLOW)
    long = streamed(completion("tiny", [5], max_tokens=LONG))
    with deployment.client.stream("/v1/completions", long) as events:
        next(events)
        loads = [worker.in_flight() for worker in deployment.workers]
        assert sorted(loads) == [0, 1]
        busy, idle = deployment.workers[loads.index(1)], deployment.workers[loads.index(0)]

        assert [ask(deployment, [7, 8, 9]) for _ in range(8)] == [idle] * 8
        assert busy.in_flight() == 1


@pytest.mark.kv_router
@pytest.mark.parametrize(
    ("mode", "workers"),
    [(RouterMode.KV, 1), (RouterMode.ROUND_ROBIN, 2)],
    ids=["kv", "round-robin"],
)
def test_prefix_decides_in_the_mode_kv_alone(
    deploy: Deploy, mode: RouterMode, workers: int
) -> None:
    deployment = two_workers(deploy, mode)
    prompt = [100] * (4 * MockerSpec().block_size)
    holder = ask(deployment, prompt)
    if mode is RouterMode.KV:
        eventually(
            lambda: (
                deployment.metrics().total(
                    "dynamo_component_kv_cache_events_applied", event_type="stored", status="ok"
                )
                > 0
            ),
            what="the router hears of the blocks",
        )

    chosen = [ask(deployment, [*prompt, tail]) for tail in range(6)]

    assert len({worker.id for worker in chosen}) == workers
    assert chosen.count(holder) == 6 // workers


def test_direct_goes_where_the_request_says(deploy: Deploy) -> None:
    deployment = two_workers(deploy, RouterMode.DIRECT)
    before = served(deployment)
    first, second = deployment.workers

    for worker in (first, first, second, first):
        asked = completion("tiny", "go", max_tokens=1, **nvext(worker=worker.id))
        assert deployment.client.post("/v1/completions", asked).status == 200
    eventually(
        lambda: served(deployment) == [before[0] + 3, before[1] + 1], what="3 and 1 are served"
    )

    astray = deployment.client.post("/v1/completions", completion("tiny", "go", max_tokens=1))
    assert error_of(astray).message.startswith("worker ID required")
    assert astray.status == 400
    assert served(deployment) == [before[0] + 3, before[1] + 1]
