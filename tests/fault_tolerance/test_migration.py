"""Streams whose worker is lost in the middle: they go on with another, token for token, as often
as the migration limit allows.

The workers count (`tests.utils.counting`): a token that is lost, given twice or out of order is
seen in the text.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest
from dyno.dynamo import (
    FrontendSpec,
    InvalidReply,
    MockerSpec,
    Role,
    RouterMode,
    Usage,
    Worker,
    completion,
    eventually,
    nvext,
    read_completion_stream,
    streamed,
    text_of,
    usage_of,
)

from tests.utils.counting import CountingSpec, counted, wait_at
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.midstream import caught, holder

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.router,
    pytest.mark.frontend,
    pytest.mark.fault_tolerance,
]

PROMPT = list(range(20, 30))
TOKENS = 40
CAUGHT = 8

ENDPOINT = "/v1/completions"


def deployed(
    deploy: Deploy,
    gate: Path,
    *,
    workers: int,
    limit: int,
    mode: RouterMode = RouterMode.ROUND_ROBIN,
    longest: int | None = None,
) -> Deployment:
    extra = () if longest is None else ("--migration-max-seq-len", str(longest))
    frontend = FrontendSpec(router=mode, migration_limit=limit, extra=extra)
    return deploy(*[CountingSpec(gate)] * workers, frontend=frontend)


def moved(deployment: Deployment, kind: str = "ongoing_request") -> int:
    """How many requests have moved after their first token."""
    name = "dynamo_frontend_model_migration_total"
    return int(deployment.metrics().total(name, migration_type=kind))


def crash(deployment: Deployment) -> Worker:
    """Kills the worker that has the request in hand."""
    worker = holder(deployment.workers)
    worker.process.kill()
    return worker


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(RouterMode.ROUND_ROBIN, id="round-robin"),
        pytest.param(RouterMode.LEAST_LOADED, id="least-loaded"),
        pytest.param(
            RouterMode.KV,
            id="kv",
            marks=[
                pytest.mark.kv_router,
                pytest.mark.xfail(
                    strict=True,
                    raises=InvalidReply,
                    reason="the KV router of Dynamo 1.4.2 takes the stream that moves for one "
                    "that it has already: docs/findings.md, F40",
                ),
            ],
        ),
    ],
)
def test_stream_goes_on_token_for_token(deploy: Deploy, gate: Path, mode: RouterMode) -> None:
    deployment = deployed(deploy, gate, workers=2, limit=3, mode=mode)

    with caught(deployment.client, PROMPT, tokens=TOKENS, after=CAUGHT) as stream:
        (other,) = (worker for worker in deployment.workers if not worker.in_flight())
        taken = other.served()
        crash(deployment)
        reply = stream.finish()

    assert reply.pieces == counted(deployment.model, len(PROMPT), TOKENS)
    assert reply.finish == "length"
    assert reply.usage == Usage(len(PROMPT), TOKENS)
    assert moved(deployment) == 1
    assert other.served() == taken + 1


def test_reply_that_is_not_streamed_goes_on_too(deploy: Deploy, gate: Path) -> None:
    deployment = deployed(deploy, gate, workers=2, limit=1)
    waiting = nvext(annotations=wait_at(len(PROMPT) + CAUGHT))
    asked = completion("tiny", PROMPT, max_tokens=TOKENS, **waiting)

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(deployment.client.post, ENDPOINT, asked)
        eventually(
            lambda: sum(worker.in_flight() for worker in deployment.workers) == 1,
            what="the request is in hand",
        )
        crash(deployment)
        reply = answer.result().json()

    assert text_of(reply) == "".join(counted(deployment.model, len(PROMPT), TOKENS))
    assert usage_of(reply) == Usage(len(PROMPT), TOKENS)


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_limit_is_how_often_a_stream_moves(deploy: Deploy, gate: Path, limit: int) -> None:
    """Its workers are killed one after another, once more than it may move."""
    deployment = deployed(deploy, gate, workers=3, limit=limit)
    stops = [CAUGHT * count for count in range(1, limit + 2)]

    with caught(
        deployment.client, PROMPT, tokens=TOKENS, after=stops[0], waits=tuple(stops[1:])
    ) as stream:
        crashed = []
        for stop in stops:
            stream.read(stop)
            crashed.append(crash(deployment))
        error = stream.error()

    assert "Internal server error" in error
    assert stream.pieces == counted(deployment.model, len(PROMPT), stops[-1])
    assert len({worker.process.name for worker in crashed}) == limit + 1


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 counts each loss of a worker as a migration: docs/findings.md, F41",
)
def test_stream_that_may_not_move_is_not_counted_as_moved(deploy: Deploy, gate: Path) -> None:
    deployment = deployed(deploy, gate, workers=2, limit=0)
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=CAUGHT) as stream:
        crash(deployment)
        stream.error()

    assert moved(deployment) == 0


@pytest.mark.parametrize(
    ("longest", "goes_on"), [(len(PROMPT) + CAUGHT, True), (len(PROMPT) + CAUGHT - 1, False)]
)
def test_stream_moves_up_to_a_length(
    deploy: Deploy, gate: Path, longest: int, goes_on: bool
) -> None:
    """The limit counts the prompt and the tokens so far; a stream of just that length moves."""
    deployment = deployed(deploy, gate, workers=2, limit=1, longest=longest)
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=CAUGHT) as stream:
        crash(deployment)
        if goes_on:
            assert stream.finish().pieces == counted(deployment.model, len(PROMPT), TOKENS)
        else:
            assert "Internal server error" in stream.error()
            assert len(stream.pieces) == CAUGHT


def test_streams_beside_it_stay_where_they_are(deploy: Deploy, gate: Path) -> None:
    deployment = deployed(deploy, gate, workers=2, limit=1)
    client, other = deployment.client, list(range(50, 70))

    with (
        caught(client, PROMPT, tokens=TOKENS, after=CAUGHT) as moving,
        caught(client, other, tokens=TOKENS, after=CAUGHT) as staying,
    ):
        # They take turns.
        assert [worker.in_flight() for worker in deployment.workers] == [1, 1]
        deployment.workers[0].process.kill()
        gate.touch()
        replies = [moving.finish(), staying.finish()]

    assert [reply.pieces for reply in replies] == [
        counted(deployment.model, len(prompt), TOKENS) for prompt in (PROMPT, other)
    ]
    assert moved(deployment) == 1


@pytest.mark.vllm
@pytest.mark.mocker
@pytest.mark.parametrize("apart", [False, True], ids=["aggregated", "disaggregated"])
def test_mocker_s_stream_keeps_its_length(deploy: Deploy, apart: bool) -> None:
    """The mocker's tokens are random, with or without a crash, and a scripted reply begins anew
    with the worker that takes over: their number is what can be compared."""
    role = Role.DECODE if apart else Role.AGGREGATED
    # About 2 s, and caught long before.
    slow, tokens = MockerSpec(role=role, speedup=1.0), 300
    prefill = [MockerSpec(role=Role.PREFILL)] if apart else []
    deployment = deploy(
        *prefill, slow, slow, frontend=FrontendSpec(RouterMode.ROUND_ROBIN, migration_limit=1)
    )
    asked = streamed(completion("tiny", PROMPT, max_tokens=tokens))

    with deployment.client.stream(ENDPOINT, asked) as events:
        first = next(events)
        crashed = holder([w for w in deployment.workers if w.spec.role is role])
        crashed.process.kill()
        reply = read_completion_stream(chain([first], events))

    assert reply.usage == Usage(len(PROMPT), tokens)
    assert reply.finish == "length"
    assert moved(deployment) == 1
