"""What the router's index is told, as it takes it: one event of one worker's rank, in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dynamo.llm import RadixTree

__all__ = ["Rank", "cleared", "find", "removed", "stored"]

# A worker, and one of its data-parallel ranks.
Rank = tuple[int, int]


def stored(blocks: Mapping[int, int], *, parent: int | None = None, rank: int = 0) -> bytes:
    """Blocks that follow one another.

    Args:
        blocks: the hash of the tokens of each, by the engine's name for it. All engines must name a
            block alike: the index keeps the name that it heard first.
        parent: the engine's name of the block before them; by default a prompt begins with them.
    """
    told = [{"block_hash": name, "tokens_hash": tokens} for name, tokens in blocks.items()]
    return _event({"stored": {"parent_hash": parent, "blocks": told}}, rank)


def removed(names: Sequence[int], *, rank: int = 0) -> bytes:
    """Blocks that are no longer there."""
    return _event({"removed": {"block_hashes": list(names)}}, rank)


def cleared(*, rank: int = 0) -> bytes:
    """No block is there any more."""
    return _event("cleared", rank)


def find(tree: RadixTree, tokens: Sequence[int]) -> dict[Rank, int]:
    """How many blocks from the first on each rank holds of a prompt; those that hold none are not
    there."""
    # The stubs of Dynamo 1.4.2 say that the keys are workers.
    scores: Any = tree.find_matches(list(tokens)).scores
    return dict(scores)


def _event(data: object, rank: int) -> bytes:
    return json.dumps({"event_id": 0, "data": data, "dp_rank": rank}).encode()
