"""Load-based scaling over many ticks: a trace of KV use, replayed through the planner's own code.

What is right is computed here from the documented rule: one more worker when any of them is at the
upper bound, one fewer when all are at the lower one, never past the bounds of the deployment.
"""

from __future__ import annotations

import random

import pytest

from tests.planner.deployments import (
    KV_TOKENS,
    changes,
    decoding,
    planner,
    queueing,
    replay,
    shares,
    tick,
)

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]

UPPER = 800
LOWER = 300


def rule(used: list[int], *, least: int = 1, most: int = 1_000_000) -> int:
    """The workers that the rule asks for, given the KV tokens in use on each."""
    if max(used) >= UPPER:
        return min(len(used) + 1, most)
    if max(used) <= LOWER:
        return max(len(used) - 1, least)
    return len(used)


def ramp(top: int) -> list[int]:
    """Slowly from nothing to `top` and back, long enough at each load to settle."""
    up = [load for load in range(0, top + 1, 20) for _ in range(3)]
    return up + up[::-1]


def test_ramp_is_followed_up_and_down_again() -> None:
    top = 5000
    steps = replay(planner(), ramp(top))

    # The fewest workers that have less than the upper bound each, and those that stay on the way
    # down: with one fewer, all of them would have been above the lower bound.
    most = -(-top // UPPER)
    while max(shares(top, most)) >= UPPER:
        most += 1
    assert max(step.ready for step in steps) == most
    assert changes(steps) == [
        *((count, count + 1) for count in range(1, most)),
        *((count, count - 1) for count in range(most, 1, -1)),
    ]


@pytest.mark.parametrize("seed", range(8))
def test_decisions_follow_the_rule_on_any_load(seed: int) -> None:
    draw = random.Random(seed)
    least, most = draw.choice([(1, 8), (2, 5), (3, 3)])
    state = planner(min_endpoint=least, max_gpu_budget=most)
    load = 0.5 * KV_TOKENS
    workers = least
    for _ in range(300):
        load = max(0.0, load + draw.uniform(-700, 750))
        used = [int(share * draw.uniform(0.5, 1.5)) for share in shares(int(load), workers)]

        decision = tick(state, decode=[decoding(tokens) for tokens in used])

        granted = workers if decision is None else decision.num_decode
        assert granted == rule(used, least=least, most=most), used
        workers = granted


@pytest.mark.parametrize("seed", range(4))
def test_prefill_and_decode_are_decided_apart(seed: int) -> None:
    draw = random.Random(seed)
    state = planner(mode="disagg")
    for _ in range(200):
        queues = [draw.choice([0, 10, 11, 50, 99, 100, 400]) for _ in range(draw.randint(1, 4))]
        used = [draw.choice([0, 300, 301, 799, 800, 1000]) for _ in range(draw.randint(1, 4))]

        decision = tick(
            state,
            prefill=[queueing(tokens) for tokens in queues],
            decode=[decoding(tokens) for tokens in used],
        )

        step = 1 if max(queues) >= 100 else -1 if max(queues) <= 10 else 0
        wanted = (max(1, len(queues) + step), rule(used))
        granted = (
            (len(queues), len(used))
            if decision is None
            else (decision.num_prefill, decision.num_decode)
        )
        assert granted == wanted, (queues, used)


@pytest.mark.parametrize("mode", ["prefill", "decode"])
def test_planner_of_one_side_says_nothing_of_the_other(mode: str) -> None:
    decision = tick(planner(mode=mode), prefill=[queueing(400)], decode=[decoding(1000)])

    assert decision is not None
    assert (decision.num_prefill, decision.num_decode) == (
        (2, None) if mode == "prefill" else (None, 2)
    )


def test_load_that_swings_between_the_bounds_changes_nothing() -> None:
    draw = random.Random(1)
    workers = 3
    loads = [draw.randint(workers * (LOWER + 1), workers * (UPPER - 1)) for _ in range(2000)]
    loads[::2] = [workers * (LOWER + 1)] * 1000
    loads[1::4] = [workers * (UPPER - 1)] * 500

    steps = replay(planner(), loads, workers=workers)

    assert {step.decision for step in steps} == {None}
    assert {step.reason for step in steps} == {"no_change"}


@pytest.mark.parametrize("start_ticks", [0, 3])
def test_steady_load_settles(start_ticks: int) -> None:
    for load in range(0, 6 * KV_TOKENS, 50):
        steps = replay(planner(), [load] * 60, workers=3, start_ticks=start_ticks)

        scalings = changes(steps)
        assert not changes(steps[-20:]), load
        # All in one direction: what was started is not stopped again.
        assert len({after > before for before, after in scalings}) <= 1, load


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(
            "throughput",
            marks=pytest.mark.xfail(
                strict=True,
                raises=AssertionError,
                reason="F20: one worker above 100 % becomes two below 60 %, and one again",
            ),
        ),
        "latency",
    ],
)
def test_steady_load_settles_with_the_builtin_thresholds(target: str) -> None:
    for load in range(0, 6 * KV_TOKENS, 50):
        steps = replay(planner(optimization_target=target), [load] * 60, workers=1)

        assert not changes(steps[-20:]), load


@pytest.mark.parametrize("start_ticks", [1, 4])
def test_scaling_is_waited_for(start_ticks: int) -> None:
    steps = replay(planner(), [100 * KV_TOKENS] * 40, start_ticks=start_ticks)

    waiting = [index for index, step in enumerate(steps) if step.reason == "scaling_in_progress"]
    scaling = [index for index, step in enumerate(steps) if step.decision is not None]
    assert scaling == list(range(0, 40, start_ticks + 1))
    assert waiting == [index for index in range(40) if index not in scaling]


def test_scaling_of_one_side_holds_the_other() -> None:
    state = planner(mode="disagg")

    decision = tick(
        state,
        prefill=[queueing(0)] * 2,
        decode=[decoding(1000)] * 2,
        expected_num_prefill=3,
    )

    assert decision is None
    assert state.diagnostics().load_decision_reason_decode == "scaling_in_progress"


def test_scaling_that_a_connector_reports_is_waited_for() -> None:
    state = planner()

    assert tick(state, decode=[decoding(1000)], decode_scaling_in_progress=True) is None
    assert tick(state, decode=[decoding(1000)], decode_scaling_in_progress=False) is not None


def test_replay_is_deterministic() -> None:
    draw = random.Random(7)
    loads = [draw.randint(0, 6 * KV_TOKENS) for _ in range(500)]

    first = replay(planner(), loads, start_ticks=2)

    assert len(changes(first)) > 50
    assert replay(planner(), loads, start_ticks=2) == first


def test_what_was_decided_before_has_no_say() -> None:
    draw = random.Random(8)
    worn = planner()
    replay(worn, [draw.randint(0, 6 * KV_TOKENS) for _ in range(500)])

    loads = [draw.randint(0, 6 * KV_TOKENS) for _ in range(100)]

    assert replay(worn, loads) == replay(planner(), loads)


@pytest.mark.parametrize(("gpus", "budget"), [(1, 4), (2, 8), (2, 9), (4, 16)])
def test_budget_and_least_workers_hold_all_along(gpus: int, budget: int) -> None:
    draw = random.Random(9)
    loads = [load for load in (draw.randint(0, 12_000) for _ in range(60)) for _ in range(6)]

    steps = replay(
        planner(decode_gpus=gpus, max_gpu_budget=budget, min_endpoint=2), loads, workers=2
    )

    counts = {step.ready for step in steps}
    assert counts == set(range(2, budget // gpus + 1))


NOT_LOOKED_AT = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="F21: while the load asks for no change, neither bound is looked at",
)


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("agg", marks=NOT_LOOKED_AT),
        pytest.param("decode", marks=NOT_LOOKED_AT),
        "disagg",
    ],
)
def test_too_few_workers_are_made_enough(mode: str) -> None:
    decision = tick(
        planner(mode=mode, min_endpoint=3), prefill=[queueing(50)], decode=[decoding(500)]
    )

    assert decision is not None
    assert decision.num_decode == 3


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("agg", marks=NOT_LOOKED_AT),
        pytest.param("decode", marks=NOT_LOOKED_AT),
        "disagg",
    ],
)
def test_workers_above_the_budget_are_given_back(mode: str) -> None:
    decision = tick(
        planner(mode=mode, max_gpu_budget=3), prefill=[queueing(50)], decode=[decoding(500)] * 4
    )

    assert decision is not None
    assert (decision.num_prefill or 0) + (decision.num_decode or 0) <= 3
