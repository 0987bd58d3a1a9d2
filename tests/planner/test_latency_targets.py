"""Load-based scaling towards a latency: up when every worker misses it, down when the rest can keep
it.

The engine is an exact line, as in `test_throughput.py`, and so is what is expected of the planner:
how long the next request would wait, or the next token take.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.planner.deployments import BATCHED_TOKENS, planner, queueing, tick, worker

if TYPE_CHECKING:
    from dynamo.planner.core.state_machine import PlannerScalingState

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]

KV_TOKENS = 100_000
TTFT = 1.0
ITL = 0.0255
"""Not to be met to the last digit by any number of requests below, where rounding would decide."""

MARGIN = 0.8
"""What of the target may be used after a scale-down (`load_scaling_down_sensitivity`)."""

CONTEXT = 1000
"""The tokens of context of a decoding request, and the mean of those the planner has seen."""

PROMPT = 4250
"""The mean of the prompts that the planner has seen."""


def prefill_time(tokens: float) -> float:
    """Seconds that a prompt takes, in as many forward passes as it needs."""
    passes = -(-tokens // BATCHED_TOKENS)
    return 0.001 * passes + 1e-4 * tokens


def decode_time(kv_tokens: float) -> float:
    return 0.005 + 1e-6 * kv_tokens


def targeting(mode: str, **settings: Any) -> PlannerScalingState:
    """A planner with both targets that has seen the engine work."""
    state = planner(
        **{
            "kv_tokens": KV_TOKENS,
            "mode": mode,
            "optimization_target": "sla",
            "enable_load_scaling": True,
            "load_scaling_down_sensitivity": 100 * MARGIN,
            "ttft_ms": 1000 * TTFT,
            "itl_ms": 1000 * ITL,
            **settings,
        }
    )
    state.load_benchmark_fpms(
        prefill_fpms=[
            worker(wall_time=prefill_time(tokens), prefill=(1, tokens))
            for tokens in range(500, 8001, 500)
        ],
        decode_fpms=[
            worker(wall_time=decode_time(context * batch), decode=(batch, context * batch))
            for batch in range(1, 41, 2)
            for context in (CONTEXT // 2, CONTEXT * 3 // 2)
        ],
    )
    return state


def decoding(requests: int) -> Any:
    return worker(decode=(requests, CONTEXT * requests))


def decode_rule(requests: list[int]) -> int:
    """The workers that the rule asks for, given the requests that each decodes."""
    count = len(requests)
    # The next request comes on top of those that are there.
    if all(decode_time(CONTEXT * (own + 1)) > ITL for own in requests):
        return count + 1
    if count == 1:
        return 1
    more = count / (count - 1)
    if all(decode_time(CONTEXT * (own * more + 1)) < MARGIN * ITL for own in requests):
        return count - 1
    return count


def prefill_rule(queues: list[int]) -> int:
    """The workers that the rule asks for, given the prompt tokens in each queue."""
    count = len(queues)
    if all(prefill_time(queue + PROMPT) > TTFT for queue in queues):
        return count + 1
    if count == 1:
        return 1
    more = count / (count - 1)
    # A request's own prefill takes its time however many workers there are.
    own = prefill_time(PROMPT)
    if all(prefill_time(queue * more + PROMPT) - own < MARGIN * (TTFT - own) for queue in queues):
        return count - 1
    return count


@pytest.mark.parametrize("seed", range(4))
def test_decode_keeps_its_latency(seed: int) -> None:
    draw = random.Random(seed)
    state = targeting("decode")
    seen = set()
    for _ in range(100):
        level = draw.choice([0, 2, 4, 8, 15, 22, 30])
        requests = [level + draw.choice([0, 1, 2, 3]) for _ in range(draw.randint(1, 5))]

        decision = tick(state, decode=[decoding(own) for own in requests])

        granted = len(requests) if decision is None else decision.num_decode
        assert granted == decode_rule(requests), requests
        seen.add(granted - len(requests))
    assert seen == {-1, 0, 1}


@pytest.mark.parametrize("seed", range(4))
def test_prefill_keeps_its_latency(seed: int) -> None:
    draw = random.Random(seed)
    state = targeting("prefill")
    seen = set()
    for _ in range(100):
        level = draw.choice([0, 1000, 2500, 5000, 9000])
        queues = [level + draw.randrange(0, 1000, 10) for _ in range(draw.randint(1, 5))]

        decision = tick(state, prefill=[queueing(queue) for queue in queues])

        granted = len(queues) if decision is None else decision.num_prefill
        assert granted == prefill_rule(queues), queues
        seen.add(granted - len(queues))
    assert seen == {-1, 0, 1}


def test_estimates_are_those_of_the_slowest_worker() -> None:
    state = targeting("decode")

    tick(state, decode=[decoding(4), decoding(12), decoding(7)])

    assert state.diagnostics().estimated_itl_ms == pytest.approx(
        1000 * decode_time(CONTEXT * 13), rel=1e-3
    )


def test_one_worker_above_the_target_does_not_scale_up_but_none_is_taken() -> None:
    state = targeting("decode")

    assert tick(state, decode=[decoding(30), decoding(0)]) is None
    assert state.diagnostics().load_decision_reason == "scale_down_refused_consolidation"


def test_worker_is_kept_when_the_rest_could_not_hold_the_context() -> None:
    # Fast enough for any load: only the memory of the others speaks against it.
    fits, does_not = 49, 50
    state = targeting("decode", itl_ms=10_000)

    assert tick(state, decode=[decoding(does_not)] * 2) is None
    decision = tick(state, decode=[decoding(fits)] * 2)

    assert decision is not None
    assert decision.num_decode == 1


def test_steady_load_settles() -> None:
    state = targeting("decode")
    for load in range(120):
        workers, directions = 3, set()
        for _ in range(20):
            part, rest = divmod(load, workers)
            decision = tick(
                state, decode=[decoding(part + (number < rest)) for number in range(workers)]
            )
            granted = workers if decision is None else (decision.num_decode or 0)
            directions.add(granted - workers)
            workers = granted

        assert not {1, -1} <= directions, load


def test_cached_prefix_shortens_the_wait() -> None:
    state = targeting("prefill")
    cold = tick(state, prefill=[queueing(8000)])
    waited = state.diagnostics().estimated_ttft_ms

    state.begin_tick()
    state.observe_runtime_metadata(kv_hit_rate=0.5)
    warm = tick(state, prefill=[queueing(8000)])

    assert waited == pytest.approx(1000 * prefill_time(8000 + PROMPT), rel=1e-3)
    assert state.diagnostics().estimated_ttft_ms == pytest.approx(
        1000 * prefill_time((8000 + PROMPT) / 2), rel=1e-3
    )
    assert cold is not None and cold.num_prefill == 2
    assert warm is None


def test_speculative_tokens_shorten_the_gap() -> None:
    state = targeting("decode", speculative_nextn=3)
    assert tick(state, decode=[decoding(30)]) is not None

    for accepted, counted in ((2.0, 2.0), (9.0, 4.0), (0.2, 1.0)):
        state.observe_runtime_metadata(accept_length=accepted)
        tick(state, decode=[decoding(30)])

        assert state.diagnostics().estimated_itl_ms == pytest.approx(
            1000 * decode_time(CONTEXT * 31) / counted, rel=1e-3
        )
