"""What stands between several opinions and one decision: the merge of a stage, the chain of
predictions, and the breaker that leaves a failing plugin out."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import pytest

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]


def override(kind: str, replicas: int | None, *, of: str = "decode") -> Any:
    from dynamo.planner.plugins.types import ComponentTarget, OverrideResult, OverrideType

    target = ComponentTarget(sub_component_type=of, replicas=replicas, type=OverrideType[kind])
    return OverrideResult(targets=[target])


def merged(*opinions: tuple[int, Any], final: int | None = None, **settings: Any) -> Any:
    """The outcome of a stage over four workers of each side: opinions with their priorities."""
    from dynamo.planner.plugins.merge import type_aware_merge
    from dynamo.planner.plugins.merge.types import ComponentKey, PluginResult

    results = [
        PluginResult(f"plugin-{priority}", priority, result, final=priority == final)
        for priority, result in opinions
    ]
    baseline = {ComponentKey("prefill"): 4, ComponentKey("decode"): 4}
    return type_aware_merge(results, baseline, **settings)


def replicas(outcome: Any) -> dict[str, int]:
    return {target.sub_component_type: target.replicas for target in outcome.proposal.targets}


def test_without_an_opinion_all_stays() -> None:
    assert replicas(merged()) == {"prefill": 4, "decode": 4}
    assert replicas(merged((1, override("SET", None)))) == {"prefill": 4, "decode": 4}


@pytest.mark.parametrize("seed", range(5))
def test_any_opinions_are_merged_by_the_rule(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(200):
        kinds = [draw.choice(["SET", "AT_LEAST", "AT_MOST"]) for _ in range(draw.randint(0, 6))]
        priorities = draw.sample(range(100), len(kinds))
        wishes = [
            (priority, kind, draw.randint(0, 9))
            for priority, kind in zip(priorities, kinds, strict=True)
        ]

        outcome = merged(*((priority, override(kind, n)) for priority, kind, n in wishes))

        # The set of the smallest priority number, kept between the bounds; the floor wins.
        expected = min(((p, n) for p, kind, n in wishes if kind == "SET"), default=(0, 4))[1]
        expected = min([expected, *(n for _, kind, n in wishes if kind == "AT_MOST")])
        expected = max([expected, *(n for _, kind, n in wishes if kind == "AT_LEAST")])
        assert replicas(outcome) == {"prefill": 4, "decode": expected}, wishes


def test_order_of_arrival_has_no_say() -> None:
    opinions = [(3, override("SET", 7)), (1, override("SET", 2)), (2, override("AT_LEAST", 3))]

    assert replicas(merged(*opinions)) == replicas(merged(*reversed(opinions)))


def test_final_opinion_passes_over_the_others() -> None:
    opinions = [(1, override("SET", 2)), (5, override("SET", 9)), (7, override("AT_MOST", 3))]

    outcome = merged(*opinions, final=5)

    assert replicas(outcome) == {"prefill": 4, "decode": 9}
    assert outcome.used_final_from == "plugin-5"


def test_rejection_passes_over_a_final_opinion() -> None:
    from dynamo.planner.plugins.types import RejectResult

    outcome = merged((5, override("SET", 9)), (9, RejectResult(reason="frozen")), final=5)

    assert outcome.short_circuited
    assert outcome.proposal is None
    assert "frozen" in outcome.short_circuit_reason


@pytest.mark.parametrize("final", [None, 1])
def test_constraint_may_bound_but_not_set(final: int | None) -> None:
    from dynamo.planner.plugins.merge.types import ComponentKey

    outcome = merged((1, override("SET", 9)), set_allowed=False, final=final)

    assert replicas(outcome) == {"prefill": 4, "decode": 4}
    assert outcome.set_dropped == [ComponentKey("decode")]


@dataclass
class Predictor:
    """A plugin of the first stage with one answer."""

    priority: int
    values: dict[str, Any]
    final: bool = False
    calls: int = 0

    @property
    def plugin_id(self) -> str:
        return f"plugin-{self.priority}"

    async def call(self, _: str, __: Any) -> Any:
        from dynamo.planner.plugins.types import PredictionData, PredictStageResponse

        self.calls += 1
        return PredictStageResponse(predictions=PredictionData(**self.values), final=self.final)


def predicted(*chain: Predictor) -> Any:
    from dynamo.planner.plugins.merge import chain_augment
    from dynamo.planner.plugins.types import PipelineContext

    return asyncio.run(chain_augment(chain, PipelineContext()))


def test_first_prediction_of_each_number_stands() -> None:
    outcome = predicted(
        Predictor(9, {"predicted_num_req": 1, "predicted_isl": 2, "predicted_osl": 3}),
        Predictor(1, {"predicted_num_req": 0}),
        Predictor(5, {"predicted_num_req": 50, "predicted_isl": 60}),
    )

    found = outcome.prediction
    assert (found.predicted_num_req, found.predicted_isl, found.predicted_osl) == (0, 60, 3)


def test_final_prediction_ends_the_chain() -> None:
    first, last = Predictor(1, {"predicted_isl": 5}, final=True), Predictor(2, {"predicted_osl": 6})

    outcome = predicted(last, first)

    assert outcome.prediction.predicted_osl is None
    assert outcome.final_from == "plugin-1"
    assert last.calls == 0
    assert outcome.chain_break_warnings == []


def breaker() -> tuple[Any, Any]:
    """A breaker that opens at three failures for ten seconds, and its clock."""
    from dynamo.planner.plugins.clock import VirtualClock
    from dynamo.planner.plugins.registry.circuit_breaker import CircuitBreaker

    clock = VirtualClock()
    return CircuitBreaker(clock, failure_threshold=3, cooldown_seconds=10), clock


def test_failing_plugin_is_left_out_until_it_cooled_down() -> None:
    made, clock = breaker()
    opened: list[str] = []
    made.on_open(opened.append)

    for _ in range(3):
        assert made.can_call("slow")
        made.record_failure("slow")

    assert not made.can_call("slow")
    assert made.can_call("other")
    assert opened == ["slow"]
    clock.advance(9.99)
    assert not made.can_call("slow")
    clock.advance(0.01)
    assert made.can_call("slow")


def test_one_success_forgives_what_was_before() -> None:
    made, _ = breaker()
    for _ in range(10):
        made.record_failure("slow")
        made.record_failure("slow")
        made.record_success("slow")

    assert made.can_call("slow")


def test_trial_that_fails_cools_down_anew() -> None:
    made, clock = breaker()
    for _ in range(3):
        made.record_failure("slow")
    clock.advance(10)
    assert made.can_call("slow")

    made.record_failure("slow")

    clock.advance(9.99)
    assert not made.can_call("slow")
    clock.advance(0.01)
    made.record_success("slow")
    for _ in range(2):
        made.record_failure("slow")
    assert made.can_call("slow")


def test_listener_that_fails_does_not_silence_the_next() -> None:
    made, _ = breaker()
    heard: list[str] = []

    def deaf(_: str) -> None:
        raise RuntimeError("not listening")

    made.on_open(deaf)
    made.on_open(heard.append)
    for _ in range(3):
        made.record_failure("slow")

    assert heard == ["slow"]
