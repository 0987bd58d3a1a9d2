"""Dynamo's selection service in this process: the router's index and its choice, without a server.

Workers are numbers, and what they hold is told by engines that a test plays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dynamo.llm import SelectionService
from dyno.dynamo import eventually

from tests.kv_router.engine import Engine, stored

__all__ = ["BLOCK", "Selector", "prompt"]

BLOCK = 4
MODEL = "model"


def prompt(number: int, count: int = 4) -> list[int]:
    """A prompt of whole blocks that shares not one with the prompt of another number."""
    return list(range(1000 * number, 1000 * number + count * BLOCK))


class Selector:
    """A selection service, each of whose workers has an engine.

    Attributes:
        engines: by worker.
    """

    def __init__(self, **options: Any) -> None:
        self.engines: dict[int, Engine] = {}
        self._service = SelectionService(indexer_threads=1, **options)
        self._told = 0

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Calls a method of the service, whose coroutines want a loop that runs."""

        async def called() -> Any:
            result = getattr(self._service, method)(*arguments, **options)
            return (
                await result if asyncio.isfuture(result) or hasattr(result, "__await__") else result
            )

        return asyncio.run(called())

    def add(
        self,
        worker: int,
        *,
        model: str = MODEL,
        ranks: Mapping[int, str] | None = None,
        topic_in_replay: bool = True,
        **fields: Any,
    ) -> Engine:
        """Registers a worker; returns its engine, to which the service listens.

        Args:
            ranks: where the events of ranks above 0 are told.
        """
        engine = self.engines[worker] = Engine(topic_in_replay=topic_in_replay)
        ranks = ranks or {}
        self.call(
            "upsert_worker",
            {
                "worker_id": worker,
                "model_name": model,
                "endpoint": f"http://worker-{worker}",
                "block_size": BLOCK,
                "kv_events_endpoints": {0: engine.endpoint, **ranks},
                "data_parallel_size": 1 + len(ranks),
                "replay_endpoint": engine.replay_endpoint,
                **fields,
            },
        )
        engine.await_listener()
        # Its load is counted by another part of the service, which hears of it for itself.
        eventually(
            lambda: worker in self.counted(model), what=f"the load of worker {worker} is counted"
        )
        return engine

    def counted(self, model: str) -> set[int]:
        """The workers of a model whose load is counted."""
        tables = self.call("loads", model_name=model)
        return {row["worker_id"] for table in tables for row in table["loads"]}

    def hold(self, worker: int, tokens: Sequence[int]) -> None:
        """Has a worker's engine tell that it holds a prompt; returns when the index knows."""
        count = len(tokens) // BLOCK
        # The names are those of the content, alike for all engines.
        names = [hash(tuple(tokens[: (n + 1) * BLOCK])) & (2**62 - 1) for n in range(count)]
        self.engines[worker].tell(stored(names, tokens))
        eventually(
            lambda: self.held(tokens).get(worker) == count,
            what=f"worker {worker} is known to hold {count} blocks",
        )

    def held(self, tokens: Sequence[int], *, model: str = MODEL) -> dict[int, int]:
        """How many blocks of a prompt each worker's GPU holds."""
        return {
            row["worker_id"]: row["device_blocks"] for row in self.overlaps(tokens, model=model)
        }

    def overlaps(self, tokens: Sequence[int], *, model: str = MODEL) -> list[dict[str, Any]]:
        """What each worker holds of a prompt, by where it lies."""
        told = self.call("overlap_scores", {"model_name": model, "token_ids": list(tokens)})
        rows: list[dict[str, Any]] = told["workers"]
        return rows

    def select(self, tokens: Sequence[int], **fields: Any) -> int:
        """The worker that is chosen for a prompt."""
        return int(self.chosen(tokens, **fields)["worker_id"])

    def chosen(self, tokens: Sequence[int], **fields: Any) -> Mapping[str, Any]:
        """All that is said of the choice."""
        request = {"model_name": MODEL, "token_ids": list(tokens), **fields}
        told: Mapping[str, Any] = self.call("select", request)
        return told

    def reserve(self, name: str, worker: int, tokens: Sequence[int], **fields: Any) -> None:
        """Books the load of a prompt on a worker."""
        booked = {"selection_id": name, "worker_id": worker, "dp_rank": 0}
        request = {"model_name": MODEL, "token_ids": list(tokens), **booked, **fields}
        self.call("create_reservation", request)

    def load(self, worker: int) -> tuple[int, int, int]:
        """A worker's load: requests, blocks in use, and tokens whose prefill is to come."""
        (model,) = self.call("loads", model_name=MODEL)
        (row,) = [row for row in model["loads"] if row["worker_id"] == worker]
        return (
            row["active_requests"],
            row["potential_decode_blocks"],
            row["potential_prefill_tokens"],
        )

    def close(self) -> None:
        """Ends the service, then the engines."""
        closers: list[Callable[[], None]] = [self._service.shutdown]
        closers += [engine.close for engine in self.engines.values()]
        for close in closers:
            close()
