"""Deployments in numbers: what their workers report to the planner, and a replay of many ticks.

Nothing here runs a server. A worker is the forward-pass metrics that it would send; a replay asks
the planner once a tick and starts or stops workers as it says, with the delay that a real one has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynamo.common.forward_pass_metrics import ForwardPassMetrics
    from dynamo.planner.core.state_machine import PlannerScalingState
    from dynamo.planner.core.types import ScalingDecision

KV_TOKENS = 1000
"""What the KV cache of one worker holds."""

BATCHED_TOKENS = 8192
"""The tokens of one forward pass."""

CONCURRENT_REQUESTS = 64
"""The requests of one forward pass."""


def worker(
    *,
    wall_time: float = 0.0,
    prefill: tuple[int, int] = (0, 0),
    decode: tuple[int, int] = (0, 0),
    queued_prefill: tuple[int, int] = (0, 0),
    queued_decode: tuple[int, int] = (0, 0),
) -> ForwardPassMetrics:
    """One forward pass of `wall_time` seconds. Each pair is a number of requests and of tokens."""
    from dynamo.common.forward_pass_metrics import (
        ForwardPassMetrics,
        QueuedRequestMetrics,
        ScheduledRequestMetrics,
    )

    return ForwardPassMetrics(
        wall_time=wall_time,
        scheduled_requests=ScheduledRequestMetrics(
            num_prefill_requests=prefill[0],
            sum_prefill_tokens=prefill[1],
            num_decode_requests=decode[0],
            sum_decode_kv_tokens=decode[1],
        ),
        queued_requests=QueuedRequestMetrics(
            num_prefill_requests=queued_prefill[0],
            sum_prefill_tokens=queued_prefill[1],
            num_decode_requests=queued_decode[0],
            sum_decode_kv_tokens=queued_decode[1],
        ),
    )


def decoding(kv_tokens: int) -> ForwardPassMetrics:
    """A worker with so many KV tokens in use."""
    return worker(decode=(1, kv_tokens))


def queueing(prompt_tokens: int) -> ForwardPassMetrics:
    """A prefill worker with so many tokens of prompts in its queue."""
    return worker(queued_prefill=(1, prompt_tokens))


def planner(
    *,
    kv_tokens: int | None = KV_TOKENS,
    prefill_gpus: int = 1,
    decode_gpus: int = 1,
    context_length: int | None = None,
    **settings: Any,
) -> PlannerScalingState:
    """A planner; by default of an aggregated deployment, up at 80 % of KV use and down at 30 %."""
    from dynamo.planner.config.planner_config import PlannerConfig
    from dynamo.planner.core.state_machine import PlannerScalingState
    from dynamo.planner.core.types import EngineCapabilities, WorkerCapabilities

    config = PlannerConfig(
        **{
            "mode": "agg",
            "optimization_target": "load",
            "prefill_scale_up_queue_tokens": 100,
            "prefill_scale_down_queue_tokens": 10,
            "decode_scale_up_kv_rate": 80,
            "decode_scale_down_kv_rate": 30,
            "enable_throughput_scaling": False,
            "max_gpu_budget": -1,
            **settings,
        }
    )
    prefill_engine, decode_engine = (
        EngineCapabilities(
            num_gpu=gpus,
            max_kv_tokens=kv_tokens,
            max_num_batched_tokens=BATCHED_TOKENS,
            max_num_seqs=CONCURRENT_REQUESTS,
            context_length=context_length,
        )
        for gpus in (prefill_gpus, decode_gpus)
    )
    return PlannerScalingState(
        config, WorkerCapabilities(prefill=prefill_engine, decode=decode_engine)
    )


def tick(
    state: PlannerScalingState,
    *,
    prefill: Sequence[ForwardPassMetrics] = (),
    decode: Sequence[ForwardPassMetrics] = (),
    **counts: int | bool,
) -> ScalingDecision | None:
    """One load decision. `counts` overrides what the workers themselves say of their number."""
    from dynamo.planner.core.types import FpmObservations, WorkerCounts

    state.begin_tick()
    known: dict[str, Any] = {
        "ready_num_prefill": len(prefill),
        "ready_num_decode": len(decode),
        "expected_num_prefill": len(prefill),
        "expected_num_decode": len(decode),
    }
    state.observe_worker_counts(WorkerCounts(**{**known, **counts}))
    return state.advance_load(
        FpmObservations(
            prefill={(f"prefill-{n}", 0): one for n, one in enumerate(prefill)} or None,
            decode={(f"decode-{n}", 0): one for n, one in enumerate(decode)} or None,
        )
    )


def both(decision: ScalingDecision | None) -> tuple[int, int]:
    """The prefill and the decode workers of a decision that has to be there, and name both."""
    assert decision is not None
    assert decision.num_prefill is not None and decision.num_decode is not None
    return decision.num_prefill, decision.num_decode


@dataclass(frozen=True)
class Step:
    """One tick of a replay: how many workers served it, and what the planner made of it."""

    ready: int
    decision: int | None
    reason: str | None


def shares(load: int, workers: int) -> list[int]:
    """`load` in `workers` parts that differ by one at most."""
    part, rest = divmod(load, workers)
    return [part + (number < rest) for number in range(workers)]


def replay(
    state: PlannerScalingState, loads: Iterable[int], *, workers: int = 1, start_ticks: int = 0
) -> list[Step]:
    """An aggregated deployment under `loads`, KV tokens in use in all of it, one for each tick.

    The load is shared evenly. What the planner decides is there `start_ticks` ticks later.
    """
    steps = []
    ready = expected = workers
    due = 0
    for now, load in enumerate(loads):
        if now >= due:
            ready = expected
        decision = tick(
            state,
            decode=[decoding(share) for share in shares(load, ready)],
            expected_num_decode=expected,
        )
        decided = None if decision is None else decision.num_decode
        steps.append(Step(ready, decided, state.diagnostics().load_decision_reason))
        if decided is not None and decided != expected:
            expected, due = decided, now + 1 + start_ticks
    return steps


def changes(steps: Iterable[Step]) -> list[tuple[int, int]]:
    """The scalings of a replay: from how many workers to how many."""
    return [
        (step.ready, step.decision)
        for step in steps
        if step.decision is not None and step.decision != step.ready
    ]
