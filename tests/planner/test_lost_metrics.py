"""Metrics that are missing, late or nonsense: the planner holds what there is."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.planner.deployments import decoding, planner, queueing, tick, worker

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]

BUSY = 1000


def outcome(state: Any, ranks: dict[tuple[str, int], Any], *, ready: int) -> tuple[Any, str]:
    """The decision on metrics by worker and data-parallel rank, and its reason."""
    from dynamo.planner.core.types import FpmObservations, WorkerCounts

    state.begin_tick()
    state.observe_worker_counts(WorkerCounts(ready_num_decode=ready, expected_num_decode=ready))
    decision = state.advance_load(FpmObservations(decode=ranks))
    return decision, state.diagnostics().load_decision_reason


def test_no_metrics_at_all_change_nothing() -> None:
    state = planner()

    assert tick(state, ready_num_decode=2, expected_num_decode=2) is None
    assert state.diagnostics().load_decision_reason == "no_fpm_data"


def test_decisions_resume_when_a_lost_worker_reports_again() -> None:
    draw = random.Random(3)
    state = planner()
    for _ in range(200):
        heard = draw.randint(0, 3)
        decision = tick(
            state,
            decode=[decoding(BUSY)] * heard,
            ready_num_decode=3,
            expected_num_decode=3,
        )

        assert (None if decision is None else decision.num_decode) == (4 if heard == 3 else None)


def test_metrics_of_a_worker_that_is_gone_change_nothing() -> None:
    stale = {("left", 0): decoding(BUSY), ("here", 0): decoding(BUSY)}

    assert outcome(planner(), stale, ready=1) == (None, "worker_count_mismatch")


def test_every_rank_of_a_worker_counts() -> None:
    ranks = {(name, rank): decoding(500) for name in "ab" for rank in range(4)}
    assert outcome(planner(), ranks, ready=2) == (None, "no_change")

    decision, _ = outcome(planner(), {**ranks, ("b", 3): decoding(BUSY)}, ready=2)
    assert decision.num_decode == 3


def test_missing_rank_changes_nothing() -> None:
    ranks = {("a", 0): decoding(BUSY), ("a", 1): decoding(BUSY), ("b", 0): decoding(BUSY)}

    assert outcome(planner(), ranks, ready=2) == (None, "worker_count_mismatch")


def test_one_silent_side_holds_still_while_the_other_scales() -> None:
    state = planner(mode="disagg")

    decision = tick(state, prefill=[queueing(400)], ready_num_decode=3, expected_num_decode=3)

    assert decision is not None
    assert (decision.num_prefill, decision.num_decode) == (2, 3)


def test_idle_heartbeats_count_as_no_load() -> None:
    decision = tick(planner(), decode=[worker(), worker()])

    assert decision is not None
    assert decision.num_decode == 1


@pytest.mark.parametrize("unknown", [None, 0, -1])
def test_without_the_size_of_the_cache_nothing_is_decided(unknown: int | None) -> None:
    state = planner(kv_tokens=unknown)

    assert tick(state, decode=[decoding(BUSY)]) is None
    assert state.diagnostics().load_decision_reason == "insufficient_data"


def test_metrics_arrive_as_they_were_sent() -> None:
    from dynamo.common.forward_pass_metrics import decode, encode

    sent = worker(
        wall_time=0.25,
        prefill=(1, 20),
        decode=(3, 400),
        queued_prefill=(5, 6000),
        queued_decode=(7, 8),
    )

    assert decode(encode(sent)) == sent


def test_metrics_that_cannot_be_read_are_left_out() -> None:
    from dynamo.common.forward_pass_metrics import ForwardPassMetrics, decode, encode

    whole = encode(decoding(BUSY))

    assert decode(whole[:-3]) is None
    assert decode(b"") is None
    assert decode(b"not msgpack") is None
    assert decode(encode(decoding(math.nan))) is None  # type: ignore[arg-type]
    assert decode(encode(ForwardPassMetrics(version=2))) is None


def observed(walls: list[float], **settings: Any) -> Any:
    """A planner with a latency target that saw prompts of 1000, 2000, ... take so long."""
    state = planner(
        **{
            "mode": "prefill",
            "optimization_target": "sla",
            "enable_load_scaling": True,
            **settings,
        }
    )
    state.load_benchmark_fpms(
        prefill_fpms=[
            worker(wall_time=wall, prefill=(1, 1000 * number))
            for number, wall in enumerate(walls, start=1)
        ]
    )
    return state


LINEAR = [0.1 * number for number in range(1, 9)]


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf, -1.0, 0.0])
def test_wall_times_that_cannot_be_are_not_learned_from(nonsense: float) -> None:
    state = observed(LINEAR)
    learned = state.prefill_regression.num_observations
    before = tick(state, prefill=[queueing(4000)] * 2), state.diagnostics().estimated_ttft_ms

    state.load_benchmark_fpms(prefill_fpms=[worker(wall_time=nonsense, prefill=(1, 500))] * 20)

    assert learned == len(LINEAR)
    assert state.prefill_regression.num_observations == learned
    # The prompts were seen, with their mean length, so the next request is taken for shorter; what
    # a token costs is what it was.
    after = tick(state, prefill=[queueing(4000)] * 2), state.diagnostics().estimated_ttft_ms
    mean_before, mean_after = 4500, (36_000 + 20 * 500) / 28
    assert before[1] == pytest.approx(0.1 * (4000 + mean_before), rel=1e-3)
    assert after[1] == pytest.approx(0.1 * (4000 + mean_after), rel=1e-3)


@pytest.mark.parametrize(
    "walls",
    [
        pytest.param(LINEAR[:4], id="too-few"),
        pytest.param([math.nan] * 8, id="not-a-number"),
        pytest.param(LINEAR[::-1], id="longer-prompts-take-less"),
        pytest.param([0.0] * 8, id="idle"),
    ],
)
def test_without_a_model_nothing_is_decided(walls: list[float]) -> None:
    state = observed(walls)

    assert tick(state, prefill=[queueing(100_000)]) is None
    assert state.diagnostics().load_decision_reason == "insufficient_data"


def test_metrics_of_another_version_are_not_learned_from() -> None:
    from dynamo.common.forward_pass_metrics import ForwardPassMetrics, ScheduledRequestMetrics

    state = observed([])
    state.load_benchmark_fpms(
        prefill_fpms=[
            ForwardPassMetrics(
                version=2,
                wall_time=wall,
                scheduled_requests=ScheduledRequestMetrics(
                    num_prefill_requests=1, sum_prefill_tokens=int(10_000 * wall)
                ),
            )
            for wall in LINEAR
        ]
    )

    assert state.prefill_regression.num_observations == 0
