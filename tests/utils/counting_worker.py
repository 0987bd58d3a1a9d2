"""A worker of Dynamo's whose tokens count: each says at which place of the sequence it stands.

It is Dynamo's backend SDK with an engine of a few lines, so that all but the arithmetic is
Dynamo's: the runtime, registration, the request plane, shutdown. It runs in a process of its own,
as `python -m tests.utils.counting_worker`; see `tests.utils.counting` for what tests use.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from dynamo.common.backend.engine import (
    EngineConfig,
    GenerateChunk,
    GenerateRequest,
    LLMEngine,
    LlmRegistration,
)
from dynamo.common.backend.run import run
from dynamo.common.backend.worker import WorkerConfig

from tests.utils.counting import WAIT, token_at

# Between two looks for the gate: short against a request.
POLL_SECONDS = 0.02


class CountingEngine(LLMEngine):
    """Gives the token of each place, from the end of the prompt on."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options

    @classmethod
    async def from_args(cls, argv: list[str] | None = None) -> tuple[CountingEngine, WorkerConfig]:
        """Reads the command line that `CountingSpec` writes."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--model", required=True)
        parser.add_argument("--served-model-name", required=True)
        parser.add_argument("--max-model-len", type=int, required=True)
        parser.add_argument("--block-size", type=int, required=True)
        parser.add_argument("--gate", type=Path, required=True)
        options = parser.parse_args(argv)
        return cls(options), WorkerConfig(
            namespace=os.environ["DYN_NAMESPACE"],
            model_name=options.model,
            served_model_name=options.served_model_name,
            discovery_backend=os.environ["DYN_DISCOVERY_BACKEND"],
            request_plane=os.environ["DYN_REQUEST_PLANE"],
            event_plane=os.environ["DYN_EVENT_PLANE"],
        )

    async def start(self, worker_id: int) -> EngineConfig:
        """There is nothing to start."""
        del worker_id
        return EngineConfig(
            model=self._options.model,
            served_model_name=self._options.served_model_name,
            llm=LlmRegistration(
                context_length=self._options.max_model_len,
                kv_cache_block_size=self._options.block_size,
                total_kv_blocks=1024,
                max_num_seqs=64,
                max_num_batched_tokens=4096,
            ),
        )

    async def generate(
        self, request: GenerateRequest, context: Any
    ) -> AsyncGenerator[GenerateChunk, None]:
        """Counts on from the end of the prompt, one token a chunk."""
        first = len(request["token_ids"])
        end = first + request["stop_conditions"]["max_tokens"]
        # Of all that the frontend sends, the SDK's type names the best known.
        notes: list[str] = dict(request).get("annotations") or []  # type: ignore[assignment]
        waits = {int(note.removeprefix(WAIT)) for note in notes if note.startswith(WAIT)}
        for place in range(first, end):
            # One that takes over here does not wait where the other did.
            while place in waits and place > first and not self._options.gate.exists():
                if context.is_stopped():
                    break
                await asyncio.sleep(POLL_SECONDS)
            if context.is_stopped():
                yield {"token_ids": [], "index": 0, "finish_reason": "cancelled"}
                return
            chunk: GenerateChunk = {"token_ids": [token_at(place)], "index": 0}
            if place == end - 1:
                chunk["finish_reason"] = "length"
            yield chunk

    async def cleanup(self) -> None:
        """There is nothing to release."""


if __name__ == "__main__":
    run(CountingEngine)
