"""Deployments of other shapes than one frontend, one model and workers that are alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from dyno.dynamo import (
    Client,
    FrontendSpec,
    KvRouterSpec,
    MockerSpec,
    Role,
    Route,
    RouterMode,
    RouterSpec,
    Usage,
    Worker,
    chat,
    completion,
    error_of,
    eventually,
    message,
    nvext,
    route_of,
    text_of,
    usage_of,
)

from tests.utils.certificates import self_signed
from tests.utils.deploying import Deploy

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.frontend,
    pytest.mark.router,
    pytest.mark.mocker,
]

OTHER = MockerSpec(namespace="elsewhere", model_name="other")
PROMPT = [100] * (4 * MockerSpec().block_size)


def ask(
    client: Client, prompt: list[int], *, model: str = "tiny", worker: int | None = None
) -> Route:
    """Sends a prompt, to the given worker if one is given, and tells where it went."""
    asked = completion(model, prompt, max_tokens=1, **nvext(tell_route=True, worker=worker))
    reply = client.post("/v1/completions", asked)
    assert reply.status == 200, reply.text
    return route_of(reply.json())


def await_hit(client: Client, holder: Worker) -> None:
    """Waits until a frontend sends the prompt to the worker that holds it."""
    eventually(
        lambda: ask(client, PROMPT) == Route(holder.id, holder.id, 1.0),
        what="the prompt goes to its holder",
    )


def test_each_model_is_served_by_its_own_workers(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), OTHER, OTHER)
    tiny, *others = deployment.workers
    names = [each["id"] for each in deployment.client.get("/v1/models").json()["data"]]

    assert sorted(names) == ["other", "tiny"]
    assert (deployment.live_workers(), deployment.live_workers("other")) == (1, 2)
    for number in range(4):
        prompt = [number] * 20
        assert ask(deployment.client, prompt).decode_worker == tiny.id
        asked = ask(deployment.client, prompt, model="other")
        assert asked.decode_worker in {worker.id for worker in others}


def test_model_goes_with_its_last_worker(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), OTHER)
    deployment.stop(deployment.workers[1])

    reply = deployment.client.post("/v1/completions", completion("other", "go"))
    assert (reply.status, error_of(reply).message) == (404, "Model not found")
    ask(deployment.client, [1, 2, 3])


@pytest.mark.parametrize(
    ("frontend", "seen"),
    [
        (FrontendSpec(namespace="one"), {"first"}),
        (FrontendSpec(namespace_prefix="one"), {"first", "second"}),
        (FrontendSpec(), {"first", "second", "third"}),
    ],
    ids=["exact", "prefix", "all"],
)
def test_frontend_sees_its_namespaces(
    deploy: Deploy, frontend: FrontendSpec, seen: set[str]
) -> None:
    deployment = deploy(
        MockerSpec(namespace="one", model_name="first"),
        MockerSpec(namespace="one-more", model_name="second"),
        MockerSpec(namespace="two", model_name="third"),
        frontend=frontend,
    )

    models = deployment.client.get("/v1/models").json()["data"]
    assert {model["id"] for model in models} == seen


@pytest.mark.kv_router
def test_two_frontends_know_what_either_has_caused(deploy: Deploy) -> None:
    synced = FrontendSpec(kv=KvRouterSpec(replica_sync=True))
    deployment = deploy(MockerSpec(), MockerSpec(), frontends=(synced, synced))
    one, two = (frontend.client for frontend in deployment.frontends)
    holder = deployment.workers[1]

    assert ask(one, PROMPT, worker=holder.id).kv_hit_rate == 0.0
    for client in (one, two):
        await_hit(client, holder)


@pytest.mark.kv_router
def test_frontend_that_comes_later_learns_what_workers_hold(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), MockerSpec())
    holder = deployment.workers[1]
    ask(deployment.client, PROMPT, worker=holder.id)

    later = deployment.add_frontend(FrontendSpec())

    await_hit(later.client, holder)


def test_tls_is_all_that_the_frontend_speaks(deploy: Deploy, tmp_path: Path) -> None:
    tls = self_signed(tmp_path)
    deployment = deploy(frontend=FrontendSpec(tls=tls))

    assert deployment.url.startswith("https://")
    ask(deployment.client, [1, 2, 3])
    assert deployment.metrics().total("dynamo_frontend_requests_total") > 0
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        Client(deployment.url).get("/health")


def test_anthropic_messages_are_served_beside_the_others(deploy: Deploy) -> None:
    deployment = deploy(
        MockerSpec(), frontend=FrontendSpec(anthropic=True), replies={"fox": "the quick brown fox"}
    )
    reply = deployment.client.post("/v1/messages", message("tiny", "hello", max_tokens=4)).json()

    assert (reply["type"], reply["role"], reply["stop_reason"]) == (
        "message",
        "assistant",
        "max_tokens",
    )
    assert usage_of(reply).completion_tokens == 4
    asked = chat("tiny", "hello", **nvext(reply="fox"))
    assert text_of(deployment.client.post("/v1/chat/completions", asked).json()) == (
        "the quick brown fox"
    )


def test_prefill_and_decode_are_apart_in_every_turn(deploy: Deploy) -> None:
    workers = (MockerSpec(role=Role.PREFILL), MockerSpec(role=Role.DECODE))
    deployment = deploy(*workers, frontend=FrontendSpec(router=RouterMode.ROUND_ROBIN))
    before = [worker.served() for worker in deployment.workers]

    for _ in range(3):
        reply = deployment.client.post("/v1/completions", completion("tiny", PROMPT, max_tokens=5))
        assert usage_of(reply.json()) == Usage(len(PROMPT), 5)

    def moved() -> list[int]:
        return [w.served() - b for w, b in zip(deployment.workers, before, strict=True)]

    eventually(lambda: moved() == [3, 3], what="both have served each request")


@pytest.mark.kv_router
def test_ranks_of_one_worker_hold_blocks_of_their_own(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(data_parallel=2))
    (worker,) = deployment.workers

    def hit_rate(rank: int) -> float:
        asked = nvext(tell_route=True, worker=worker.id, dp_rank=rank)
        payload = completion("tiny", PROMPT, max_tokens=1, **asked)
        return route_of(deployment.client.post("/v1/completions", payload).json()).kv_hit_rate

    assert hit_rate(1) == 0.0
    assert eventually(lambda: hit_rate(1), what="the router hears of the blocks") == 1.0
    assert hit_rate(0) == 0.0


@pytest.mark.kv_router
def test_router_that_runs_alone_is_discovered(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec())
    router = deployment.add_router(RouterSpec(kv=KvRouterSpec(temperature=0.0)))

    offered = {
        each["endpoint"]
        for each in deployment.frontend.instances()
        if each["component"] == "router"
    }
    assert router.endpoint == "dynamo.router.generate"
    assert {"generate", "best_worker_id", "get_overlap_scores"} <= offered
    # It is no worker of the model's.
    assert deployment.live_workers() == 1


def test_engine_tells_how_full_its_cache_is(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(blocks=100, prefix_caching=False, speedup=0.5))
    (worker,) = deployment.workers
    assert worker.kv_usage() == 0.0

    long = completion("tiny", PROMPT, max_tokens=200, stream=True)
    with deployment.client.stream("/v1/completions", long) as events:
        next(events)
        # The prompt's four blocks, then one more for each 16 tokens of the reply as they come.
        early = eventually(worker.kv_usage, what="the engine tells of the blocks")
        assert 0.04 <= early <= 0.17
        assert list(events)
    eventually(lambda: worker.kv_usage() == 0.0, what="the blocks are free")
