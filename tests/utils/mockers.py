"""What holds for the mocker, whichever engine it plays: what holds for every engine, and what a
mocker alone can be brought to, a full cache and a slow reply.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from dyno.dynamo import (
    Client,
    MockerSpec,
    Overdue,
    completion,
    eventually,
    finish_of,
    nvext,
    streamed,
    usage_of,
)

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.engines import DisaggregationTests, ServingTests, ask

__all__ = ["REPLIES", "MockerDisaggregationTests", "MockerServingTests"]

REPLIES = {"fox": "the quick brown fox jumps over the lazy dog."}

# A reply of 900 tokens takes a minute.
SLOWLY = 0.1

# What these wait for takes 0.1 s, where it comes.
SOON_SECONDS = 3.0


class MockerServingTests(ServingTests):
    """One mocker."""

    steady: ClassVar[dict[str, Any]] = nvext(reply="fox")
    # 4 s at the speed of the GPU that is simulated.
    long: ClassVar[int] = 600

    spec: ClassVar[MockerSpec]
    #: Whether the engine takes a request's blocks away for another's; `None`: it does not tell.
    preempts: ClassVar[bool | None]

    def test_requests_that_do_not_fit_at_once_are_all_served(self, deploy: Deploy) -> None:
        blocks = 8
        deployment = deploy(replace(self.spec, blocks=blocks, speedup=10.0))
        (worker,) = deployment.workers
        room = blocks * self.spec.block_size
        limits = [room // 2 + n for n in range(6)]

        def reply_tokens(limit: int) -> int:
            prompt = [limit % 500] * (room // 4)
            return usage_of(ask(deployment, prompt, max_tokens=limit)).completion_tokens

        with ThreadPoolExecutor(len(limits)) as pool:
            assert list(pool.map(reply_tokens, limits)) == limits
        if self.preempts is not None:
            name = f"{self.spec.engine.value}:num_preemptions_total"
            assert (worker.metrics().only(name).value > 0) is self.preempts

    @pytest.mark.xfail(
        strict=True,
        raises=AssertionError,
        reason="Dynamo 1.4.2's mocker finishes what nobody waits for: docs/findings.md, F35",
    )
    def test_client_that_hangs_up_frees_the_engine(self, deploy: Deploy) -> None:
        deployment = deploy(replace(self.spec, speedup=SLOWLY))
        (worker,) = deployment.workers
        asked = streamed(completion(deployment.model.name, "go", max_tokens=900))
        with deployment.client.stream("/v1/completions", asked) as events:
            next(events)
            eventually(lambda: worker.running() == 1, what="the engine works at it")
        eventually(lambda: worker.in_flight() == 0, what="Dynamo drops the request")

        with suppress(Overdue):
            eventually(lambda: worker.running() == 0, what="", within=SOON_SECONDS)
        assert worker.running() == 0

    @pytest.mark.xfail(
        strict=True,
        raises=(TimeoutError, AssertionError),
        reason="Dynamo 1.4.2's mocker does not refuse what it has no room for: "
        "docs/findings.md, F61",
    )
    def test_request_that_never_fits_is_refused_or_cut(self, deploy: Deploy) -> None:
        blocks = 16
        deployment = deploy(replace(self.spec, blocks=blocks))
        client = Client(deployment.url, timeout=SOON_SECONDS)
        room = blocks * self.spec.block_size

        too_much = completion(deployment.model.name, [5] * (room // 2), max_tokens=room)
        reply = client.post("/v1/completions", too_much)
        assert 400 <= reply.status < 500 or finish_of(reply.json()) == "length"

        # It is in nobody's way either.
        little = completion(deployment.model.name, "go", max_tokens=1)
        assert client.post("/v1/completions", little).status == 200


class MockerDisaggregationTests(DisaggregationTests):
    """A mocker that prefills and one that decodes."""

    steady: ClassVar[dict[str, Any]] = nvext(reply="fox")

    def test_decoding_worker_tells_every_token_but_the_first(self, apart: Deployment) -> None:
        (_, decode) = apart.workers
        name = f"{decode.spec.engine.value}:inter_token_latency_seconds_count"
        before = decode.metrics().total(name)

        reply = ask(apart, [9] * 40, max_tokens=12)

        assert usage_of(reply).completion_tokens == 12
        eventually(
            lambda: decode.metrics().total(name) - before == 11, what="11 tokens after the first"
        )
