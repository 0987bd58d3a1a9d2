"""Throughput-based scaling: from predicted traffic and the engine's measured speed to replicas.

The engine here is an exact line: a forward pass takes a fixed time and so much for each token. The
planner learns it from a few passes; the capacity that follows is computed here on its own.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest

from tests.planner.deployments import (
    BATCHED_TOKENS,
    CONCURRENT_REQUESTS,
    both,
    planner,
    queueing,
    tick,
    worker,
)

if TYPE_CHECKING:
    from dynamo.planner.core.state_machine import PlannerScalingState
    from dynamo.planner.core.types import ScalingDecision

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]

KV_TOKENS = 100_000
TTFT = 0.5
ITL = 0.02
MINUTE = 60.0


def prefill_time(tokens: float) -> float:
    """Seconds of a forward pass over so many prompt tokens."""
    return 0.002 + 1e-4 * tokens


def decode_time(kv_tokens: float) -> float:
    """Seconds of a forward pass over so many tokens of context."""
    return 0.005 + 1e-7 * kv_tokens


def prefill_capacity(isl: int) -> float:
    """Prompts a second: as many in one pass as TTFT, requests and tokens allow, or one in parts."""
    fitting = [
        batch
        for batch in range(1, CONCURRENT_REQUESTS + 1)
        if batch * isl <= BATCHED_TOKENS and prefill_time(batch * isl) <= TTFT
    ]
    if fitting:
        return max(fitting) / prefill_time(max(fitting) * isl)
    whole, rest = divmod(isl, BATCHED_TOKENS)
    return 1 / (whole * prefill_time(BATCHED_TOKENS) + (prefill_time(rest) if rest else 0))


def decode_capacity(isl: int, osl: int) -> float:
    """Replies a second: as many as ITL and memory allow, half-way through on the average."""
    context = isl + osl / 2
    batch = max(
        batch
        for batch in range(1, CONCURRENT_REQUESTS + 1)
        if batch == 1 or (batch * context <= KV_TOKENS and decode_time(batch * context) <= ITL)
    )
    return batch / (osl * decode_time(batch * context))


def measured(**settings: Any) -> PlannerScalingState:
    """A planner that has seen the engine work; throughput-based scaling alone by default."""
    state = planner(
        **{
            "kv_tokens": KV_TOKENS,
            "mode": "disagg",
            "optimization_target": "sla",
            "enable_throughput_scaling": True,
            "enable_load_scaling": False,
            "ttft_ms": 1000 * TTFT,
            "itl_ms": 1000 * ITL,
            **settings,
        }
    )
    state.load_benchmark_fpms(
        prefill_fpms=[
            worker(wall_time=prefill_time(tokens), prefill=(1, tokens))
            for tokens in range(256, BATCHED_TOKENS + 1, 512)
        ],
        decode_fpms=[
            worker(wall_time=decode_time(context * batch), decode=(batch, context * batch))
            for batch in range(1, CONCURRENT_REQUESTS, 4)
            for context in (500, 1500)
        ],
    )
    return state


def decide(
    state: PlannerScalingState,
    requests: float,
    *,
    isl: float = 1000,
    osl: float = 100,
    seconds: float = MINUTE,
    hit_rate: float | None = None,
) -> ScalingDecision | None:
    """The decision for so many requests in the next interval."""
    from dynamo.planner.core.types import TrafficObservation

    state.begin_tick()
    return state.advance_throughput_from_prediction(
        TrafficObservation(duration_s=seconds, num_req=requests, isl=isl, osl=osl),
        predicted_num_req=requests,
        predicted_isl=isl,
        predicted_osl=osl,
        predicted_kv_hit_rate=hit_rate,
    )


@pytest.mark.parametrize(
    ("isl", "osl"), list(itertools.product([64, 500, 1000, 3000, 20_000], [10, 100, 1000]))
)
def test_capacity_is_that_of_the_engine(isl: int, osl: int) -> None:
    state = measured()

    decide(state, 600, isl=isl, osl=osl)

    found = state.diagnostics()
    assert found.engine_rps_prefill == pytest.approx(prefill_capacity(isl), rel=1e-3)
    assert found.engine_rps_decode == pytest.approx(decode_capacity(isl, osl), rel=1e-3)


@pytest.mark.parametrize("requests", [0, 1, 60, 601, 1200, 6000, 30_000])
def test_replicas_carry_the_demand_and_no_more(requests: int) -> None:
    granted = both(decide(measured(), requests))

    demand = requests / MINUTE
    for replicas, capacity in zip(
        granted, (prefill_capacity(1000), decode_capacity(1000, 100)), strict=True
    ):
        assert replicas * capacity >= demand
        assert replicas == 1 or (replicas - 1) * capacity < demand


def test_load_that_doubles_and_halves_is_followed() -> None:
    state = measured()
    granted = [
        both(decide(state, requests)) for requests in (1500, 3000, 6000, 12_000, 6000, 3000, 1500)
    ]

    assert granted == granted[::-1]
    assert granted[:4] == sorted(set(granted[:4]))


def test_demand_is_a_rate() -> None:
    assert decide(measured(), 6000, seconds=60) == decide(measured(), 18_000, seconds=180)


def test_each_side_follows_its_own_tokens() -> None:
    prefill, decode = both(decide(measured(), 6000))

    assert both(decide(measured(), 6000, isl=4000))[0] > prefill
    assert both(decide(measured(), 6000, osl=1000))[0] == prefill
    assert both(decide(measured(), 6000, osl=1000))[1] > decode


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.75])
def test_cached_prefix_is_not_computed_again(rate: float) -> None:
    state = measured()

    decide(state, 6000, isl=2000, hit_rate=rate)

    capacity = state.diagnostics().engine_rps_prefill
    assert capacity == pytest.approx(prefill_capacity(round(2000 * (1 - rate))), rel=1e-3)


def test_decode_gains_nothing_from_a_cached_prefix() -> None:
    cold, warm = measured(), measured()
    decide(cold, 6000)
    decide(warm, 6000, hit_rate=0.5)

    assert cold.diagnostics().engine_rps_decode == warm.diagnostics().engine_rps_decode


@pytest.mark.parametrize("rate", [1.0, 1.7])
def test_full_hit_rate_leaves_some_work(rate: float) -> None:
    # The documented bound of the discount is 95 %.
    state = measured()

    decide(state, 6000, isl=4000, hit_rate=rate)

    capacity = state.diagnostics().engine_rps_prefill
    assert capacity == pytest.approx(prefill_capacity(200), rel=0.01)


@pytest.mark.parametrize("rate", [None, math.nan, -0.5])
def test_hit_rate_that_cannot_be_is_no_discount(rate: float | None) -> None:
    state = measured()

    decide(state, 6000, hit_rate=rate)

    assert state.diagnostics().engine_rps_prefill == pytest.approx(prefill_capacity(1000), rel=1e-3)


def test_budget_caps_both_sides_together() -> None:
    free = both(decide(measured(), 30_000, osl=1000))
    capped = both(decide(measured(max_gpu_budget=20), 30_000, osl=1000))

    assert sum(free) > 20
    assert sum(capped) == 20
    assert abs(capped[0] - 20 * free[0] / sum(free)) < 1


def test_least_workers_stay_without_traffic() -> None:
    assert both(decide(measured(min_endpoint=2), 0)) == (2, 2)


@pytest.mark.parametrize("mode", ["prefill", "decode"])
def test_planner_of_one_side_says_nothing_of_the_other(mode: str) -> None:
    prefill, decode = both(decide(measured(), 12_000))

    alone = decide(measured(mode=mode), 12_000)

    assert alone is not None
    assert (alone.num_prefill, alone.num_decode) == (
        (prefill, None) if mode == "prefill" else (None, decode)
    )


def test_with_load_scaling_it_is_a_floor() -> None:
    state = measured(enable_load_scaling=True)
    prefill, decode = both(decide(measured(), 6000))

    assert decide(state, 6000) is None
    assert state.diagnostics().throughput_decision_reason == "set_lower_bound"

    idle = tick(
        state,
        prefill=[queueing(0)] * prefill,
        decode=[worker()] * (decode + 1),
    )
    assert both(idle) == (prefill, decode)
    assert state.diagnostics().load_decision_reason_prefill == "scale_down_capped_by_throughput"


def test_without_measurements_nothing_is_decided() -> None:
    state = planner(
        mode="disagg",
        optimization_target="sla",
        enable_throughput_scaling=True,
        enable_load_scaling=False,
    )

    assert decide(state, 6000) is None
    assert state.diagnostics().throughput_decision_reason == "model_not_ready"


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"seconds": 0}, "no_traffic_data"),
        ({"seconds": -60}, "no_traffic_data"),
        ({"isl": 0}, "model_not_ready"),
        ({"osl": 0}, "model_not_ready"),
    ],
)
def test_traffic_without_shape_changes_nothing(shape: dict[str, float], reason: str) -> None:
    state = measured()

    assert decide(state, 6000, **shape) is None
    assert state.diagnostics().throughput_decision_reason == reason


@pytest.mark.xfail(
    strict=True,
    raises=(ValueError, OverflowError),
    reason="F22: a predicted number that is none is an exception, not a tick without a decision",
)
@pytest.mark.parametrize("nonsense", [math.nan, math.inf])
@pytest.mark.parametrize("field", ["requests", "isl", "osl"])
def test_prediction_that_is_no_number_changes_nothing(field: str, nonsense: float) -> None:
    assert decide(measured(), **{"requests": 6000, field: nonsense}) is None
