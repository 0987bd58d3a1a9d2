"""Prompts that a simulated engine is sent, one after another, in this process.

A prompt is the names of its blocks. Dynamo replays them in simulated time, without a server, with
the engine and the block manager of its mocker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dynamo.llm import KvRouterConfig
from dynamo.mocker import MockEngineArgs
from dynamo.replay import run_trace_replay

__all__ = ["BLOCK", "ROOM", "Prompt", "replayed", "reusable", "reuse"]

BLOCK = 16

# Blocks for more prompts than any test sends.
ROOM = 10_000

# In simulated time: long after the reply to the one before.
GAP_MILLISECONDS = 1000

Prompt = Sequence[int]


def replayed(
    folder: Path,
    prompts: Iterable[Prompt],
    *,
    blocks: int = ROOM,
    workers: int = 1,
    router: KvRouterConfig | None = None,
    **engine: Any,
) -> dict[str, Any]:
    """What is reported of a replay.

    Args:
        blocks: that each worker has.
        router: chooses the worker by what it holds; by default they take turns.
        engine: arguments of `MockEngineArgs`.
    """
    trace = folder / "trace.jsonl"
    with trace.open("w") as lines:
        for number, prompt in enumerate(prompts):
            request = {
                "timestamp": number * GAP_MILLISECONDS,
                "input_length": len(prompt) * BLOCK,
                "output_length": 1,
                "hash_ids": list(prompt),
            }
            lines.write(json.dumps(request) + "\n")
    report: dict[str, Any] = run_trace_replay(  # type: ignore[no-untyped-call]
        [trace],
        extra_engine_args=MockEngineArgs(num_gpu_blocks=blocks, block_size=BLOCK, **engine),
        num_workers=workers,
        router_mode="round_robin" if router is None else "kv_router",
        router_config=router,
        trace_block_size=BLOCK,
    )
    return report


def reuse(folder: Path, prompts: Iterable[Prompt], **options: Any) -> float:
    """Which share of the prompts' tokens the engines had kept from earlier ones."""
    return float(replayed(folder, prompts, **options)["prefix_cache_reused_ratio"])


def reusable(prompts: Iterable[Prompt], *, last_too: bool) -> float:
    """The same for one engine that keeps everything.

    Args:
        last_too: whether the last block of a prompt is taken from the cache too. vLLM computes a
            prompt's last token in any case, and with it its block.
    """
    held: set[tuple[int, ...]] = set()
    found = total = 0
    for prompt in prompts:
        known = 0
        while known < len(prompt) and tuple(prompt[: known + 1]) in held:
            known += 1
        held.update(tuple(prompt[:end]) for end in range(1, len(prompt) + 1))
        found += known if last_too else min(known, len(prompt) - 1)
        total += len(prompt)
    return found / total
