"""The planner's decisions on given numbers.

Pure logic of `dynamo.planner`: no cluster, no servers. The numbers are a worker's forward-pass
metrics, as the planner would get them from an engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.planner.deployments import decoding, planner, tick, worker

if TYPE_CHECKING:
    from dynamo.planner.core.state_machine import PlannerScalingState

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]


def decide(
    state: PlannerScalingState, kv_tokens: list[int], *, expected: int = 2
) -> tuple[int | None, str | None]:
    """The replicas that the planner wants of two workers and why, given their KV tokens in use."""
    decision = tick(
        state,
        decode=[decoding(used) for used in kv_tokens],
        ready_num_decode=2,
        expected_num_decode=expected,
    )
    reason = state.diagnostics().load_decision_reason
    return (None if decision is None else decision.num_decode), reason


@pytest.mark.parametrize(
    ("kv_tokens", "replicas", "reason"),
    [
        pytest.param([800, 0], 3, "scale_up", id="one-worker-at-the-upper-bound"),
        pytest.param([799, 799], None, "no_change", id="all-just-below-it"),
        pytest.param([300, 300], 1, "scale_down", id="all-at-the-lower-bound"),
        pytest.param([301, 0], None, "no_change", id="one-just-above-it"),
        pytest.param([1000, 1000], 3, "scale_up", id="never-more-than-one-at-a-time"),
    ],
)
def test_load_decides(kv_tokens: list[int], replicas: int | None, reason: str) -> None:
    assert decide(planner(), kv_tokens) == (replicas, reason)


@pytest.mark.parametrize(
    ("waiting", "replicas"), [((1, 199), None), ((1, 200), 3)], ids=["just-below", "at-the-bound"]
)
def test_what_waits_counts_as_what_is_held(waiting: tuple[int, int], replicas: int | None) -> None:
    full = worker(decode=(1, 400), queued_decode=(1, 200), queued_prefill=waiting)
    decision = tick(
        planner(), decode=[full, decoding(500)], ready_num_decode=2, expected_num_decode=2
    )

    assert (None if decision is None else decision.num_decode) == replicas


def test_nothing_is_decided_while_a_scaling_is_under_way() -> None:
    assert decide(planner(), [1000, 1000], expected=3) == (None, "scaling_in_progress")


def test_nothing_is_decided_on_metrics_of_too_few_workers() -> None:
    assert decide(planner(), [1000]) == (None, "worker_count_mismatch")


def test_gpu_budget_caps_a_scale_up() -> None:
    assert decide(planner(max_gpu_budget=2), [1000, 1000]) == (2, "no_change")


def test_least_endpoints_bound_a_scale_down() -> None:
    assert decide(planner(min_endpoint=2), [0, 0]) == (2, "no_change")


@pytest.mark.parametrize(
    ("wanted", "granted"),
    [((2, 2), (2, 2)), ((4, 4), (2, 4)), ((1, 9), (1, 6)), ((9, 1), (3, 2))],
)
def test_gpu_budget_is_shared_in_proportion(
    wanted: tuple[int, int], granted: tuple[int, int]
) -> None:
    from dynamo.planner.core.budget import proportional_clamp_pair

    # Prefill workers take two GPUs, decode workers one; eight are there.
    prefill, decode = proportional_clamp_pair(
        *wanted, p_gpu=2, d_gpu=1, min_gpus=-1, max_gpus=8, min_endpoint=1
    )

    assert (prefill, decode) == granted
    assert 2 * prefill + decode <= 8
