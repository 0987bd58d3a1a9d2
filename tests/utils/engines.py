"""What holds for every engine behind Dynamo, as classes of tests.

The folder of an engine makes a class of its own of each, `class TestServing(ServingTests)`, with a
module's fixture that deploys the engine: `served` with one worker, `apart` with one that prefills
and one that decodes. What an engine does otherwise is a test that its class overrides.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from dyno.dynamo import (
    Engine,
    Exposition,
    StreamedReply,
    Worker,
    completion,
    eventually,
    finish_of,
    nvext,
    read_completion_stream,
    route_of,
    streamed,
    text_of,
    usage_of,
)

from tests.utils.deployment import Deployment

__all__ = [
    "DisaggregationTests",
    "ServingTests",
    "ask",
    "engine_python",
    "hit_rate",
    "moved",
    "warm",
]

PROMPT = "the quick brown fox"


def engine_python(engine: str, what: str, made: Path | None = None) -> str:
    """The interpreter that `DYNAMO_<ENGINE>_PYTHON` names, or else the one that was made; where
    there is neither the test is skipped, and the reason says what is missing."""
    variable = f"DYNAMO_{engine.upper()}_PYTHON"
    named = os.environ.get(variable)
    if named:
        if not os.access(named, os.X_OK):
            pytest.fail(f"{variable} names no interpreter: {named}", pytrace=False)
        return named
    if made is None or not made.exists():
        pytest.skip(f"needs a real {what}; {variable}=/path/to/python names its interpreter")
    return str(made)


def ask(served: Deployment, prompt: str | list[int], **fields: Any) -> dict[str, Any]:
    """Sends a prompt and returns the whole reply, which must be one."""
    reply = served.client.post("/v1/completions", completion(served.model.name, prompt, **fields))
    assert reply.status == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def hit_rate(served: Deployment, prompt: list[int]) -> float:
    """Sends a prompt of token ids; which share of its blocks was known to be held."""
    return route_of(ask(served, prompt, max_tokens=1, **nvext(tell_route=True))).kv_hit_rate


def warm(served: Deployment, prompt: list[int]) -> None:
    """Has a prompt served, and waits until the router has heard that its blocks are held."""

    def heard() -> float:
        return served.metrics().total(
            "dynamo_component_kv_cache_events_applied", event_type="stored", status="ok"
        )

    before = heard()
    ask(served, prompt, max_tokens=1)
    eventually(lambda: heard() > before, what="the router hears of the blocks")


def moved(worker: Worker, before: Exposition, name: str) -> int:
    """By how much a histogram of the worker's engine has grown in number."""
    count = f"{worker.spec.engine.value}:{name}_seconds_count"
    return int(worker.metrics().total(count) - before.total(count))


class ServingTests:
    """One worker that does it all."""

    #: Fields that make the engine give the same reply again.
    steady: ClassVar[dict[str, Any]]
    #: Fields that let no reply end before its limit.
    endless: ClassVar[dict[str, Any]] = {}
    #: A limit that takes the engine some seconds.
    long: ClassVar[int]

    def test_stream_says_the_same_as_the_whole_reply(self, served: Deployment) -> None:
        fields = {"max_tokens": 40, **self.steady}
        whole = ask(served, PROMPT, **fields)
        asked = streamed(completion(served.model.name, PROMPT, **fields))
        with served.client.stream("/v1/completions", asked) as events:
            stream = read_completion_stream(events)

        assert text_of(whole) != ""
        assert (stream.text, stream.finish) == (text_of(whole), finish_of(whole))
        assert stream.usage == usage_of(whole)
        assert len(stream.pieces) > 1

    @pytest.mark.parametrize("limit", [1, 7, 64])
    def test_reply_and_engine_count_the_same_tokens(self, served: Deployment, limit: int) -> None:
        (worker,) = served.workers
        before = worker.metrics()

        reply = ask(served, PROMPT, max_tokens=limit, **self.endless)

        usage = usage_of(reply)
        assert usage.prompt_tokens == len(served.model.encode(PROMPT))
        assert usage.completion_tokens == limit
        assert finish_of(reply) == "length"

        def told() -> tuple[int, int]:
            names = ("time_to_first_token", "inter_token_latency")
            first, later = (moved(worker, before, name) for name in names)
            return first, later

        eventually(lambda: told() == (1, limit - 1), what=f"1 first token, {limit - 1} after it")

    def test_metrics_are_the_engines_own(self, served: Deployment) -> None:
        (worker,) = served.workers
        ask(served, PROMPT, max_tokens=2)
        prefixes = {sample.name.partition(":")[0] for sample in worker.metrics().samples}
        assert prefixes & {engine.value for engine in Engine} == {worker.spec.engine.value}

    def test_requests_at_once_are_one_batch(self, served: Deployment) -> None:
        (worker,) = served.workers
        limits = [self.long - n for n in range(4)]
        with ExitStack() as stack:
            streams = []
            for limit in limits:
                fields = {"max_tokens": limit, **self.endless}
                asked = streamed(completion(served.model.name, PROMPT, **fields))
                streams.append(stack.enter_context(served.client.stream("/v1/completions", asked)))
            eventually(lambda: worker.running() == 4, what="the engine works at all four")
            with ThreadPoolExecutor(4) as pool:
                replies: list[StreamedReply] = list(pool.map(read_completion_stream, streams))

        assert [r.usage.completion_tokens for r in replies if r.usage is not None] == limits
        eventually(lambda: worker.running() == 0, what="the engine is idle")

    def test_frontend_knows_the_block_size(self, served: Deployment) -> None:
        size = served.metrics().only("dynamo_frontend_model_kv_cache_block_size").value
        assert size == served.workers[0].spec.block_size

    @pytest.mark.kv_router
    def test_prefix_is_held_in_blocks_of_that_size(self, served: Deployment) -> None:
        block = served.workers[0].spec.block_size
        prefix = [100] * block + [101] * block
        warm(served, [*prefix, 7])

        assert hit_rate(served, [*prefix, 8]) == pytest.approx(2 / 3)
        # A token short of the second block.
        assert hit_rate(served, [*prefix[:-1], 9]) == pytest.approx(1 / 2)
        # The same block where it is not the beginning.
        assert hit_rate(served, [10, *prefix]) == 0.0


class DisaggregationTests:
    """One worker prefills, another decodes."""

    #: Fields that make the engine give the same reply again.
    steady: ClassVar[dict[str, Any]]
    #: Fields that let no reply end before its limit.
    endless: ClassVar[dict[str, Any]] = {}

    def test_each_worker_does_its_part(self, apart: Deployment) -> None:
        prefill, decode = apart.workers
        taken = [worker.served() for worker in apart.workers]
        before = [worker.metrics() for worker in apart.workers]

        reply = ask(apart, [7] * 40, max_tokens=6, **nvext(tell_route=True), **self.endless)

        route = route_of(reply)
        assert (route.prefill_worker, route.decode_worker) == (prefill.id, decode.id)
        assert usage_of(reply).completion_tokens == 6
        assert [worker.served() for worker in apart.workers] == [n + 1 for n in taken]
        # After the first token the one that prefills has nothing more to say.
        eventually(
            lambda: moved(decode, before[1], "inter_token_latency") > 0,
            what="the engine that decodes tells of its tokens",
        )
        assert moved(prefill, before[0], "inter_token_latency") == 0

    def test_stream_says_the_same_as_the_whole_reply(self, apart: Deployment) -> None:
        fields = {"max_tokens": 30, **self.steady}
        whole = ask(apart, PROMPT, **fields)
        asked = streamed(completion(apart.model.name, PROMPT, **fields))
        with apart.client.stream("/v1/completions", asked) as events:
            stream = read_completion_stream(events)

        assert text_of(whole) != ""
        assert (stream.text, stream.usage) == (text_of(whole), usage_of(whole))

    @pytest.mark.kv_router
    def test_prefilling_worker_holds_a_prefix(self, apart: Deployment) -> None:
        block = apart.workers[0].spec.block_size
        prompt = [100] * (2 * block)

        assert hit_rate(apart, prompt) == 0.0
        assert eventually(lambda: hit_rate(apart, prompt), what="the router hears of it") == 1.0
