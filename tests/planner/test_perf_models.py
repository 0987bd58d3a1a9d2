"""The planner's own models of an engine: lines fitted to forward passes, and asked for a rate.

Each is taught an exact line, and has to give it back; the rates follow from it by the definitions
in Dynamo's docstrings (Little's law for decode, one prompt after another for prefill).
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.planner.deployments import worker

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]

PASS = 0.004
TOKEN = 2e-5
REQUEST = 1e-3


def taught(name: str, passes: list[Any], **settings: int) -> Any:
    from dynamo.planner.core import perf_model

    model = getattr(perf_model, name)(**{"max_num_fpm_samples": 64, **settings})
    model.load_benchmark_fpms(passes)
    return model


def prefill_passes(*, slope: float = TOKEN) -> list[Any]:
    return [
        worker(wall_time=PASS + slope * tokens, prefill=(1, tokens))
        for tokens in range(100, 4001, 100)
    ]


def decode_passes() -> list[Any]:
    return [
        worker(
            wall_time=PASS + REQUEST * requests + TOKEN * requests * context,
            decode=(requests, requests * context),
        )
        for requests in range(1, 8)
        for context in (100, 200, 400)
    ]


@pytest.mark.parametrize("queued", [0, 1000, 5000])
@pytest.mark.parametrize("rate", [None, 0.5])
def test_wait_is_the_sum_of_the_passes(queued: int, rate: float | None) -> None:
    model = taught("PrefillRegressionModel", prefill_passes())

    wait = model.estimate_next_ttft(queued, 2000, kv_hit_rate=rate)

    tokens = (queued + sum(range(100, 4001, 100)) / 40) * (1 - (rate or 0))
    passes = -(-tokens // 2000)
    assert wait == pytest.approx(passes * PASS + tokens * TOKEN)


def test_prompt_longer_than_a_pass_is_cut() -> None:
    model = taught("PrefillRegressionModel", prefill_passes())

    rate, wait = model.find_best_engine_prefill_rps(
        ttft_sla=1000, isl=4500, max_num_batched_tokens=2000
    )

    assert wait == pytest.approx(1000 * (3 * PASS + 4500 * TOKEN))
    assert rate == pytest.approx(1 / (3 * PASS + 4500 * TOKEN))


@pytest.mark.parametrize("limit_ms", [11, 21, 41])
@pytest.mark.parametrize("accepted", [1.0, 2.0])
def test_decode_runs_as_many_requests_as_the_gap_allows(limit_ms: float, accepted: float) -> None:
    model = taught("DecodeRegressionModel", decode_passes())

    rate, gap = model.find_best_engine_decode_rps(
        itl=limit_ms,
        context_length=150,
        osl=50,
        max_kv_tokens=10_000,
        max_num_seqs=32,
        accept_length=accepted,
    )

    def took(requests: int) -> float:
        return (PASS + REQUEST * requests + TOKEN * 150 * requests) / accepted

    most = max(requests for requests in range(1, 33) if 1000 * took(requests) <= limit_ms)
    assert gap == pytest.approx(1000 * took(most))
    assert rate == pytest.approx(most / (50 * took(most)))


@pytest.mark.parametrize(
    ("memory", "requests", "most"), [(1500, 32, 10), (100_000, 6, 6), (10, 6, 1)]
)
def test_decode_is_bound_by_memory_and_by_requests(memory: int, requests: int, most: int) -> None:
    model = taught("DecodeRegressionModel", decode_passes())

    rate, _ = model.find_best_engine_decode_rps(
        itl=10_000, context_length=150, osl=50, max_kv_tokens=memory, max_num_seqs=requests
    )

    took = PASS + REQUEST * most + TOKEN * 150 * most
    assert rate == pytest.approx(most / (50 * took))


def test_longer_prompts_that_take_less_are_not_believed() -> None:
    model = taught("PrefillRegressionModel", prefill_passes(slope=-1e-6))

    assert model.estimate_next_ttft(1000, 2000) is None
    assert model.find_best_engine_prefill_rps(ttft_sla=1000, isl=500) == (0.0, 0.0)


def test_too_few_passes_are_not_believed() -> None:
    model = taught("PrefillRegressionModel", prefill_passes()[:4], min_observations=5)
    assert model.estimate_next_ttft(1000, 2000) is None

    model.add_observation(prefill_passes()[4])
    assert model.estimate_next_ttft(1000, 2000) is not None


def test_idle_passes_are_not_learned_from() -> None:
    model = taught("PrefillRegressionModel", [worker()] * 20)

    assert model.num_observations == 0
    assert not model.has_sufficient_data()


def test_steady_traffic_does_not_push_out_the_rest_of_the_range() -> None:
    model = taught("PrefillRegressionModel", prefill_passes(), max_num_fpm_samples=40)
    draw = random.Random(5)

    # For long at one load, and noisy there: of itself it says nothing of how time grows.
    for _ in range(1000):
        tokens = draw.randint(100, 120)
        noise = draw.uniform(-0.001, 0.001)
        model.add_observation(worker(wall_time=PASS + TOKEN * tokens + noise, prefill=(1, tokens)))

    assert model.num_observations == 40
    rate, _ = model.find_best_engine_prefill_rps(ttft_sla=1000, isl=3000)
    assert rate == pytest.approx(1 / (PASS + 3000 * TOKEN), rel=0.05)


def test_aggregated_passes_are_of_both_kinds() -> None:
    model = taught(
        "AggRegressionModel",
        [
            worker(
                wall_time=PASS + TOKEN * tokens + TOKEN / 10 * context,
                prefill=(1, tokens),
                decode=(1, context),
            )
            for tokens in (200, 400, 800, 1600)
            for context in (100, 500, 1000, 3000)
        ],
    )

    gap = model.estimate_next_itl(scheduled_decode_kv=1000, queued_decode_kv=500)

    prompts, contexts = 3000 / 4, 4600 / 4
    assert gap == pytest.approx(PASS + TOKEN * prompts + TOKEN / 10 * (1500 + contexts))
